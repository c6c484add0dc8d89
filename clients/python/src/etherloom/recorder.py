"""
Records what becomes of the frames of an instance, one pcapng file per path. Called by instance.py.

The instance sends each capture to a Unix socket on which we listen; one thread writes what comes from all of them.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import tempfile
from threading import Thread
from typing import Any, Dict, List, Tuple

from .client import Client

MOST_PAIRS = 64  # of the paths of a fabric that are recorded, policy or not; of one with more, those that have a policy
MOST_PATHS = 256  # recorded at a time: each takes two descriptors
MOST_FRAMES = 100_000  # recorded of a path

_PATIENCE = 10.0  # seconds until the end of a capture must have come, once its instance has ended
_PACKET = 6  # the type of a block of pcapng with a frame


class Recorder:
    """Records into a folder from now on, until the instance has ended."""

    def __init__(self, client: Client, folder: str) -> None:
        self.left_out = 0  # paths that are not recorded, since there are too many
        self._selector = selectors.DefaultSelector()
        wanted = _paths(client)
        self.left_out = max(len(wanted) - MOST_PATHS, 0)
        try:
            with tempfile.TemporaryDirectory(prefix="etherloom-") as sockets:
                for number, (fabric, source, target) in enumerate(wanted[:MOST_PATHS]):
                    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                        place = os.path.join(sockets, str(number))
                        listener.bind(place)
                        listener.listen(1)
                        listener.settimeout(_PATIENCE)
                        what = {"fabric": fabric, "from": source, "to": target}
                        client.call("capture", {**what, "socket": place, "fates": True, "count": MOST_FRAMES})
                        stream, _ = listener.accept()
                    file = os.path.join(folder, f"{fabric}.{source}-{target}.fates.pcapng")
                    self._selector.register(stream, selectors.EVENT_READ, open(file, "wb"))
        except BaseException:
            self._close_all()
            raise
        self._thread = Thread(target=self._write, name="etherloom-recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits until all is written. The instance must have ended."""
        self._thread.join(_PATIENCE)

    def _write(self) -> None:
        try:
            while self._selector.get_map():
                for key, _ in self._selector.select():
                    try:
                        data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                        key.data.write(data)
                    except OSError:  # the instance was killed, or the disk is full
                        data = b""
                    if not data:
                        self._selector.unregister(key.fileobj)
                        _close(key)
        finally:
            self._close_all()

    def _close_all(self) -> None:
        for key in list((self._selector.get_map() or {}).values()):
            _close(key)
        self._selector.close()


def _close(key: selectors.SelectorKey) -> None:
    key.fileobj.close()  # type: ignore[union-attr]
    try:
        key.data.close()
    except OSError:
        pass  # the disk is full: what was written stays


def _paths(client: Client) -> List[Tuple[str, str, str]]:
    fabrics: Dict[str, List[str]] = {}
    for row in client.call("ports"):
        fabrics.setdefault(row["fabric"], []).append(row["port"])
    rows: List[Dict[str, Any]] = client.call("paths")
    wanted: List[Tuple[str, str, str]] = []
    for fabric, ports in fabrics.items():
        if len(ports) * (len(ports) - 1) <= MOST_PAIRS:
            wanted += [(fabric, source, target) for source in ports for target in ports if source != target]
        else:
            wanted += [(fabric, row["from"], row["to"]) for row in rows if row["fabric"] == fabric]
    return wanted


def has_frames(file: str) -> bool:
    """Whether a pcapng file, in the byte order of this machine, has a frame."""
    with open(file, "rb") as blocks:
        while len(header := blocks.read(8)) == 8:
            kind, length = struct.unpack("=II", header)
            if kind == _PACKET:
                return True
            if length < 12:
                return False
            blocks.seek(length - 8, os.SEEK_CUR)
    return False
