"""One run in one worker: every end it can come to, told in the run folder."""

import os
import signal
import subprocess
import threading
from contextlib import contextmanager

import pytest
from run_fakes import ENDLESS, PATIENCE_S, WORKER, has_stepped, is_busy, prepared, wait_for

from studio.core.errors import RunError
from studio.runs.events import EventWriter
from studio.runs.requests import Requests
from studio.runs.worker import Worker
from studio.training.checkpoints import checkpoint_path


def kinds(run, kind):
    return [e for e in run.events()[0] if e["kind"] == kind]


def test_a_run_goes_from_starting_to_finished(workspace):
    run = prepared(workspace, steps=3)
    state = Worker(run).go()
    assert run.state() == state or run.state().state == state.state
    assert (state.state, state.step, state.total_steps, state.best_step) == ("finished", 3, 3, 3)
    assert "Finished all 3 steps" in state.message
    assert run.report() == {"task": "fake", "steps": 3}
    assert [e["state"] for e in kinds(run, "status") if e.get("state")] == ["starting", "training", "evaluating", "finished"]  # fmt: skip
    assert [e["step"] for e in kinds(run, "metric")] == [1, 2, 3]


@pytest.mark.parametrize(("request_", "state"), [("pause", "stopped"), ("stop", "finished")])
def test_the_person_ends_it(workspace, request_, state):
    run = prepared(workspace, steps=50)
    run.request(request_)
    worker = Worker(run)
    worker.phase = "training"
    ended = _without_watcher(worker)
    assert ended.state == state
    assert ended.step == 1
    assert run.requested() == ""
    assert ("Resume" in ended.message) == (request_ == "pause")
    assert ("Stopped by you" in ended.message) == (request_ == "stop")


def _without_watcher(worker):
    """Run in another thread, where signals cannot reach: only the trainer's own polling is at work."""
    thread = threading.Thread(target=worker.go)
    thread.start()
    thread.join()
    return worker.state


def test_a_paused_run_goes_on_where_it_was(workspace):
    run = prepared(workspace, steps=4)
    run.request("pause")
    _without_watcher(Worker(run))
    state = Worker(run).go()
    assert state.state == "finished"
    assert [e["step"] for e in kinds(run, "metric")] == [1, 2, 3, 4]
    assert [e["resumed_from_step"] for e in kinds(run, "status") if "resumed_from_step" in e] == [1]


def test_the_time_of_all_its_workers_is_summed_and_not_the_pause(workspace):
    run = prepared(workspace, steps=4, step_s=0.2)
    run.request("pause")
    _without_watcher(Worker(run))
    first = run.state()
    assert 0.2 <= first.seconds < 3600
    run.change_state(started=first.started - 3600, ended=first.ended - 3600)
    last = Worker(run).go()
    assert 0.5 < last.seconds - first.seconds < 3600
    assert last.outcome == "finished"


def test_a_resume_goes_past_a_damaged_checkpoint(workspace):
    run = prepared(workspace, steps=4, step_s=0)
    Worker(run).go()
    (checkpoint_path(run.checkpoints_dir, 4) / "weights").write_text("cut off by a crash")
    (checkpoint_path(run.checkpoints_dir, 3) / "complete.json").unlink()
    Worker(run).go()
    assert [e["resumed_from_step"] for e in kinds(run, "status") if "resumed_from_step" in e] == [2]


def test_without_a_whole_checkpoint_it_starts_again_and_says_so(workspace):
    run = prepared(workspace, steps=2)
    run.change_state(state="interrupted", step=7)
    Worker(run).go()
    assert kinds(run, "note")[0]["code"] == "restarted"
    assert kinds(run, "metric")[0]["step"] == 1


@pytest.mark.parametrize(
    ("how", "code", "title"),
    [
        ("plain", "", "The rows are too blue"),
        ("memory", "out_of_memory", "The memory was not enough"),
        ("torch", "out_of_memory", "The memory was not enough"),
        ("disk", "disk_full", "The disk is full"),
        ("bug", "unexpected", "The run failed"),
    ],
)
def test_a_failure_is_told_in_plain_words(workspace, capfd, how, code, title):
    run = prepared(workspace, fail=how)
    state = Worker(run).go()
    assert state.state == run.state().state == "failed"
    assert (state.error["title"], state.error["code"]) == (title, code)
    assert kinds(run, "error")[0]["title"] == title
    assert "Traceback" in capfd.readouterr().err
    assert "Traceback" not in run.events_path.read_text()
    assert "secret" not in (run.path / "state.json").read_text()


