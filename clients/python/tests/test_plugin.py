"""What a test with the fixture leaves behind, seen from outside: each runs pytest on a test file of its own."""

import json
import os
import re
import subprocess

import pytest
from conftest import exists

from etherloom.recorder import has_frames

TEST = """
import json
import pytest
from conftest_of_lab import both

def test_half(etherloom):
    lab = etherloom("lab.json")
    print("process", lab.info["pid"], "of it")
    red, green = both(lab)
    for number in range(20):
        red.send(number)
    while lab.call("paths")[0]["offered"] < 20:
        pass  # still on its way to the port
    lab.call("path", {"from": "red", "to": "green", "both": False, "policy": {"allowed": True}})
    red.send(20)
    passed = green.numbers(20)
    print("passed", passed, "of them")
    assert len(passed) == EXPECTED
"""

ENDS = """
import sys
sys.path.insert(0, {tests!r})
from conftest import FarEnd

def both(lab):
    lab.subscribe("port:up")
    found = []
    for name in ("red", "green"):
        found.append(FarEnd({folder!r} + "/" + name))
        lab.wait_for("port:up", lambda event: event["port"] == name)
    return found
"""


@pytest.fixture
def run(pytester, topology, surroundings):
    """Runs a test file, beside a topology and the far ends of its ports."""
    pytester.path.joinpath("lab.json").write_text(json.dumps(topology))
    ends = ENDS.format(tests=os.path.dirname(__file__), folder=str(surroundings))
    pytester.makepyfile(conftest_of_lab=ends)

    def started(text, *options):
        pytester.makepyfile(test_lab=text)
        words = ("-p", "etherloom.pytest_plugin", "-p", "no:cacheprovider", "-s", *options)
        return pytester.runpytest_subprocess(*words)

    return started


def printed(word, result):
    return re.search(f"{word} (.*) of", str(result.stdout)).group(1)


def test_nothing_is_left_of_a_test_that_passes(run, pytester):
    result = run(TEST.replace("EXPECTED", "len(passed)"))
    result.assert_outcomes(passed=1)
    assert not exists(int(printed("process", result)))
    assert not (pytester.path / "etherloom-failures").exists()
    assert "Again:" not in str(result.stdout)


def test_a_failure_leaves_fates_the_topology_and_the_line_that_repeats_it(run, pytester):
    result = run(TEST.replace("EXPECTED", "0"))
    result.assert_outcomes(failed=1)
    assert not exists(int(printed("process", result)))
    folder = pytester.path / "etherloom-failures" / "test_lab.py-test_half"
    assert sorted(os.listdir(folder)) == ["lab.red-green.fates.pcapng", "output.txt", "repeat.sh", "topology.json"]
    fates = (folder / "lab.red-green.fates.pcapng").read_bytes()
    passed = len(json.loads(printed("passed", result)))
    assert passed < 21
    assert (fates.count(b"fate=delivered"), fates.count(b"fate=dropped reason=loss")) == (passed, 21 - passed)
    seed = json.loads((folder / "topology.json").read_text())["seed"]
    line = (folder / "repeat.sh").read_text().strip()
    assert line.startswith(f"ETHERLOOM_SEED={seed} ")
    result.stdout.fnmatch_lines(["*etherloom-failures/test_lab.py-test_half has what became of its frames. Again:", f"*{line}"])

    words = line.replace("-m pytest", "-m pytest -p etherloom.pytest_plugin -p no:cacheprovider -s")
    again = subprocess.run(words, shell=True, cwd=pytester.path, capture_output=True, text=True)
    assert printed("passed", again) == printed("passed", result)


def test_what_did_not_come_up_fails_with_what_it_said(run, pytester):
    result = run("def test_bad(etherloom):\n    etherloom({'fabrics': {'lab': {'kind': 'hubb'}}})\n", "--etherloom-failures=kept")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*did not come up: it ended with 1, and said:*", "*hubb*"])
    folder = pytester.path / "kept" / "test_lab.py-test_bad"
    assert sorted(os.listdir(folder)) == ["output.txt", "repeat.sh", "topology.json"]
    assert "hubb" in (folder / "output.txt").read_text()


def test_says_that_the_command_is_not_there(run):
    result = run("def test_none(etherloom):\n    etherloom('lab.json')\n", "--etherloom-command=nowhere")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no command 'nowhere' was found; install it with*--etherloom-command*"])


def test_a_failure_in_the_set_up_or_the_teardown_of_a_test_counts(run, pytester):
    result = run(
        """
import pytest
LAB = {"fabrics": {"lab": {"kind": "hub", "ports": {}}}}

@pytest.fixture
def broken(etherloom):
    etherloom(LAB)
    raise RuntimeError("broken")

@pytest.fixture
def late(etherloom):
    yield etherloom(LAB)
    raise RuntimeError("late")

def test_set_up(broken):
    pass

def test_teardown(late):
    pass

@pytest.mark.xfail
def test_expected(etherloom):
    etherloom(LAB)
    assert False
"""
    )
    result.assert_outcomes(errors=2, passed=1, xfailed=1)
    folder = pytester.path / "etherloom-failures"
    assert sorted(os.listdir(folder)) == ["test_lab.py-test_set_up", "test_lab.py-test_teardown"]


def test_two_topologies_of_a_test_have_a_folder_each(run, pytester):
    run("def test_two(etherloom):\n    for _ in 1, 2:\n        etherloom({'fabrics': {'lab': {'kind': 'hub', 'ports': {}}}})\n    assert False\n")
    folder = pytester.path / "etherloom-failures" / "test_lab.py-test_two"
    assert sorted(os.listdir(folder)) == ["1", "2", "repeat.sh"]
    first, second = (json.loads((folder / number / "topology.json").read_text())["seed"] for number in "12")
    assert first == second


def test_nothing_runs_on_after_an_interrupt(run):
    result = run(
        "def test_it(etherloom):\n"
        "    lab = etherloom('lab.json')\n"
        "    print('process', lab.info['pid'], 'of it')\n"
        "    raise KeyboardInterrupt\n"
    )
    assert not exists(int(printed("process", result)))


def test_a_frameless_file_has_no_frames(tmp_path):
    file = tmp_path / "empty.pcapng"
    file.write_bytes(bytes.fromhex("0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000"))
    assert not has_frames(file)
