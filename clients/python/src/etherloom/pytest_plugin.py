"""
The pytest plug-in: the fixture `etherloom`, and what a test that failed leaves.

What becomes of frames is recorded from the beginning, into a folder for temporary files, since a failure is known only when all is
over; of a test that passed the folder goes, of one that failed its files are moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import sys
import tempfile
from typing import Any, Dict, Generator, List, Mapping, Optional

import pytest

from .instance import Instance, Topology
from .recorder import MOST_PATHS, has_frames

_FOLDER = "etherloom-failures"
_PROPERTY = "etherloom"
_LONGEST_NAME = 120

_labs = pytest.StashKey["Labs"]()
_reported = pytest.StashKey[List[pytest.TestReport]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("etherloom")
    group.addoption(
        "--etherloom-command",
        metavar="COMMAND",
        help="what starts etherloom (default: $ETHERLOOM, else etherloom)",
    )
    group.addoption(
        "--etherloom-failures",
        metavar="FOLDER",
        help=f"where failures are kept (default: $ETHERLOOM_FAILURES_DIRECTORY, else {_FOLDER})",
    )


@pytest.fixture
def etherloom(request: pytest.FixtureRequest) -> Generator["Labs", None, None]:
    """
    Starts topologies: `lab = etherloom("lab.yaml")`, which is an etherloom.Instance. They end with the test. A file is looked for
    in the folder of the test; a topology may also be a dict. Options are those of Instance.
    """
    labs = Labs(request.node)
    request.node.stash[_labs] = labs
    try:
        yield labs
    finally:
        try:
            labs.close()
        finally:
            if not _is_over(request.node):  # interrupted, so that no report follows
                del request.node.stash[_labs]
                labs.discard()


def _is_over(item: pytest.Item) -> bool:
    return any(report.when == "call" or not report.passed for report in item.stash.get(_reported, []))


class Labs:
    """The instances of one test."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._command = item.config.getoption("--etherloom-command")
        self._labs: List[Lab] = []
        own = os.environ.get("ETHERLOOM_SEED")
        #: The seed of the test's topologies that have none of their own.
        self.seed = int(own) if own else random.SystemRandom().randrange(2**32)

    def __call__(self, topology: Topology, *, record: bool = True, **options: Any) -> Instance:
        if not isinstance(topology, Mapping):
            topology = os.path.join(os.path.dirname(str(self._item.path)), os.fspath(topology))
        lab = Lab(topology)
        self._labs.append(lab)
        given = {"command": self._command, "seed": self.seed, **options}
        try:
            lab.instance = Instance(topology, record=lab.folder if record else None, **given)
        except Exception as error:
            lab.output = str(error)
            raise
        return lab.instance

    def close(self) -> None:
        errors: List[BaseException] = []
        for lab in reversed(self._labs):
            try:
                if lab.instance is not None:
                    lab.instance.close()
            except Exception as error:  # the others end all the same
                errors.append(error)
        if errors:
            raise errors[0]

    def keep(self) -> Dict[str, str]:
        """Moves what is left to where failures are kept, and answers with the folder and the line that repeats the test."""
        config = self._item.config
        top = (
            config.getoption("--etherloom-failures")
            or os.environ.get("ETHERLOOM_FAILURES_DIRECTORY")
            or os.path.join(str(config.rootpath), _FOLDER)
        )
        folder = os.path.join(os.path.abspath(top), _file_name(self._item.nodeid))
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
        os.makedirs(folder)
        for number, lab in enumerate(self._labs, 1):
            lab.keep(folder if len(self._labs) == 1 else os.path.join(folder, str(number)))
        line = self._line()
        with open(os.path.join(folder, "repeat.sh"), "w", encoding="utf-8") as text:
            text.write(f"{line}\n")
        return {"folder": os.path.relpath(folder, str(config.invocation_params.dir)), "line": line}

    def discard(self) -> None:
        for lab in self._labs:
            shutil.rmtree(lab.folder, ignore_errors=True)

    def _line(self) -> str:
        config = self._item.config
        _, *inside = self._item.nodeid.split("::", 1)
        file = os.path.relpath(str(self._item.path), str(config.invocation_params.dir))
        words = [os.path.basename(sys.executable), "-m", "pytest"]
        if self._command:
            words += ["--etherloom-command", self._command]
        words.append("::".join([file, *inside]))
        return f"ETHERLOOM_SEED={self.seed} {' '.join(map(shlex.quote, words))}"


class Lab:
    """One topology of a test, and the folder into which it is recorded."""

    def __init__(self, topology: Topology) -> None:
        self.folder = tempfile.mkdtemp(prefix="etherloom-")
        self.instance: Optional[Instance] = None
        self.output: Optional[str] = None
        self._topology = topology

    def keep(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        for name in sorted(os.listdir(self.folder)):
            if has_frames(os.path.join(self.folder, name)):
                shutil.move(os.path.join(self.folder, name), os.path.join(folder, name))
        if self.instance is not None:
            _write_json(os.path.join(folder, "topology.json"), self.instance.topology)
            self.output = self.instance.output
            if self.instance.unrecorded:
                self.output += f"{self.instance.unrecorded} paths are not recorded: {MOST_PATHS} are at most\n"
        elif isinstance(self._topology, Mapping):
            _write_json(os.path.join(folder, "topology.json"), self._topology)
        elif os.path.isfile(self._topology):
            shutil.copy(self._topology, folder)
        with open(os.path.join(folder, "output.txt"), "w", encoding="utf-8") as text:
            text.write(self.output or "")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    report = (yield).get_result()
    item.stash.setdefault(_reported, []).append(report)
    if report.when != "teardown":
        return
    reports = item.stash[_reported]
    del item.stash[_reported]
    labs = item.stash.get(_labs, None)
    if labs is None:
        return
    del item.stash[_labs]
    try:
        if any(each.failed for each in reports):
            report.user_properties.append((_PROPERTY, {"test": item.nodeid, **labs.keep()}))
    finally:
        labs.discard()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    kept = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == _PROPERTY and getattr(report, "when", None) == "teardown"
    ]
    if not kept:
        return
    terminalreporter.section("etherloom")
    for each in kept:
        terminalreporter.write_line(f"{each['test']}: {each['folder']} has what became of its frames. Again:")
        terminalreporter.write_line(f"  {each['line']}")


def _write_json(file: str, value: Mapping[str, Any]) -> None:
    with open(file, "w", encoding="utf-8") as text:
        json.dump(value, text, indent=2)
        text.write("\n")


def _file_name(name: str) -> str:
    """The name of a test as that of a folder, which every file system takes."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "test"
    if len(plain.encode()) <= _LONGEST_NAME:
        return plain
    return f"{plain.encode()[:_LONGEST_NAME].decode(errors='ignore')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
