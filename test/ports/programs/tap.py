"""Opens a TAP and becomes another program that inherits it as descriptor 9: `tap.py NAME COMMAND...`."""
import fcntl
import os
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000

tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", sys.argv[1].encode(), IFF_TAP | IFF_NO_PI))
os.dup2(tap, 9)
os.execvp(sys.argv[2], sys.argv[2:])
