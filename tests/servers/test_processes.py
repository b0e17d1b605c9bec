"""The supervisor's group of processes, with small real programs."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from bot.processes import Group, ProcessError, ProcessSpec


def program(name: str, code: str, port: int | None = None) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-u", "-c", code), Path.cwd(), {}, port, "KEFU_PORT")


READY = "import time; print('ready: {0}', flush=True); time.sleep(60)"


def test_a_group_is_ready_when_each_process_says_so_and_stops_all_together():
    lines: list[str] = []
    group = Group(lines.append)
    group.start([program("one", READY.format("one")), program("two", READY.format("two"))])
    group.wait_ready(20)
    pids = [process.pid for process in group.running.values()]
    group.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_that_dies_is_named_with_its_last_lines():
    group = Group(lambda line: None)
    dying = "import sys; print('ready: two', flush=True); sys.stdin.read(); sys.exit('the disk of the moon is full')"
    group.start([program("one", READY.format("one")), program("two", dying)])
    try:
        with pytest.raises(ProcessError, match=r"(?s)two ended with code 1.*the disk of the moon is full"):
            group.wait_for_an_end(20)
    finally:
        group.stop()


def test_a_process_that_ends_before_it_is_ready_is_not_waited_for():
    group = Group(lambda line: None)
    group.start([program("one", "raise SystemExit('no model; make it: kefu train nlu')")])
    began = time.monotonic()
    with pytest.raises(ProcessError, match="no model; make it"):
        group.wait_ready(60)
    assert time.monotonic() - began < 30
    group.stop()


def test_a_killed_process_is_named_by_its_signal():
    group = Group(lambda line: None)
    group.start([program("one", READY.format("one"))])
    group.wait_ready(20)
    group.running["one"].kill()
    with pytest.raises(ProcessError, match="one was killed by signal 9"):
        group.wait_for_an_end(20)
    group.stop()


def test_a_taken_port_is_named_with_the_setting_that_changes_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        group = Group(lambda line: None)
        with pytest.raises(ProcessError, match=rf"port {port}, which gateway needs, is taken.*KEFU_PORT"):
            group.start([program("gateway", READY.format("gateway"), port)])


def test_a_process_that_ignores_term_is_killed_and_said_so(monkeypatch):
    monkeypatch.setattr("bot.processes.STOP_SECONDS", 1)
    lines: list[str] = []
    group = Group(lines.append)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY.format("one")
    group.start([program("one", deaf)])
    group.wait_ready(20)
    group.stop()
    assert any("killed" in line for line in lines)


def test_a_killed_and_restarted_process_is_ready_again():
    group = Group(lambda line: None)
    group.start([program("one", READY.format("one"))])
    group.wait_ready(20)
    before = group.running["one"].pid
    group.kill("one")
    group.restart("one")
    group.wait_ready(20)
    assert group.running["one"].pid != before
    group.stop()
