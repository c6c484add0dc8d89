"""Gives orders to a running instance over its control socket, and hears of its events: JSON-RPC 2.0, one message a line."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from threading import RLock
from typing import Any, Callable, Deque, Dict, Mapping, Optional

from .directory import control_directory, control_socket, has_control_directory, instance_names
from .errors import EtherloomError, refusal

PROTOCOL = 1

_ANSWER_LIMIT = 10.0  # how long an instance may take to answer its first order, in seconds
_LONGEST_ANSWER = 64 * 2**20  # bytes of a line; whoever sends more is no instance
_NO_SUCH_METHOD = -32601


def connect(name: Optional[str] = None) -> "Client":
    """
    A connection to the instance of this name, by default to the only one that runs.

    Raises EtherloomError (ERR_ETHERLOOM_CONTROL) where there is none, or several and no name was given.
    """
    if name is not None:
        client = Client._find(name)
        if client is None:
            raise EtherloomError(f"no instance named {name!r} is running")
    else:
        found = [each for each in map(Client._find, instance_names()) if each is not None]
        if len(found) != 1:
            for each in found:
                each.close()
            if not found:
                raise refusal(
                    f"no instance is running (looked in {control_directory()})", "start one with 'etherloom up FILE'"
                )
            raise refusal("several instances are running", f"choose one: {', '.join(each.name for each in found)}")
        client = found[0]
    try:
        client._greet()
    except BaseException:
        client.close()
        raise
    return client


class Client:
    """A connection to one instance, from `connect`. Threads may share it; their calls wait for each other."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name = name
        self._socket = connection
        self._lock = RLock()
        self._received = bytearray()
        self._searched = 0  # bytes of it in which there is no end of a line
        self._events: Deque[Dict[str, Any]] = deque()
        self._last = 0
        self._open = True

    @staticmethod
    def _find(name: str) -> Optional["Client"]:
        path = control_socket(name)
        if not has_control_directory():
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_LIMIT)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except OSError as cause:
            connection.close()
            raise EtherloomError(f"cannot reach instance {name!r}: {cause.strerror or cause}") from cause
        return Client(name, connection)

    def _greet(self) -> None:
        spoken = self.call("hello", {"protocol": PROTOCOL}, timeout=_ANSWER_LIMIT)
        if spoken.get("protocol") != PROTOCOL:
            raise EtherloomError(
                f"instance {self.name!r} speaks version {spoken.get('protocol')} of the protocol, and this client {PROTOCOL}"
            )

    def call(self, method: str, params: Optional[Mapping[str, Any]] = None, timeout: Optional[float] = None) -> Any:
        """
        Calls a method, with its parameters and its answer as docs/reference/control/ of etherloom has them; counters above
        2^53 - 1 are decimal text. `timeout`, in seconds, gives up waiting; what was asked for is done all the same.

        Raises EtherloomError with the code that the instance gave, and ERR_ETHERLOOM_CONTROL when it has ended.
        """
        with self._lock:
            self._last += 1
            number = self._last
            order = {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params or {})}
            deadline = None if timeout is None else time.monotonic() + timeout
            self._send(json.dumps(order, ensure_ascii=False).encode() + b"\n", deadline)
            while True:
                message = self._receive(deadline)
                if message is None:
                    raise refusal(
                        f"instance {self.name!r} does not answer: it has said nothing for {timeout:g} s",
                        "it is busy, or stopped (Ctrl-Z, SIGSTOP): 'kill -CONT' has one that is stopped go on",
                    )
                if message.get("method") == "event":
                    self._events.append(message.get("params") or {})
                elif "method" not in message and message.get("id") in (number, None):
                    return self._answer(message)

    def subscribe(self, *events: str) -> None:
        """Hears of these events from now on, by default of all; `wait_for` gives them."""
        self.call("subscribe", {"events": list(events)})

    def wait_for(
        self,
        event: str,
        where: Callable[[Dict[str, Any]], bool] = lambda _: True,
        timeout: float = 10.0,
    ) -> Dict[str, Any]:
        """
        The next event of this name, of those subscribed to, of which `where` says so; those before it are passed over.
        Raises TimeoutError after so many seconds, and EtherloomError when the instance ends.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            while True:
                while self._events:
                    found = self._events.popleft()
                    if found.get("event") == event and where(found):
                        return found
                message = self._receive(deadline)
                if message is None:
                    raise TimeoutError(f"no event {event!r} of instance {self.name!r} in {timeout:g} s")
                if message.get("method") == "event":
                    self._events.append(message.get("params") or {})

    def close(self) -> None:
        """Ends the connection; the instance goes on. Idempotent."""
        self._open = False
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, message: Dict[str, Any]) -> Any:
        error = message.get("error")
        if error is None:
            return message.get("result")
        data = error.get("data") or {}
        usual = "ERR_ETHERLOOM_NAME" if error.get("code") == _NO_SUCH_METHOD else "ERR_ETHERLOOM_CONTROL"
        raise EtherloomError(
            error.get("message", "an error without a message"),
            data.get("code", usual),
            data.get("hint"),
            data.get("syscall"),
            data.get("errno"),
        )

    def _send(self, line: bytes, deadline: Optional[float]) -> None:
        try:
            self._wait_until(deadline)
            self._socket.sendall(line)
        except OSError as cause:
            raise self._ended() from cause

    def _receive(self, deadline: Optional[float]) -> Optional[Dict[str, Any]]:
        """The next message, or None at the deadline."""
        while True:
            end = self._received.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                self._searched = 0
                if not line.strip():
                    continue
                try:
                    message = json.loads(line)
                    if isinstance(message, dict):
                        return message
                except ValueError:
                    pass
                self.close()
                raise EtherloomError(f"what instance {self.name!r} says is not the control protocol")
            self._searched = len(self._received)
            if self._searched > _LONGEST_ANSWER:
                self.close()
                raise EtherloomError(f"what instance {self.name!r} says is not the control protocol")
            try:
                self._wait_until(deadline)
                data = self._socket.recv(65536)
            except socket.timeout:
                return None
            except OSError as cause:
                raise self._ended() from cause
            if not data:
                raise self._ended()
            self._received += data

    def _wait_until(self, deadline: Optional[float]) -> None:
        self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))

    def _ended(self) -> EtherloomError:
        was_open = self._open
        self.close()
        return EtherloomError(
            f"instance {self.name!r} ended before it answered" if was_open else f"the connection to {self.name!r} is closed"
        )
