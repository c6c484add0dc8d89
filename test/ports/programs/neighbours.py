"""Who hears whom, on all interfaces of a host but lo: `neighbours.py NODE`.

Prints "ready". For each line "send TAG" on standard input, sends a broadcast from every interface that has a carrier and
prints "sent". Prints "heard NODE TAG" for each such frame that comes in.
"""
import socket
import struct
import sys
import threading

ETHERTYPE, PACKET_OUTGOING = 0x88B5, 4
node = int(sys.argv[1])
printing = threading.Lock()


def say(text):
    with printing:
        print(text, flush=True)


def send(tag):
    for name in [each for _, each in socket.if_nameindex()]:
        if name == "lo":
            continue
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
            packets.bind((name, 0))
            head = b"\xff" * 6 + bytes([2, 1, 0, 0, 0, node]) + struct.pack("!HHI", ETHERTYPE, node, tag)
            try:
                packets.send(head.ljust(60, b"\0"))
            except OSError:
                pass  # without a carrier, or down
    say("sent")


def obey():
    for line in sys.stdin:
        send(int(line.split()[1]))


hears = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
threading.Thread(target=obey, daemon=True).start()
say("ready")
while True:
    frame, address = hears.recvfrom(2048)
    if address[2] != PACKET_OUTGOING:
        say("heard %d %d" % struct.unpack("!HI", frame[14:20]))
