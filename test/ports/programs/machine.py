"""A machine that opens a TAP as its network card, as an emulator does: `machine.py TAP`.

Prints "ready", then "in HEX" for each frame that it gets. Sends each line of hex from standard input.
"""
import fcntl
import os
import struct
import sys
import threading

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def send_lines(card):
    for line in sys.stdin:
        os.write(card, bytes.fromhex(line))


card = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(card, TUNSETIFF, struct.pack("16sH22x", sys.argv[1].encode(), IFF_TAP | IFF_NO_PI))
threading.Thread(target=send_lines, args=(card,), daemon=True).start()
print("ready", flush=True)
while True:
    print("in", os.read(card, 1 << 17).hex(), flush=True)
