"""Round trips, and how late this machine is: `rtt.py ROUNDS NEAR FAR`. Started by tests, in a host's namespace.

Each round sleeps twice for 10 ms, pings NEAR once and then FAR once, each time waiting for the answer. Prints one line
of JSON per round, in microseconds: by how much both sleeps took longer than 20 ms, and the two round trips.
"""
import json
import os
import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 8, 0
IDENTIFIER = os.getpid() & 0xFFFF


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(sequence):
    fields = [ECHO_REQUEST, 0, 0, IDENTIFIER, sequence]
    fields[2] = checksum(struct.pack('!BBHHH', *fields))
    return struct.pack('!BBHHH', *fields)


def ping(sock, address, sequence):
    """Nanoseconds until the answer."""
    started = time.monotonic_ns()
    sock.sendto(echo_request(sequence), (address, 0))
    while True:
        packet = sock.recv(2048)
        ended = time.monotonic_ns()
        header = (packet[0] & 15) * 4
        kind, _, _, identifier, number = struct.unpack('!BBHHH', packet[header:header + 8])
        if (kind, identifier, number) == (ECHO_REPLY, IDENTIFIER, sequence):
            return ended - started


def nap():
    """Nanoseconds by which a sleep of 10 ms was late."""
    started = time.monotonic_ns()
    time.sleep(0.01)
    return time.monotonic_ns() - started - 10_000_000


def main(rounds, near, far):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(10)
        for each in (near, far):  # finds the neighbour
            ping(sock, each, 0)
        for number in range(1, rounds + 1):
            late = nap() + nap()
            times = {'late': late, 'near': ping(sock, near, 2 * number), 'far': ping(sock, far, 2 * number + 1)}
            print(json.dumps({name: value / 1000 for name, value in times.items()}))


main(int(sys.argv[1]), *sys.argv[2:4])
