"""Echo requests, and what comes back: `ping.py ADDRESS COUNT INTERVAL PATIENCE PAYLOAD [whole]`. In a host's namespace.

Sends COUNT requests with PAYLOAD bytes each, INTERVAL seconds apart, or with `inf` each when the one before is answered.
Ends when all are answered, or PATIENCE seconds after the last request. Unlike ping(8), which then waits for no longer than
twice the longest round trip so far: on a busy machine that is too short. `whole`: no request may be fragmented. Prints
{"sent", "received", "duplicates", "shortest"} as JSON, the shortest round trip in milliseconds, null without an answer.
"""
import json
import os
import select
import socket
import struct
import sys
import time

SO_TIMESTAMPNS, IP_MTU_DISCOVER, IP_PMTUDISC_DO = 35, 10, 2


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinger:
    """Requests to one address, or a broadcast address, and the answers to them (RFC 792, RFC 4443)."""
    made = 0

    def __init__(self, address, payload=56, whole=False):
        self.address = address
        self.ip6 = ':' in address
        self.payload = bytes(payload)
        self.sent_at = []
        self.answers = []
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if self.ip6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        self.request, self.reply = (128, 129) if self.ip6 else (8, 0)
        self.identifier = struct.pack('!H', os.getpid() + 0x8000 * Pinger.made & 0xFFFF)
        Pinger.made += 1
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if whole:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

    def send(self):
        number = len(self.sent_at)
        rest = self.identifier + struct.pack('!H', number & 0xFFFF) + self.payload
        head = struct.pack('!BBH', self.request, 0, 0)
        if not self.ip6:
            head = struct.pack('!BBH', self.request, 0, checksum(head + rest))
        self.answers.append([])
        self.sent_at.append(time.time_ns())
        try:
            self.socket.sendto(head + rest, (self.address, 0))
        except OSError:
            pass  # no way there, or too long: no answer will come

    def receive(self, patience):
        """Takes one answer, if one comes within so many seconds; its number, or None."""
        if not select.select([self.socket], [], [], max(0, patience))[0]:
            return None
        packet, control, _, _ = self.socket.recvmsg(1 << 17, 256)
        message = packet if self.ip6 else packet[(packet[0] & 15) * 4:]
        kind, _, _, identifier, number = struct.unpack('!BBH2sH', message[:8])
        if (kind, identifier) != (self.reply, self.identifier) or number >= len(self.sent_at):
            return None
        seconds, nanoseconds = struct.unpack('qq', control[0][2][:16])
        self.answers[number].append(seconds * 1_000_000_000 + nanoseconds - self.sent_at[number])
        return number

    def once(self, patience):
        """Nanoseconds until the answer to one more request."""
        self.send()
        end = time.monotonic() + patience
        while not self.answers[-1]:
            if time.monotonic() > end:
                raise TimeoutError(f'no answer from {self.address}')
            self.receive(end - time.monotonic())
        return self.answers[-1][0]


def main(address, count, interval, patience, payload, *words):
    count, interval, patience = int(count), float(interval), float(patience)
    one_by_one = interval == float('inf')
    pinger = Pinger(address, int(payload), 'whole' in words)
    answered, last = 0, -interval
    while answered < count:
        sent, now = len(pinger.sent_at), time.monotonic()
        if sent < count and (answered == sent if one_by_one else now >= last + interval):
            pinger.send()
            last = now
            continue
        is_last = one_by_one or sent == count
        end = last + (patience if is_last else interval)
        number = pinger.receive(end - now)
        if number is not None:
            answered += len(pinger.answers[number]) == 1
        elif is_last and time.monotonic() >= end:
            break
    times = [each for answers in pinger.answers for each in answers]
    print(json.dumps({
        'sent': len(pinger.sent_at),
        'received': answered,
        'duplicates': len(times) - answered,
        'shortest': min(times) / 1e6 if times else None,
    }))


if __name__ == '__main__':
    main(*sys.argv[1:])
