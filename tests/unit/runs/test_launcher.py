"""Starting, queueing, pausing and resuming, with workers that only count."""

import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from run_fakes import ENDLESS, WORKER, ended, has_stepped, prepared, state_of, wait_for

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.runs.folder import RunFolder


def test_a_queued_run_is_started_and_finishes(workspace, launch):
    run = prepared(workspace)
    launch().enqueue(run)
    wait_for(lambda: state_of(run) == "finished")


def test_who_holds_memory_for_nothing_is_told_before_a_run_starts(workspace, launch):
    run = prepared(workspace)
    seen = []
    launch(before_start=lambda: seen.append(state_of(run))).enqueue(run)
    wait_for(lambda: state_of(run) == "finished")
    assert seen == ["queued"]


def test_runs_go_one_at_a_time_oldest_first(workspace, launch):
    launcher = launch()
    runs = [prepared(workspace, name, steps=8, step_s=0.02) for name in ("c", "a", "b")]
    for run in runs:
        launcher.enqueue(run)
    wait_for(lambda: all(state_of(run) == "finished" for run in runs))
    assert never_at_once(runs)


def never_at_once(runs):
    """Told by their workers: who looks on sees one run after the other, and each may change meanwhile."""
    spans = [(run.state().started, run.state().ended) for run in runs]
    return all(before[1] <= after[0] for before, after in pairwise(spans))


def test_two_launchers_never_start_two_runs(workspace, launch, tmp_path):
    gate = tmp_path / "go on"
    runs = [prepared(workspace, steps=3, step_until=str(gate)) for _ in range(4)]
    launchers = [launch(tick_s=0.01) for _ in range(3)]
    for run in runs:
        launchers[0].enqueue(run)
    wait_for(lambda: has_stepped(runs[0]))
    for launcher in launchers:
        assert [run.id for run, _ in launcher._start_next()] == [runs[0].id]
    assert [state_of(run) for run in runs[1:]] == ["queued"] * 3
    gate.touch()
    wait_for(lambda: all(ended(run) for run in runs))
    assert never_at_once(runs)
    assert all(state_of(run) == "finished" for run in runs)
    for run in runs:
        assert sum(e.get("state") == "starting" and "resumed_from_step" not in e for e in run.events()[0]) == 1


def test_a_restarted_server_picks_up_the_queue(workspace, launch):
    run = prepared(workspace)
    run.change_state(state="queued", queued_at=time.time())
    launch()
    wait_for(lambda: state_of(run) == "finished")


def test_a_run_goes_on_when_the_launcher_closes(workspace, launch, tmp_path):
    launcher = launch()
    run = prepared(workspace, step_until=str(tmp_path / "go on"))
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    launcher.close()
    (tmp_path / "go on").touch()
    wait_for(lambda: state_of(run) == "finished")


