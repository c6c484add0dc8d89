# A program of VDE, byte by byte: `vde_peer.py FOLDER`. Reads one JSON object per line and answers each with one.
#   {"ask": {...}}     connects to FOLDER/ctl and asks for a port: `port`, `version` (3), `description`, `socket` (what it names, the
#                      path of its own by default), `abstract` (its socket has a name outside the file system), `pieces` (bytes per
#                      write), `bytes` (hex: what it sends instead), `quiet` (sends nothing). Answer: {"reply": path | null},
#                      null where the switch closes the connection
#   {"send": hex}      a frame
#   {"receive": n}     Answer: {"frames": [hex]}, of the next n
#   {"fill": n}        sends n frames of 60 bytes without waiting. Answer: {"sent": m}
#   {"close": "control" | "data"}
#   {"ended": true}    waits for the end of the connection
import json
import os
import socket
import struct
import sys

folder = sys.argv[1]
control = data = target = None
own = None


def address(name):
    return struct.pack("=H108s", socket.AF_UNIX, name)


def ask(port=None, version=3, description="test", socket_=None, abstract=False, pieces=4096, bytes_=None, quiet=False):
    global control, data, target, own
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.connect(folder + "/ctl")
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if abstract:
        own = struct.pack("=cII", b"\0", os.getpid(), 7).ljust(108, b"\0")
    else:
        own = os.fsencode("%s/.%05d-00000" % (folder, os.getpid()))
        if os.path.exists(own):
            os.unlink(own)
    data.bind(own)
    kind = 1 if port == 0 else (port or 0) << 8
    name = address(own if socket_ is None else os.fsencode(socket_))
    if bytes_ is not None:
        request = bytes.fromhex(bytes_)
    elif version == 1:
        request = struct.pack("=II6s", 0xFEEDFACE, kind, b"\xff" * 6) + name + description.encode()
    else:
        request = struct.pack("=III", 0xFEEDFACE, version, kind) + name + description.encode()
    if quiet:
        return {"reply": None}
    try:
        for start in range(0, len(request), pieces):
            control.sendall(request[start : start + pieces])
        if bytes_ is not None:
            control.shutdown(socket.SHUT_WR)
        reply = control.recv(4096)
    except OSError:
        reply = b""
    if not abstract and os.path.exists(own):
        os.unlink(own)
    if len(reply) != 110:
        return {"reply": None, "length": len(reply)}
    target = reply[2:].rstrip(b"\0")
    data.connect(target)
    return {"reply": os.fsdecode(target)}


for line in sys.stdin:
    command = json.loads(line)
    answer = {}
    if "ask" in command:
        words = {{"socket": "socket_", "bytes": "bytes_"}.get(k, k): v for k, v in command["ask"].items()}
        answer = ask(**words)
    elif "send" in command:
        data.send(bytes.fromhex(command["send"]))
    elif "receive" in command:
        answer = {"frames": [data.recv(65536).hex() for _ in range(command["receive"])]}
    elif "fill" in command:
        data.setblocking(False)
        sent = 0
        for _ in range(command["fill"]):
            try:
                data.send(b"\xff" * 6 + b"\2\0\0\0\0\1" + b"\x88\xb5" + bytes(46))
                sent += 1
            except BlockingIOError:
                break
        data.setblocking(True)
        answer = {"sent": sent}
    elif "close" in command:
        (control if command["close"] == "control" else data).close()
    elif "ended" in command:
        answer = {"rest": control.recv(4096).hex()}
    print(json.dumps(answer), flush=True)