def test_missing_data_fails_with_words(workspace):
    run = prepared(workspace)
    (run.data_dir / "train.jsonl").unlink()
    assert "train.jsonl" in Worker(run).go().message


@pytest.mark.parametrize("how", ["bug", "memory", "plain"])
def test_a_failing_exam_does_not_lose_the_model(workspace, how):
    run = prepared(workspace, evaluation=how)
    state = Worker(run).go()
    assert state.state == "finished"
    assert state.error["code"] == "evaluation_failed"
    assert "final exam" in state.message
    assert run.report() is None
    assert (run.model_dir / "model.safetensors").is_file()


def test_a_request_during_the_exam_cuts_it_short(workspace):
    run = prepared(workspace, evaluation_until=str(workspace.root / "never"))
    asking = threading.Thread(target=lambda: (wait_for(lambda: run.state().state == "evaluating"), run.request("stop")))
    asking.start()
    state = Worker(run).go()
    asking.join()
    assert state.state == "finished"
    assert state.error["code"] == "evaluation_stopped"


@pytest.mark.parametrize("ask", ["pause", "stop"])
def test_a_request_while_the_base_is_loaded_or_checked_ends_it_before_the_first_step(workspace, tmp_path, ask):
    """All of that is one phase to the worker, "training", in which nobody asks yet."""
    run = prepared(workspace, load_until=str(tmp_path / "never"))
    asking = threading.Thread(target=lambda: (wait_for(lambda: run.state().state == "training"), run.request(ask)))
    asking.start()
    state = Worker(run).go()
    asking.join()
    assert (state.state, state.message, state.step) == ("stopped", "Stopped before the first step.", 0)
    assert run.requested() == ""


def test_keep_the_best_keeps_it_although_the_run_has_only_just_gone_on(workspace, tmp_path):
    """Nobody has been asked anything yet, but there is something to keep from before the pause."""
    run = prepared(workspace, steps=4)
    run.request("pause")
    _without_watcher(Worker(run))
    recipe = run.recipe()
    recipe.task_options["load_until"] = str(tmp_path / "loaded")
    recipe.save(run.recipe_path)

    def ask():
        wait_for(lambda: run.state().state == "training")
        run.request("stop")
        wait_for(lambda: not run.unheard_request())
        (tmp_path / "loaded").touch()

    asking = threading.Thread(target=ask)
    asking.start()
    state = Worker(run).go()
    asking.join()
    assert (state.state, state.step) == ("finished", 2)
    assert run.report() is not None


def test_asked_by_the_system_before_there_is_anything_to_cut_it_ends_in_good_order(workspace, monkeypatch):
    """However long it is held up between hearing signals and beginning."""
    heard = Requests.heard

    @contextmanager
    def asked_at_once(self):
        with heard(self):
            os.kill(os.getpid(), signal.SIGTERM)
            yield

    monkeypatch.setattr(Requests, "heard", asked_at_once)
    run = prepared(workspace)
    state = Worker(run).go()
    assert (state.state, state.message, state.step) == ("stopped", "Stopped before the first step.", 0)
    assert run.state().state == "stopped"


def test_what_is_asked_once_the_end_is_told_is_left_for_the_next_worker(workspace, monkeypatch):
    """However long this one takes to be gone: "keep the best" of a paused run is meant for the worker that goes on."""
    run = prepared(workspace, steps=4)
    run.request("pause")
    worker, write = Worker(run), type(run).write_state

    def ask_at_once(self, state):
        write(self, state)
        if state.state == "stopped":
            run.request("stop")
            worker.requests.by_now()

    monkeypatch.setattr(type(run), "write_state", ask_at_once)
    assert _without_watcher(worker).state == "stopped"
    assert run.unheard_request() == "stop"


