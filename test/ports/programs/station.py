"""A guest on a packet socket, as emulators attach them: `station.py INTERFACE MAC ADDRESS MODE`.

MODE has words with '+' between them: `filtered` lets the kernel pass only what is for MAC or broadcast, `promiscuous`
everything; `out` then ignores what the interface receives. Prints "ready", then a line per frame: "in HEX" or "out HEX".
Answers every copy of an ICMP echo request to ADDRESS. From standard input it takes lines of hex, which it sends, and
`ping MAC ADDRESS`, which sends one echo request.
"""
import ctypes
import socket
import struct
import sys
import threading

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, PACKET_OUTGOING, ETH_P_ALL = 263, 1, 1, 4, 3
SO_ATTACH_FILTER = 26
ECHO_REPLY, ECHO_REQUEST, ICMP, IPV4 = 0, 8, 1, 0x0800

name, own_mac, own_ip, mode = sys.argv[1:5]
mac = bytes.fromhex(own_mac.replace(":", ""))
ip = socket.inet_aton(own_ip)
words = mode.split("+")


def attach_filter(packets):
    """Accepts what is for our address or broadcast."""
    def address(wanted, accept, refuse):
        upper, lower = struct.unpack("!HI", wanted)
        return [(0x28, 0, 0, 0), (0x15, 0, refuse + 2, upper), (0x20, 0, 0, 2), (0x15, accept, refuse, lower)]

    program = address(mac, 4, 0) + address(b"\xff" * 6, 0, 1) + [(0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    packets.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    )


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(kind, to_mac, to_ip, body):
    message = struct.pack("!BBH", kind, 0, 0) + body
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 0, 0, 64, ICMP, 0, ip, to_ip)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return to_mac + mac + struct.pack("!H", IPV4) + header + message


def is_request(frame):
    return (
        len(frame) >= 42
        and frame[:6] == mac
        and frame[12:14] == b"\x08\x00"
        and frame[23] == ICMP
        and frame[30:34] == ip
        and frame[34] == ECHO_REQUEST
    )


def obey(packets):
    sequence = 0
    for line in sys.stdin:
        if not line.startswith("ping "):
            packets.send(bytes.fromhex(line))
            continue
        _, to_mac, to_ip = line.split()
        sequence += 1
        body = struct.pack("!HH", 1, sequence) + bytes(32)
        packets.send(echo(ECHO_REQUEST, bytes.fromhex(to_mac.replace(":", "")), socket.inet_aton(to_ip), body))


packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
if "filtered" in words:
    attach_filter(packets)
packets.bind((name, ETH_P_ALL))
membership = struct.pack("IHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b"")
packets.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
threading.Thread(target=obey, args=(packets,), daemon=True).start()
print("ready", flush=True)
while True:
    frame, address = packets.recvfrom(1 << 17)
    outgoing = address[2] == PACKET_OUTGOING
    if "out" in words and not outgoing:
        continue
    if is_request(frame):
        packets.send(echo(ECHO_REPLY, frame[6:12], frame[26:30], frame[38:]))
    print("out" if outgoing else "in", frame.hex(), flush=True)
