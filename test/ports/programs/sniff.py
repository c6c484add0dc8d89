"""A packet socket on one interface: `sniff.py INTERFACE`.

Prints "ready", then a line per frame: "in HEX" or "out HEX". Sends each line of hex from standard input.
"""
import socket
import struct
import sys
import threading

SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
VLAN_VALID, TPID_VALID, ETH_P_ALL = 0x10, 0x40, 3


def tag_of(control):
    """The VLAN tag that the kernel took out of the frame (packet(7), struct tpacket_auxdata)."""
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & VLAN_VALID:
                return struct.pack("!HH", tpid if status & TPID_VALID else 0x8100, tci)
    return b""


def send_lines(packets):
    for line in sys.stdin:
        packets.send(bytes.fromhex(line))


packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
packets.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
packets.bind((sys.argv[1], ETH_P_ALL))
threading.Thread(target=send_lines, args=(packets,), daemon=True).start()
print("ready", flush=True)
while True:
    frame, control, _, address = packets.recvmsg(1 << 17, 256)
    direction = "out" if address[2] == PACKET_OUTGOING else "in"
    print(direction, (frame[:12] + tag_of(control) + frame[12:]).hex(), flush=True)