def test_a_run_goes_on_when_the_server_is_killed(workspace, tmp_path):
    """The whole process of the app dies at once; the worker does not notice."""
    run = prepared(workspace, step_until=str(tmp_path / "go on"))
    code = (
        "import sys; from pathlib import Path; from studio.core.workspace import Workspace;"
        "from studio.runs.launcher import Launcher; from studio.runs.folder import RunFolder;"
        f"l = Launcher(Workspace.open({str(workspace.root)!r}), worker_command={WORKER!r}, tick_s=0.05);"
        f"l.warm(); l.enqueue(RunFolder(Path({str(run.path)!r}))); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as server:
        wait_for(lambda: has_stepped(run))
        server.kill()
    (tmp_path / "go on").touch()
    wait_for(lambda: state_of(run) == "finished")


@pytest.mark.parametrize(("ask", "end"), [("pause", "stopped"), ("stop", "finished")])
def test_pause_and_stop(workspace, launch, ask, end):
    launcher = launch()
    run = prepared(workspace, steps=ENDLESS, step_s=0.02)
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    getattr(launcher, ask)(run)
    wait_for(lambda: state_of(run) == end)


def pause_after_a_step(launcher, run, gate):
    """``run`` waits for ``gate`` in its second step; from then on it is open."""
    launcher.enqueue(run)
    wait_for(lambda: has_stepped(run))
    launcher.pause(run)
    gate.touch()
    wait_for(lambda: state_of(run) == "stopped")


def test_a_paused_run_resumes(workspace, launch, tmp_path):
    launcher, gate = launch(), tmp_path / "go on"
    run = prepared(workspace, steps=30, step_until=str(gate))
    pause_after_a_step(launcher, run, gate)
    assert run.state().step == 2
    launcher.resume(run)
    wait_for(lambda: state_of(run) == "finished")
    assert [e["step"] for e in run.events()[0] if e["kind"] == "metric"] == list(range(1, 31))


def test_the_best_of_a_paused_run_is_kept_when_asked_for(workspace, launch, tmp_path):
    launcher, gate = launch(), tmp_path / "go on"
    run = prepared(workspace, steps=5000, step_until=str(gate))
    pause_after_a_step(launcher, run, gate)
    at = run.state().step
    launcher.stop(run)
    wait_for(lambda: state_of(run) == "finished")
    ended_ = run.state()
    assert (ended_.outcome, ended_.step) == ("stopped", at + 1)
    assert f"Stopped by you at step {at + 1} of 5000." in ended_.message
    assert run.report() is not None


def test_a_queued_run_leaves_the_queue(workspace, launch, tmp_path):
    launcher, gate = launch(), tmp_path / "go on"
    first, second = (prepared(workspace, step_until=str(gate)) for _ in range(2))
    launcher.enqueue(first)
    launcher.enqueue(second)
    wait_for(lambda: has_stepped(first))
    assert launcher.cancel(second)
    assert state_of(second) == "draft"
    assert not launcher.cancel(first)
    launcher.enqueue(second)
    launcher.stop(second)
    assert state_of(second) == "draft"
    launcher.stop(first)
    gate.touch()
    wait_for(lambda: state_of(first) == "finished")


def test_a_run_is_queued_once(workspace, launch):
    launcher = launch()
    run = prepared(workspace, steps=3)
    threads = [threading.Thread(target=lambda: _quietly(launcher.enqueue, run)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: ended(run))
    assert [e["step"] for e in run.events()[0] if e["kind"] == "metric"] == [1, 2, 3]


def _quietly(call, *arguments):
    try:
        call(*arguments)
    except RunError:
        return


def test_what_cannot_be_done_is_told(workspace, launch):
    launcher = launch()
    draft = RunFolder.create(workspace, "draft")
    with pytest.raises(RunError, match="not ready to start"):
        launcher.enqueue(draft)
    with pytest.raises(RunError, match="nothing to resume"):
        launcher.resume(draft)
    with pytest.raises(RunError, match="not going on"):
        launcher.pause(draft)
    run = prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: state_of(run) == "finished")
    for call in (launcher.enqueue, launcher.resume, launcher.stop):
        with pytest.raises(RunError):
            call(run)


def test_retry_smaller_halves_the_batch_and_says_why(workspace, launch):
    launcher = launch()
    run = prepared(workspace, fail="memory")
    launcher.enqueue(run)
    wait_for(lambda: state_of(run) == "failed")
    assert run.state().error["code"] == "out_of_memory"
    fresh = launcher.retry_smaller(run)
    recipe = fresh.recipe()
    assert (recipe.training.batch_size, recipe.training.gradient_accumulation_steps) == (4, 2)
    assert "half of 8" in recipe.reasons["training.batch_size"]
    assert fresh.id != run.id
    assert state_of(run) == "failed"
    wait_for(lambda: ended(fresh))


def test_one_row_at_once_cannot_be_halved(workspace, launch):
    run = prepared(workspace)
    recipe = run.recipe()
    recipe.training.batch_size = 1
    recipe.save(run.recipe_path)
    with pytest.raises(RunError, match="cannot be smaller"):
        launch().retry_smaller(run)


def test_in_the_foreground_all_events_come_once(workspace, launch):
    run = prepared(workspace, steps=5, step_s=0.02)
    events = list(launch().run_in_foreground(run))
    assert [e["step"] for e in events if e["kind"] == "metric"] == [1, 2, 3, 4, 5]
    assert events == run.events()[0]


def test_ctrl_c_in_the_foreground_pauses(workspace, launch):
    run = prepared(workspace, steps=ENDLESS, step_s=0.02)
    for event in launch().run_in_foreground(run):
        if event["kind"] == "metric" and event["step"] == 2:
            signal.raise_signal(signal.SIGINT)
    assert state_of(run) == "stopped"


def test_a_deleted_run_does_not_stop_the_queue(workspace, launch):
    launcher = launch()
    run, other = prepared(workspace), prepared(workspace)
    launcher.enqueue(run)
    wait_for(lambda: ended(run))
    run.delete()
    launcher.enqueue(other)
    wait_for(lambda: state_of(other) == "finished")


def test_halving_keeps_the_choices_of_a_copy(workspace, launch):
    run = prepared(workspace, fail="memory")
    Recipe(name="chosen", task="fake").save(run.path / "choices.yaml")
    fresh = launch().retry_smaller(run)
    assert Recipe.load(fresh.path / "choices.yaml").training.batch_size == 4
    wait_for(lambda: ended(fresh))
