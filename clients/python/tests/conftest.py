"""What the tests share: a control directory of their own, and far ends of ports that need no privilege."""

import os
import shutil
import socket
import struct
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "clients" / "python" / "src"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path_factory):
    """A folder with a short path, since paths of sockets are short; the command is that of this checkout."""
    tmp_path_factory.getbasetemp()  # before the folder for temporary files is another one
    folder = tempfile.mkdtemp(prefix="el-")
    if "ETHERLOOM" not in os.environ:
        monkeypatch.setenv("ETHERLOOM", f"node {ROOT / 'dist' / 'bin' / 'etherloom.js'}")
    monkeypatch.setenv("ETHERLOOM_CONTROL_DIRECTORY", f"{folder}/run")
    monkeypatch.setenv("TMPDIR", f"{folder}")
    monkeypatch.setenv("PYTHONPATH", str(SOURCES))
    monkeypatch.setattr(tempfile, "tempdir", folder)
    for name in ("ETHERLOOM_SEED", "ETHERLOOM_FAILURES_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    yield Path(folder)
    left = sorted(name for name in os.listdir(folder) if name not in ("run", "lab.json", "red", "green"))
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def topology(surroundings):
    """Two sockets on a hub; half of what red sends to green is lost."""
    return {
        "fabrics": {
            "lab": {
                "kind": "hub",
                "forwarding": "deny",
                "ports": {
                    name: {"socket": f"{surroundings}/{name}", "role": "listen"} for name in ("red", "green")
                },
                "paths": [{"from": "red", "to": "green", "loss": 0.5}],
            }
        }
    }


class FarEnd:
    """The program at the other end of a port that is a socket: four bytes of length before each frame."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))

    def send(self, number):
        frame = bytes([255] * 6 + [2, 0, 0, 0, 0, 1, 0x88, 0xB5]) + struct.pack(">I", number) + bytes(42)
        self._socket.sendall(struct.pack(">I", len(frame)) + frame)

    def numbers(self, until):
        """The numbers of the frames that come, up to and with this one."""
        found, stream = [], self._socket.makefile("rb")
        while not found or found[-1] != until:
            (length,) = struct.unpack(">I", stream.read(4))
            found.append(struct.unpack(">I", stream.read(length)[14:18])[0])
        return found


def exists(process):
    """Whether a process runs."""
    try:
        os.kill(process, 0)
        return True
    except ProcessLookupError:
        return False
