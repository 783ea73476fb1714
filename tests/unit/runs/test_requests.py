"""Requests while a worker works: each is heard once, and cuts it short only where nobody asks."""

import os
import signal
import threading

import pytest
from run_fakes import PATIENCE_S, wait_for

from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.requests import CutShort, Requests


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Workspace.open(tmp_path), "test")


def wait():
    threading.Event().wait(PATIENCE_S)


def test_a_request_is_noticed_and_told_once_and_the_first_counts(run):
    told = []
    requests = Requests(run, lambda: False, told.append)
    assert requests.by_now() == ""
    run.request("pause")
    assert requests.by_now() == requests.by_now() == "pause"
    assert run.unheard_request() == ""
    run.request("stop")
    assert requests.by_now() == "pause"
    assert told == ["pause"]


def test_until_the_trainer_asks_the_last_request_counts(run, monkeypatch):
    monkeypatch.setattr("studio.runs.requests.LOOK_EVERY_S", 0.01)
    told = []
    requests = Requests(run, lambda: False, told.append)
    with requests.heard():
        for wish in ("pause", "stop"):
            run.request(wish)
            wait_for(lambda wish=wish: wish in told)
    assert requests.by_now() == "stop"
    assert told == ["pause", "stop"]


def test_in_a_long_step_a_request_is_noted_at_once_and_nothing_is_cut(run):
    requests = Requests(run, lambda: False, lambda request: None)
    with requests.heard():
        run.request("stop")
        wait_for(lambda: not run.unheard_request())
    assert (requests.asked, requests.by_system) == ("stop", False)


def test_the_person_s_request_goes_before_the_system_s(run, monkeypatch):
    """The system may be the launcher, which insists on what the person asked for."""
    monkeypatch.setattr("studio.runs.requests.LOOK_EVERY_S", 3600)
    requests = Requests(run, lambda: False, lambda request: None)
    with requests.heard():
        run.request("stop")
        os.kill(os.getpid(), signal.SIGTERM)
    assert (requests.by_now(), requests.by_system) == ("stop", False)
    assert not run.unheard_request()


def test_a_full_disk_does_not_make_it_deaf(run, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFolder, "notice_request", full)
    requests = Requests(run, lambda: False, lambda request: None)
    run.request("pause")
    assert requests.by_now() == "pause"


def test_what_is_no_request_is_not_heard(run):
    (run.path / "request.json").write_text('{"request": "dance"}')
    assert Requests(run, lambda: False, pytest.fail).by_now() == ""


def test_the_system_pauses_a_training_and_cuts_the_rest_short(run):
    busy = Requests(run, lambda: False, pytest.fail)
    with busy.heard():
        os.kill(os.getpid(), signal.SIGTERM)
    assert (busy.asked, busy.by_system) == ("pause", True)
    alone = Requests(run, lambda: True, pytest.fail)
    with pytest.raises(CutShort), alone.heard():
        os.kill(os.getpid(), signal.SIGTERM)


def test_where_nobody_asks_a_thread_looks_out(run):
    requests = Requests(run, lambda: True, pytest.fail)
    run.request("stop")
    with pytest.raises(CutShort), requests.heard():
        wait()
    assert (requests.asked, requests.by_system) == ("stop", False)
    assert run.unheard_request() == ""


def test_what_is_asked_after_the_end_is_left_for_the_next_worker(run):
    requests = Requests(run, lambda: True, pytest.fail)
    with requests.heard():
        requests.end()
        run.request("stop")
        assert requests.by_now() == ""
    assert run.unheard_request() == "stop"


def test_it_is_cut_short_once_and_only_where_it_may_be(run):
    may = []
    requests = Requests(run, lambda: bool(may), pytest.fail)
    requests.cut()
    may.append(True)
    with pytest.raises(CutShort):
        requests.cut()
    requests.cut()


def test_the_signal_is_given_back(run):
    before = signal.getsignal(signal.SIGTERM)
    with Requests(run, lambda: False, pytest.fail).heard():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_leaves_signals_alone(run):
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with Requests(run, lambda: True, pytest.fail).heard():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