def test_two_workers_never_share_a_run(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr("studio.runs.folder.TAKE_UP_TIMEOUT_S", 0.1)
    run = prepared(workspace, steps=3, step_until=str(tmp_path / "go on"))
    assert not run.has_worker()
    process = subprocess.Popen([*WORKER, str(run.path)])
    wait_for(lambda: is_busy(tmp_path / "go on"))
    assert run.has_worker()
    before = run.events_path.read_bytes(), run.state()
    with pytest.raises(RunError, match="going on already"):
        Worker(run).go()
    assert (run.events_path.read_bytes(), run.state()) == before
    (tmp_path / "go on").touch()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert run.state().state == "finished"
    assert not run.has_worker()


def test_a_killed_worker_holds_nothing(workspace, tmp_path):
    run = prepared(workspace, steps=3, step_until=str(tmp_path / "never"))
    process = subprocess.Popen([*WORKER, str(run.path)])
    wait_for(lambda: is_busy(tmp_path / "never"))
    process.kill()
    process.wait()
    assert not run.has_worker()


def test_sigterm_pauses_at_the_next_step(workspace):
    run = prepared(workspace, steps=ENDLESS, step_s=0.02)
    process = subprocess.Popen([*WORKER, str(run.path)])
    wait_for(lambda: has_stepped(run))
    assert run.state().pid == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) == 0
    state = run.state()
    assert state.state == "stopped"
    assert "system" in state.message


def test_a_killed_worker_is_interrupted_and_resumes(workspace):
    run = prepared(workspace, steps=ENDLESS, step_s=0.02)
    process = subprocess.Popen([*WORKER, str(run.path)])
    wait_for(lambda: len(kinds(run, "metric")) > 3)
    process.kill()
    process.wait()
    steps = kinds(run, "metric")[-1]["step"] + 20
    recipe = run.recipe()
    recipe.task_options["steps"] = steps
    recipe.save(run.recipe_path)
    with run.events_path.open("a") as file:
        file.write('{"v": 1, "seq": 9999, "kind": "met')  # as a crash in the middle of a write leaves it
    assert run.state().state == "interrupted"
    process = subprocess.Popen([*WORKER, str(run.path)])
    assert process.wait(timeout=PATIENCE_S) == 0
    assert run.state().state == "finished"
    events, _ = run.events()
    numbers = [e["seq"] for e in events]
    assert numbers == sorted(set(numbers))
    assert {e["step"] for e in kinds(run, "metric")} == set(range(1, steps + 1))


def test_what_is_printed_goes_to_the_log(workspace):
    run = prepared(workspace, fail="bug")
    done = subprocess.run([*WORKER, str(run.path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "secret detail" in run.log_path.read_text()
    assert done.stdout == done.stderr == ""


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    done = subprocess.run([*WORKER, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_spare_takes_one_job_and_ends_without_one(workspace):
    run = prepared(workspace, steps=2)
    process = subprocess.Popen([*WORKER, "--spare"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.stdin.write(f'{{"run_dir": "{run.path}"}}\n')
    process.stdin.close()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert run.state().state == "finished"
    idle = subprocess.run(
        [*WORKER, "--spare"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert idle.returncode == 0


@pytest.mark.parametrize(("every_s", "steps_told"), [(3600, 0), (0, 20)])
def test_state_is_written_now_and_then_and_not_at_each_step(workspace, monkeypatch, every_s, steps_told):
    monkeypatch.setattr("studio.runs.worker.STATE_EVERY_S", every_s)
    run = prepared(workspace, steps=20)
    written = []
    original = type(run).write_state
    monkeypatch.setattr(type(run), "write_state", lambda self, state: (written.append(state), original(self, state)))  # fmt: skip
    Worker(run).go()
    assert list(dict.fromkeys(s.state for s in written)) == ["starting", "training", "evaluating", "finished"]
    assert len({s.step for s in written if s.state == "training" and s.step}) == steps_told
    assert every_s == 0 or len(written) == 4


def test_events_go_on_after_a_torn_line(workspace):
    run = prepared(workspace, steps=1)
    EventWriter(run.events_path)("note", text="before")
    with run.events_path.open("a") as file:
        file.write('{"torn')
    Worker(run).go()
    assert [e["seq"] for e in run.events()[0]] == list(range(1, len(run.events()[0]) + 1))


def test_no_signal_handler_is_left_behind(workspace):
    before = signal.getsignal(signal.SIGTERM)
    Worker(prepared(workspace)).go()
    assert signal.getsignal(signal.SIGTERM) is before
