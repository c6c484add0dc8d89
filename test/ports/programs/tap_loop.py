"""A TAP and who holds it, without etherloom: `tap_loop.py NAME ADDRESS/BITS read|return`.

`read` takes what is sent on the interface and does nothing with it; `return` writes every frame back, as a TAP element
does that is connected to itself. Prints "ready" when the interface is up.
"""
import fcntl
import os
import struct
import subprocess
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000

name, address, what = sys.argv[1:4]
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
subprocess.run(["ip", "link", "set", name, "up"], check=True)
print("ready", flush=True)
while True:
    frame = os.read(tap, 1 << 16)
    if what == "return":
        os.write(tap, frame)
