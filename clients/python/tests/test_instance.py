"""What programs meet that start an instance."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import exists

from etherloom import EtherloomError, Instance


def test_runs_a_file_and_ends(topology, surroundings):
    (surroundings / "lab.json").write_text(json.dumps(topology))
    with Instance(surroundings / "lab.json") as lab:
        assert lab.call("info")["file"] == str(surroundings / "lab.json")
        process = lab.info["pid"]
    assert not exists(process)
    assert f"{lab.name}: down" in lab.output
    lab.close()
    with pytest.raises(EtherloomError, match="is closed"):
        lab.call("ports")


def test_the_seed_is_that_of_the_file_or_the_one_given(topology):
    with Instance(topology, seed=7) as lab:
        assert lab.info["seed"] == "7"
        assert lab.topology["seed"] == 7
    with Instance({**topology, "seed": 8}, seed=7) as lab:
        assert lab.topology["seed"] == 8


def test_says_that_there_is_no_such_command(topology):
    with pytest.raises(EtherloomError, match="no command 'nowhere/etherloom' was found; install it"):
        Instance(topology, command="nowhere/etherloom")


def test_says_what_is_wrong_with_a_file():
    with pytest.raises(EtherloomError, match=r"(?s)did not come up: it ended with 1.*kind.*'hubb'"):
        Instance({"fabrics": {"lab": {"kind": "hubb"}}})


def test_ends_what_does_not_come_up_in_time(topology, surroundings):
    with pytest.raises(EtherloomError, match=r"(?s)not up within 0.3 s.*process (\d+)") as late:
        Instance(topology, command=["sh", "-c", 'trap "" TERM; echo process $$; sleep 1000'], timeout=0.3)
    assert not exists(int(str(late.value).rsplit(" ", 1)[1]))


def test_ends_one_that_is_stopped(topology, monkeypatch):
    monkeypatch.setattr("etherloom.instance._END_LIMIT", 0.2)
    lab = Instance(topology)
    os.kill(lab.info["pid"], signal.SIGSTOP)
    lab.close()
    assert not exists(lab.info["pid"])


def test_ends_with_a_program_that_is_killed(topology):
    program = (
        "import json, sys, time; from etherloom import Instance\n"
        "lab = Instance(json.loads(sys.argv[1])); print(lab.info['pid'], lab._folder, flush=True); time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", program, json.dumps(topology)], stdout=subprocess.PIPE) as parent:
        process, folder = parent.stdout.readline().split()
        ended = os.pidfd_open(int(process))
        parent.kill()
    assert select.select([ended], [], [], 20)[0] == [ended]
    os.close(ended)
    shutil.rmtree(folder)


def test_runs_commands_inside_hosts():
    able = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True)
    if able.returncode != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("this machine makes no user namespaces, or has no /dev/net/tun for this user")
    lab = {
        "hosts": {"red": {"addresses": ["10.0.0.1/24"]}, "green": {"addresses": ["10.0.0.2/24"]}},
        "fabrics": {"lab": {"kind": "hub", "ports": {"red": {"host": "red"}, "green": {"host": "green"}}}},
    }
    with Instance(lab, rootless=True) as running:
        assert "1 received" in running.run("red", "ping", "-c1", "-W5", "10.0.0.2").stdout
        with pytest.raises(subprocess.CalledProcessError):
            running.run("red", "false")
        process = running.info["pid"]
    assert running.output.endswith("down\n")
    assert process > 0
