"""The run folder: nobody reads half a state, a run that goes on is not deleted, and what is deleted is gone at once."""

import threading
import time

import psutil
import pytest
from filelock import FileLock

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.folder import RunFolder, list_runs, sweep_deleted
from studio.runs.state import RunState


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Workspace.open(tmp_path), "test")


def test_readers_never_see_half_a_state(run):
    ended = threading.Event()
    seen = set()

    def read():
        while not ended.is_set():
            seen.add(run.state().state)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        run.write_state(RunState(state="finished" if number % 2 else "stopped", message="x" * number * 10))
    ended.set()
    reader.join()
    assert seen <= {"finished", "stopped", "draft"}


def test_runs_are_listed_newest_first_and_stray_folders_are_left_out(tmp_path):
    workspace = Workspace.open(tmp_path)
    for name in ("a", "b"):
        run = RunFolder.create(workspace, name)
        run.write_state(RunState(created=time.time() + (name == "b")))
    (workspace.runs_dir / "stray").mkdir()
    assert [r.id for r in list_runs(workspace)] == ["b-1", "a-1"]


def test_a_run_that_goes_on_is_not_deleted(run):
    me = psutil.Process()
    run.write_state(RunState(state="training", pid=me.pid, pid_started=processes.started_at(me.pid)))
    with pytest.raises(RunError, match="Stop it first"):
        run.delete()
    run.write_state(RunState(state="stopped"))
    run.delete()
    assert not run.path.exists()


def test_a_request_is_seen_and_cleared(run):
    assert run.requested() == ""
    run.request("pause")
    assert run.requested() == "pause"
    run.clear_request()
    assert run.requested() == ""


def test_a_run_that_waits_or_goes_on_is_not_deleted(run):
    run.change_state(state="queued")
    with pytest.raises(RunError, match="waiting"):
        run.delete()
    assert run.path.is_dir()


def test_a_deleted_run_is_gone_at_once_also_for_one_who_still_writes(run, tmp_path):
    other = RunFolder(run.path)
    run.delete()
    assert list(run.path.parent.iterdir()) == []
    with pytest.raises(RunError, match="gone"), other.held():
        pass
    assert not other.path.exists(), "the lock must not bring the folder back"


def test_what_a_killed_process_left_half_deleted_is_swept(run, tmp_path):
    workspace = Workspace.open(tmp_path)
    doomed = run.path.rename(run.path.with_name(".deleted-1"))
    (doomed / "model").mkdir()
    (doomed / "model" / "model.safetensors").write_bytes(b"gigabytes")
    kept = RunFolder.create(workspace, "kept")
    sweep_deleted(workspace)
    assert list(workspace.runs_dir.iterdir()) == [kept.path]


def test_what_is_being_deleted_is_not_listed(run, tmp_path):
    run.path.rename(run.path.with_name(".deleted-1"))
    assert list_runs(Workspace.open(tmp_path)) == []


def test_two_looks_for_a_worker_do_not_see_each_other(run, monkeypatch):
    monkeypatch.setattr("studio.runs.folder.PROBE_S", 60.0)
    other = FileLock(run.path / ".worker.lock", thread_local=False)
    other.acquire()
    threading.Timer(0.2, other.release).start()
    assert not run.has_worker()
