"""An emulator's network side without the emulator: `guest.py WHERE MAC ADDRESS`. Started by tests.

WHERE is what it attaches to, each as emulators do it:
    packet:NAME          a packet socket on an interface (frames in both directions, but not its own)
    datagram:FD          an inherited socket, one frame in each message
    stream:FD            an inherited socket, each frame behind its length (4 bytes, big-endian)
    udp:IP:PORT:IP:PORT  a UDP socket: its own address, then its peer's

It answers ARP requests for its address and ICMP echo requests to it, one answer per request that it hears. A line
`ping ADDRESS COUNT [GATEWAY]` on standard input makes it ask for the address, or the gateway's, send COUNT echo requests,
each when the one before is answered or a second has passed, and print one line of JSON: sent, received, duplicates. It
first prints `ready`, and ends with its standard input or its socket.
"""
import json
import os
import select
import socket
import struct
import sys
import time

BROADCAST = b'\xff' * 6
ARP, IP = 0x0806, 0x0800
REQUEST, REPLY = 1, 2
ECHO_REQUEST, ECHO_REPLY = 8, 0
PATIENCE = 1.0


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Messages:
    """A socket with one frame in each message."""

    def __init__(self, sock):
        self.socket = sock

    def frames(self):
        frame = self.socket.recv(70000)
        if not frame:
            sys.exit()
        return [frame]

    def send(self, frame):
        self.socket.send(frame)


class Stream(Messages):
    """A socket with a length before each frame."""

    def __init__(self, sock):
        super().__init__(sock)
        self.rest = b''

    def frames(self):
        data = self.socket.recv(70000)
        if not data:
            sys.exit()
        self.rest += data
        found = []
        while len(self.rest) >= 4 and len(self.rest) >= 4 + (length := int.from_bytes(self.rest[:4], 'big')):
            found.append(self.rest[4:4 + length])
            self.rest = self.rest[4 + length:]
        return found

    def send(self, frame):
        self.socket.sendall(len(frame).to_bytes(4, 'big') + frame)


def attach(where):
    kind, *rest = where.split(':')
    if kind == 'packet':
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind((rest[0], 3))
        membership = struct.pack('iHH8s', socket.if_nametoindex(rest[0]), 1, 0, b'')  # promiscuous
        sock.setsockopt(263, 1, membership)
        return Messages(sock)
    if kind == 'udp':
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((rest[0], int(rest[1])))
        sock.connect((rest[2], int(rest[3])))
        return Messages(sock)
    sock = socket.socket(fileno=int(rest[0]))
    return Stream(sock) if kind == 'stream' else Messages(sock)


class Guest:
    def __init__(self, link, mac, address):
        self.link = link
        self.mac = bytes.fromhex(mac.replace(':', ''))
        self.address = socket.inet_aton(address)
        self.neighbours = {}
        self.replies = {}
        self.asked = 0

    def arp(self, operation, to, address):
        target = b'\0' * 6 if to == BROADCAST else to
        body = struct.pack('!HHBBH6s4s6s4s', 1, IP, 6, 4, operation, self.mac, self.address, target, address)
        self.link.send((to + self.mac + struct.pack('!H', ARP) + body).ljust(60, b'\0'))

    def icmp(self, kind, to, address, body):
        message = struct.pack('!BBH', kind, 0, checksum(bytes([kind, 0, 0, 0]) + body)) + body
        header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(message), 0, 0, 64, 1, 0, self.address, address)
        header = header[:10] + struct.pack('!H', checksum(header)) + header[12:]
        self.link.send((to + self.mac + struct.pack('!H', IP) + header + message).ljust(60, b'\0'))

    def hear(self, frame):
        to, mac, kind = frame[:6], frame[6:12], frame[12:14]
        if to not in (self.mac, BROADCAST) or mac == self.mac:
            return
        if kind == struct.pack('!H', ARP):
            operation, = struct.unpack('!H', frame[20:22])
            sender, target = frame[28:32], frame[38:42]
            if target == self.address:
                self.neighbours[sender] = mac
                if operation == REQUEST:
                    self.arp(REPLY, mac, sender)
        elif kind == struct.pack('!H', IP) and frame[30:34] == self.address and frame[23] == 1:
            length, = struct.unpack('!H', frame[16:18])
            message = frame[34:14 + length]
            if message[0] == ECHO_REQUEST:
                self.icmp(ECHO_REPLY, mac, frame[26:30], message[4:])
            elif message[0] == ECHO_REPLY:
                number, = struct.unpack('!I', message[4:8])
                self.replies[number] = self.replies.get(number, 0) + 1

    def wait(self, until):
        """Hears frames until `until` holds or patience ends."""
        end = time.monotonic() + PATIENCE
        while not until() and (left := end - time.monotonic()) > 0:
            if select.select([self.link.socket], [], [], left)[0]:
                self.listen()

    def listen(self):
        for frame in self.link.frames():
            self.hear(frame)

    def ping(self, address, count, gateway):
        target, hop = socket.inet_aton(address), socket.inet_aton(gateway)
        self.replies = {}
        sent = 0
        for _ in range(count):
            if hop not in self.neighbours:
                self.arp(REQUEST, BROADCAST, hop)
                self.wait(lambda: hop in self.neighbours)
            sent += 1
            self.asked += 1
            if hop in self.neighbours:
                self.icmp(ECHO_REQUEST, self.neighbours[hop], target, struct.pack('!I', self.asked))
                self.wait(lambda: self.asked in self.replies)
        received = len(self.replies)
        duplicates = sum(self.replies.values()) - received
        print(json.dumps({'sent': sent, 'received': received, 'duplicates': duplicates}), flush=True)


def main(where, mac, address):
    guest = Guest(attach(where), mac, address)
    print('ready', flush=True)
    while True:
        ready, _, _ = select.select([guest.link.socket, sys.stdin.fileno()], [], [])
        if guest.link.socket in ready:
            guest.listen()
        if sys.stdin.fileno() in ready:
            line = os.read(sys.stdin.fileno(), 4096).decode()
            if line == '':
                return
            _, target, count, *gateway = line.split()
            guest.ping(target, int(count), *(gateway or [target]))


main(*sys.argv[1:4])
