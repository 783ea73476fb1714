"""Workers that end without a word, do not listen or cannot be started, and the spare that takes a run up."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from run_fakes import ENDLESS, WORKER, ended, has_stepped, prepared, state_of, wait_for

from studio.core.errors import RunError
from studio.runs import processes
from studio.runs.folder import RunFolder
from studio.runs.json_files import write_json
from studio.runs.state import RunState


def test_a_killed_worker_is_told_and_resumes(workspace, launch, tmp_path):
    launcher = launch()
    run = prepared(workspace, step_until=str(tmp_path / "go on"))
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    os.kill(run.state().pid, signal.SIGKILL)
    wait_for(lambda: run.state().error.get("code") == "killed")
    (tmp_path / "go on").touch()
    assert state_of(run) == "interrupted"
    assert "memory" in run.state().message
    assert "smaller batch" in run.state().error["what_to_do"]
    launcher.resume(run)
    wait_for(lambda: state_of(run) == "finished")


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def test_a_worker_that_does_not_listen_is_ended(workspace, launch):
    """First asked by the system, which a frozen process does not hear; then ended."""
    launcher = launch(grace_s=0.3, kill_after_s=0.3)
    run = prepared(workspace, steps=ENDLESS, step_s=0.02)
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    pid = run.state().pid
    freeze(pid)
    launcher.stop(run)
    wait_for(lambda: state_of(run) == "interrupted")
    wait_for(lambda: not psutil.pid_exists(pid))


@pytest.mark.parametrize(("ask", "end"), [("pause", "stopped"), ("stop", "finished")])
def test_a_busy_worker_hears_at_once_and_does_what_was_asked_after_its_step(workspace, launch, tmp_path, ask, end):
    """Whoever insists meanwhile, and however long the step takes, it is the person's wish that is done."""
    launcher = launch(grace_s=3600)
    run = prepared(workspace, steps=5000, step_until=str(tmp_path / "done"))
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    getattr(launcher, ask)(run)
    wait_for(lambda: not run.unheard_request())
    assert run.unheard_for_s() == 0, "so that nobody insists"
    assert state_of(run) == "training"
    assert processes.end(run.state().pid, run.state().pid_started)
    (tmp_path / "done").touch()
    wait_for(lambda: ended(run))
    state = run.state()
    assert (state.state, state.step) == (end, 2)
    assert "system" not in state.message
    assert (run.report() is not None) == (ask == "stop")


def test_who_was_heard_after_all_is_not_told_to_end_at_the_next_request(workspace, launch):
    workers = launch(tick_s=3600, grace_s=0).workers
    run = prepared(workspace)
    run.request("pause")
    state = RunState(state="training", pid=1, pid_started=1.0, taken_up=True)
    workers._told_to_end[run.id] = 0.0
    run.notice_request()
    workers.insist(run, state)
    assert run.id not in workers._told_to_end


def test_a_worker_that_still_imports_is_not_asked_to_end(workspace, launch, monkeypatch):
    workers = launch(tick_s=3600, grace_s=-1).workers
    run = prepared(workspace)
    run.request("pause")
    monkeypatch.setattr(processes, "end", lambda *_, **__: pytest.fail("it would die without a word"))
    workers.insist(run, RunState(state="starting", pid=1, pid_started=1.0))


SLOW = "import os, runpy, sys, time\nwhile not os.path.exists({gate!r}): time.sleep(0.02)\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"  # fmt: skip


def test_a_worker_that_takes_long_to_import_holds_its_run_and_the_device(workspace, launch, tmp_path):
    """Also when the clock has jumped meanwhile, as it does for one who sleeps."""
    gate = tmp_path / "imported"
    launcher = launch(worker_command=[sys.executable, "-c", SLOW.format(gate=str(gate)), WORKER[-1]])
    run, other = prepared(workspace), prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: run.state().pid)
    values = json.loads((run.path / "state.json").read_text())
    write_json(run.path / "state.json", {**values, "updated": 1.0})
    launcher.enqueue(other)
    assert state_of(run) == "starting"
    with pytest.raises(RunError, match="nothing to resume"):
        launcher.resume(run)
    launcher._start_next()
    assert state_of(other) == "queued"
    gate.touch()
    wait_for(lambda: state_of(run) == state_of(other) == "finished")
    assert [e["step"] for e in run.events()[0] if e["kind"] == "metric"] == [1, 2, 3, 4, 5]


