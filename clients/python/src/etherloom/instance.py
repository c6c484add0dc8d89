"""
Starts `etherloom up`, and ends it. Called by the fixture, and by programs.

Theory of operation. The process tells that it is up as it tells systemd (sd_notify(3)), over a socket in a folder of ours; its
output goes to a file there. It is in a session of its own, so that all it has started can be killed with it, and the kernel ends
it when we die (PR_SET_PDEATHSIG), whatever we died of.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from .client import Client, connect
from .directory import control_socket
from .errors import EtherloomError, refusal
from .recorder import Recorder

Topology = Union[str, "os.PathLike[str]", Mapping[str, Any]]

_numbers = itertools.count(1)
_END_LIMIT = 10.0  # seconds until an instance that shall end is killed


def find_command(command: Union[str, Sequence[str], None] = None) -> List[str]:
    """
    The words that start etherloom: those given, else those of $ETHERLOOM, else `etherloom` in the path or in node_modules/ of
    this folder. Raises EtherloomError where there is none.
    """
    given = command or os.environ.get("ETHERLOOM") or None
    if given is None:
        words = ["etherloom"]
        local = os.path.abspath("node_modules/.bin/etherloom")
        if shutil.which(words[0]) is None and os.access(local, os.X_OK):
            words = [local]
    else:
        words = shlex.split(given) if isinstance(given, str) else list(given)
    if not words or shutil.which(words[0]) is None:
        raise refusal(
            f"cannot start etherloom: no command {words[0] if words else ''!r} was found",
            "install it with 'npm install --global etherloom', or name it with --etherloom-command or $ETHERLOOM",
        )
    return words


class Instance:
    """
    An instance that runs until `close`. As a context manager it closes by itself.

    topology: a file, or the same as a dict, in which names of files are absolute
    rootless: runs it in a user and network namespace of its own, without privilege
    name: of the instance; by default one that nobody else has
    seed: of all random draws, where the topology has none; default: $ETHERLOOM_SEED, else a new one
    command: what starts etherloom, as text or words; default: $ETHERLOOM, else `etherloom`
    timeout: seconds within which it must be up
    record: a folder for what becomes of the frames of each path

    Raises EtherloomError where it cannot be started, and with its output where it did not come up. It ends with the thread that
    made it, at the latest.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        rootless: bool = False,
        name: Optional[str] = None,
        seed: Optional[int] = None,
        command: Union[str, Sequence[str], None] = None,
        timeout: float = 30.0,
        record: Optional[str] = None,
    ) -> None:
        self.name = name or f"python-{os.getpid()}-{next(_numbers)}"
        control_socket(self.name)
        self._command = find_command(command)
        if shutil.which("setpriv") is None:
            raise refusal("cannot start etherloom: no command 'setpriv' was found", "install the package util-linux")
        self._client: Optional[Client] = None
        self._recorder: Optional[Recorder] = None
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._folder = tempfile.mkdtemp(prefix="etherloom-")
        self._output = os.path.join(self._folder, "output.txt")
        try:
            self.file = self._file_of(topology)
            self._start(rootless, seed, timeout)
            self._client = connect(self.name)
            self.info: Dict[str, Any] = self.call("info")
            #: The topology that runs, with its seed.
            self.topology: Dict[str, Any] = {**self.call("export"), "seed": int(self.info["seed"])}
            if record is not None:
                self._recorder = Recorder(self._client, record)
        except BaseException:
            self.close()
            raise

    @property
    def client(self) -> Client:
        """The connection to it."""
        if self._client is None:
            raise EtherloomError(f"instance {self.name!r} is closed", "ERR_ETHERLOOM_STATE")
        return self._client

    @property
    def unrecorded(self) -> int:
        """How many paths are not recorded, since there are too many."""
        return self._recorder.left_out if self._recorder else 0

    def call(self, method: str, params: Optional[Mapping[str, Any]] = None, timeout: Optional[float] = None) -> Any:
        """As `Client.call`."""
        return self.client.call(method, params, timeout)

    def subscribe(self, *events: str) -> None:
        """As `Client.subscribe`."""
        self.client.subscribe(*events)

    def wait_for(
        self, event: str, where: Callable[[Dict[str, Any]], bool] = lambda _: True, timeout: float = 10.0
    ) -> Dict[str, Any]:
        """As `Client.wait_for`."""
        return self.client.wait_for(event, where, timeout)

    def run(self, host: str, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """
        Runs a command inside a host, and answers when it has ended: `lab.run("red", "ping", "-c1", "10.0.0.2")`. Options are
        those of subprocess.run; by default its output is captured as text, and `check` is true.
        """
        usual: Dict[str, Any] = {"check": True, "text": True, "stdin": subprocess.DEVNULL}
        if not {"capture_output", "stdout", "stderr"} & options.keys():
            usual["capture_output"] = True
        return subprocess.run([*self._command, "exec", "--name", self.name, host, *words], **{**usual, **options})

    @property
    def output(self) -> str:
        """What the process has printed."""
        try:
            with open(self._output, encoding="utf-8", errors="replace") as text:
                return text.read()
        except FileNotFoundError:
            return self._printed

    _printed = ""

    def close(self) -> None:
        """Ends it, and waits until nothing is left of it. Idempotent."""
        if self._client is not None:
            self._client.close()
            self._client = None
        try:
            self._end()
        finally:
            if self._recorder is not None:
                self._recorder.close()
            self._printed = self.output
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _file_of(self, topology: Topology) -> str:
        if not isinstance(topology, Mapping):
            return os.path.abspath(os.fspath(topology))
        file = os.path.join(self._folder, "topology.json")
        with open(file, "w", encoding="utf-8") as text:
            json.dump(topology, text, indent=2)
        return file

    def _start(self, rootless: bool, seed: Optional[int], timeout: float) -> None:
        place = os.path.join(self._folder, "notify")
        environment = {**os.environ, "NOTIFY_SOCKET": place}
        if seed is not None:
            environment["ETHERLOOM_SEED"] = str(seed)
        for key in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(key, None)
        words = ["setpriv", "--pdeathsig", "TERM", "--", *self._command, "up", "--name", self.name]
        words += ["--rootless"] if rootless else []
        deadline = time.monotonic() + timeout
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, open(self._output, "wb") as output:
            told.bind(place)
            self._process = subprocess.Popen(
                [*words, "--", self.file],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            told.settimeout(0.1)
            while True:
                try:
                    if b"READY=1" in told.recv(65536).split(b"\n"):
                        return
                except socket.timeout:
                    pass
                status = self._process.poll()
                if status is not None:
                    raise self._not_up(f"it ended with {status}")
                if time.monotonic() > deadline:
                    raise self._not_up(f"it was not up within {timeout:g} s")

    def _not_up(self, why: str) -> EtherloomError:
        return EtherloomError(f"{self.file} did not come up: {why}, and said:\n{self.output.strip() or '(nothing)'}")

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.terminate()
            process.wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # What it has started, too, and itself where it does not end.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # nobody is left
            process.wait()
