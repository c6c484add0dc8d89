"""What programs meet that talk to an instance."""

import os
import signal
import socket

import pytest

from etherloom import EtherloomError, Instance, connect
from etherloom import client as client_module


def test_asks_for_ports_and_sets_paths(topology):
    with Instance(topology, name="lab"), connect("lab") as lab:
        assert [row["port"] for row in lab.call("ports")] == ["red", "green"]
        lab.call("path", {"from": "red", "to": "green", "both": False, "policy": {"allowed": True, "delay": "5ms"}})
        assert lab.call("showPath", {"from": "red", "to": "green"})["policy"] == {"delay": "5ms"}


def test_errors_have_code_and_hint(topology):
    with Instance(topology) as lab:
        with pytest.raises(EtherloomError, match="green") as refused:
            lab.call("carrier", {"port": "lab.gren", "on": False})
        assert refused.value.code == "ERR_ETHERLOOM_NAME"
        with pytest.raises(EtherloomError, match="prots"):
            lab.call("prots")
        assert len(lab.call("ports")) == 2  # it goes on


def test_hears_of_events_in_their_order(topology):
    with Instance(topology) as lab:
        lab.subscribe("port:carrier")
        for on in (False, True):
            lab.call("carrier", {"port": "lab.red", "on": on})
        assert lab.wait_for("port:carrier")["on"] is False
        assert lab.wait_for("port:carrier", lambda event: event["port"] == "red")["on"] is True
        with pytest.raises(TimeoutError, match="port:carrier"):
            lab.wait_for("port:carrier", timeout=0.01)


def test_says_that_none_runs_or_several_do(topology, surroundings):
    with pytest.raises(EtherloomError, match="no instance is running"):
        connect()
    with Instance(topology, name="one"):
        with connect() as only:
            assert only.name == "one"
        with Instance({"fabrics": {"lab": {"kind": "hub", "ports": {}}}}, name="two"):
            with pytest.raises(EtherloomError, match="one, two"):
                connect()
    with pytest.raises(EtherloomError, match="'one'"):
        connect("one")


def test_calls_are_refused_when_the_instance_ends(topology):
    with Instance(topology, name="lab") as lab, connect("lab") as other:
        lab.call("down")
        with pytest.raises(EtherloomError, match="ended"):
            other.wait_for("ended")
        with pytest.raises(EtherloomError, match="closed"):
            other.call("ports")


def test_says_that_an_instance_is_stopped(topology, monkeypatch):
    monkeypatch.setattr(client_module, "_ANSWER_LIMIT", 0.05)
    with Instance(topology, name="lab") as lab:
        os.kill(lab.info["pid"], signal.SIGSTOP)
        try:
            with pytest.raises(EtherloomError, match="does not answer"):
                connect("lab")
        finally:
            os.kill(lab.info["pid"], signal.SIGCONT)
        assert lab.call("info")["name"] == "lab"


def test_trusts_no_directory_of_others(surroundings):
    (surroundings / "run").mkdir(mode=0o755)
    with pytest.raises(EtherloomError, match="not trusted"):
        connect("lab")


def test_ends_with_whoever_is_no_instance(surroundings):
    (surroundings / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{surroundings}/run/lab.sock")
        listener.listen(1)
        found = client_module.Client._find("lab")
        peer, _ = listener.accept()
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        with pytest.raises(EtherloomError, match="not the control protocol"):
            found.call("ports")
        peer.close()
