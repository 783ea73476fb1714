"""Workers that end without a word, do not listen or cannot be started, and the spare that takes a run up."""

import os
import signal
import subprocess
import sys

import psutil
from run_fakes import ended, prepared, state_of, wait_for

from studio.runs import processes


def test_a_killed_worker_is_told_and_resumes(workspace, launch):
    launcher = launch()
    run = prepared(workspace, steps=40, step_s=0.05)
    launcher.enqueue(run)
    wait_for(lambda: run.state().step > 1)
    os.kill(run.state().pid, signal.SIGKILL)
    wait_for(lambda: run.state().error.get("code") == "killed")
    assert state_of(run) == "interrupted"
    assert "memory" in run.state().message
    launcher.resume(run)
    wait_for(lambda: state_of(run) == "finished")


def test_a_worker_that_does_not_listen_is_ended(workspace, launch):
    """First asked by the system, which the fake one hears only as a flag it ignores; then ended."""
    launcher = launch(grace_s=0.3, kill_after_s=0.3)
    run = prepared(workspace, steps=5000, step_s=0.02, deaf=True)
    launcher.enqueue(run)
    wait_for(lambda: run.state().step > 0)
    pid = run.state().pid
    launcher.stop(run)
    wait_for(lambda: state_of(run) == "interrupted")
    wait_for(lambda: not psutil.pid_exists(pid))


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


def test_the_spare_takes_the_run_and_a_new_one_comes_after_it(workspace, launch, monkeypatch):
    monkeypatch.delenv("TAILOR_NO_SPARE", raising=False)
    launcher = launch()
    launcher.warm()
    wait_for(lambda: launcher.workers.spare.pid)
    spare = launcher.workers.spare.pid
    run = prepared(workspace, steps=40, step_s=0.05)
    launcher.enqueue(run)
    wait_for(lambda: run.state().step > 0)
    assert run.state().pid == spare
    assert launcher.workers.spare.pid is None
    wait_for(lambda: state_of(run) == "finished")
    wait_for(lambda: launcher.workers.spare.pid not in {None, spare})
    last = launcher.workers.spare.pid
    launcher.close()
    wait_for(lambda: not processes.alive(last, None))


def test_a_dead_spare_does_not_stop_a_run(workspace, launch):
    launcher = launch()
    launcher.warm()
    wait_for(lambda: launcher.workers.spare.pid)
    launcher._now.wait(0)
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
    os.kill(spare, signal.SIGSTOP)
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
