"""A process is known by its number and the moment it began, whatever the clock is set to meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from studio.runs import processes


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin
    process.stdin.close()


def test_a_process_is_alive_until_it_ends_and_another_start_is_another_process(child: subprocess.Popen[bytes]) -> None:
    began = processes.started_at(child.pid)
    assert began is not None
    assert processes.alive(child.pid, began)
    assert not processes.alive(child.pid, began - 60)
    assert not processes.end(child.pid, began - 60), "a process that is not ours is left alone"
    assert processes.end(child.pid, began)
    child.wait()
    assert not processes.alive(child.pid, began)
    assert processes.started_at(child.pid) is None


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere the system remembers the time as it was")
def test_a_clock_set_right_during_a_run_does_not_make_its_worker_another_process(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = processes.started_at(child.pid)
    boot = psutil.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot + 3600)
    assert processes.alive(child.pid, began)


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    began = processes.started_at(process.pid)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not processes.alive(process.pid, began)
    process.wait()


def test_our_own_start_is_known() -> None:
    assert processes.alive(os.getpid(), processes.started_at(os.getpid()))
    assert not processes.alive(None, None)


LEADER_ENDS_FIRST = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.readline).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux shows a process whose first thread has ended as a zombie")
def test_a_killed_process_is_alive_until_its_last_thread_has_let_go_of_its_files() -> None:
    process = subprocess.Popen([sys.executable, "-c", LEADER_ENDS_FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        process.stdout.readline()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert processes.alive(process.pid, None)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert not processes.alive(process.pid, None)