def test_our_own_living_worker_counts_whatever_the_state_says(workspace, launch, tmp_path):
    gate = tmp_path / "imported"
    launcher = launch(worker_command=[sys.executable, "-c", SLOW.format(gate=str(gate)), WORKER[-1]])
    run, other = prepared(workspace), prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: run.id in launcher.workers.running and run.state().pid)
    (run.path / "state.json").write_text("{")
    launcher.enqueue(other)
    with pytest.raises(RunError, match="still going on"):
        launcher.resume(run)
    assert [r.id for r, _ in launcher._start_next()] == [run.id]
    assert state_of(other) == "queued"
    gate.touch()
    wait_for(lambda: state_of(other) == "finished")


def test_a_worker_takes_its_run_up_only_once_it_has_been_named(workspace, launch, monkeypatch):
    """However long the launcher is held up in between: it would else write what was over what the worker has told."""
    write, free = RunFolder.write_state, []

    def watched(self, state):
        if state.pid is not None:
            free.append(not self.has_worker())
        write(self, state)

    monkeypatch.setattr(RunFolder, "write_state", watched)
    run = prepared(workspace)
    launch().enqueue(run)
    wait_for(lambda: ended(run))
    assert free == [False]
    assert state_of(run) == "finished"


def test_only_the_very_worker_is_ended(workspace, launch):
    """A process that got the worker's number later is left alone."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert not processes.end(bystander.pid, psutil.Process(bystander.pid).create_time() - 100, kill=True)
        assert not processes.end(bystander.pid, None)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_worker_that_dies_at_once_fails_the_run(workspace, launch):
    launcher = launch(worker_command=[sys.executable, "-c", "import sys; sys.exit('no module named so')"])
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: state_of(run) == "failed")
    assert run.state().error["code"] == "not_started"
    assert "no module named so" in run.log_path.read_text()


def test_a_worker_that_cannot_be_started_fails_the_run(workspace, launch):
    launcher = launch(worker_command=["/nowhere/python"])
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: state_of(run) == "failed")


def test_the_spare_takes_the_run_and_a_new_one_comes_after_it(workspace, launch, monkeypatch, tmp_path):
    monkeypatch.delenv("TAILOR_NO_SPARE", raising=False)
    launcher = launch()
    launcher.warm()
    wait_for(lambda: launcher.workers.spare.pid)
    spare = launcher.workers.spare.pid
    run = prepared(workspace, step_until=str(tmp_path / "go on"))
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    assert run.state().pid == spare
    assert launcher.workers.spare.pid is None
    (tmp_path / "go on").touch()
    wait_for(lambda: state_of(run) == "finished")
    wait_for(lambda: launcher.workers.spare.pid not in {None, spare})
    last = launcher.workers.spare.pid
    launcher.close()
    wait_for(lambda: not processes.alive(last, None))


def test_a_dead_spare_does_not_stop_a_run(workspace, launch):
    launcher = launch()
    launcher.warm()
    wait_for(lambda: launcher.workers.spare.pid)
    os.kill(launcher.workers.spare.pid, signal.SIGKILL)
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: ended(run))
    assert state_of(run) == "finished"


def test_a_spare_that_dies_with_the_run_in_its_hands_is_replaced(workspace, launch):
    """It is stopped before it is handed the run, so that it never reads it, and killed afterwards."""
    launcher = launch()
    launcher.warm()
    wait_for(lambda: launcher.workers.spare.pid)
    spare = launcher.workers.spare.pid
    freeze(spare)
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: run.id in launcher.workers.running)
    assert launcher.workers.running[run.id].pid == spare
    os.kill(spare, signal.SIGKILL)
    wait_for(lambda: ended(run))
    assert state_of(run) == "finished"


def test_no_spare_when_told_so(workspace, launch, monkeypatch):
    monkeypatch.setenv("TAILOR_NO_SPARE", "1")
    launcher = launch()
    launcher.warm()
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: state_of(run) == "finished")
    assert launcher.workers.spare.pid is None
