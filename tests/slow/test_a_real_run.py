"""A real run in a real worker: killed in the middle, resumed, examined, asked, and told who answers."""

import json
import os
import signal
import sys
import time

import pytest

from studio.core.assets import assets_dir
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.models.weights import weights_hash
from studio.runs.folder import RunFolder
from studio.runs.launcher import Launcher
from studio.runs.playground import Playground
from studio.runs.splits import write_splits
from studio.training.checkpoints import latest_checkpoint

pytestmark = pytest.mark.slow
THINGS = ["lamp", "bulb", "shade", "switch", "cable", "stand"]
WORKER = """
import sys, time
from pathlib import Path
from studio.runs import worker
from studio.training import progress

gate, begin = Path(sys.argv[1]), progress.Progress.on_step_begin

def on_step_begin(self, args, state, control, **more):
    while state.global_step >= 30 and gate.exists():
        time.sleep(0.02)
    begin(self, args, state, control, **more)

progress.Progress.on_step_begin = on_step_begin
sys.exit(worker.main(sys.argv[2:]))
"""
"""The real worker, which learns 30 of its 40 steps and then waits at the gate: whoever wants to meet it in the middle of a
run cannot come too late."""


def row(number):
    thing = THINGS[number % len(THINGS)]
    return {
        "row": number,
        "messages": [
            {"role": "user", "content": f"Do you sell a {thing} number {number}?"},
            {"role": "assistant", "content": f"Of course, dear friend of light. The {thing} waits for you."},
        ],
    }


@pytest.fixture
def run(tmp_path):
    workspace = Workspace.open(tmp_path)
    run = RunFolder.create(workspace, "support")
    recipe = Recipe(name="support")
    recipe.base.id, recipe.base.path = "seedling-5m", str(assets_dir() / "base" / "seedling-5m")
    recipe.method.kind, recipe.method.rank, recipe.method.alpha = "lora", 8, 16
    training = recipe.training
    training.learning_rate, training.batch_size, training.max_length = 3e-3, 8, 64
    training.epochs, training.max_steps, training.evaluation_interval, training.logging_interval = 10, 40, 5, 1
    training.precision, training.sample_prompts, training.early_stopping_patience = (
        "float32",
        ["Do you sell a lamp?"],
        0,
    )
    recipe.save(run.recipe_path)
    rows = [row(number) for number in range(48)]
    write_splits(run, Splits(train=rows[:36], validation=rows[36:42], test=rows[42:]))
    return run


@pytest.fixture
def gate(tmp_path):
    """As long as this file is there, a worker waits at it."""
    path = tmp_path / "gate"
    path.touch()
    return path


@pytest.fixture
def launcher(run, gate):
    command = [sys.executable, "-c", WORKER, str(gate)]
    launcher = Launcher(Workspace.open(run.path.parents[1]), worker_command=command, tick_s=0.1)
    yield launcher
    gate.unlink(missing_ok=True)
    launcher.close()


def learned(run):
    """The step whose loss was told last; the state is brought up to date less often."""
    return max((e["step"] for e in run.events()[0] if e["kind"] == "metric" and "loss" in e), default=0)


def wait_for(condition, timeout_s=900):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_is_killed_resumed_examined_and_asked(run, launcher, gate):
    launcher.warm()
    launcher.enqueue(run)
    wait_for(lambda: latest_checkpoint(run.checkpoints_dir) or run.state().state == "failed")
    assert run.state().state == "training", run.state().message
    os.kill(run.state().pid, signal.SIGKILL)
    # Not only gone, but noticed: until the launcher is done with the worker that it lost, Resume may be told to wait.
    wait_for(lambda: run.state().error.get("code") == "killed")
    assert run.state().state == "interrupted"
    gate.unlink()
    launcher.resume(run)
    wait_for(lambda: run.state().state in {"finished", "failed"})
    state = run.state()
    assert state.state == "finished", state.message
    assert state.error == {}
    assert state.step == 40
    resumed = [e["resumed_from_step"] for e in run.events()[0] if "resumed_from_step" in e]
    assert len(resumed) == 1
    assert resumed[0] >= 5
    report = run.report()
    assert report is not None
    assert json.dumps(report)
    assert "Traceback" not in run.log_path.read_text()

    playground = Playground(run.path)
    question = [{"role": "user", "content": "Do you sell a lamp?"}]
    last = list(playground.chat(question, question, {"temperature": 0, "max_new_tokens": 30}))[-1]
    playground.close()
    assert last["base"] != last["tuned"]
    assert "friend of light" in last["tuned"]
    base = assets_dir() / "base" / "seedling-5m"
    assert last["base_identity"] == f"adapter off · seedling-5m {weights_hash(base, 6)}"
    assert last["tuned_identity"] == f"adapter {run.id} · {weights_hash(run.model_dir, 6)}"


def test_pause_and_resume_keep_one_curve(run, launcher, gate):
    launcher.enqueue(run)
    wait_for(lambda: learned(run) >= 7 or run.state().state == "failed")
    launcher.pause(run)
    gate.unlink()
    wait_for(lambda: run.state().state not in {"training", "starting"})
    assert run.state().state == "stopped"
    paused_at = run.state().step
    launcher.resume(run)
    wait_for(lambda: run.state().state in {"finished", "failed"})
    steps = [e["step"] for e in run.events()[0] if e["kind"] == "metric" and "loss" in e]
    assert steps == list(range(1, 41))
    assert [e["resumed_from_step"] for e in run.events()[0] if "resumed_from_step" in e] == [paused_at]
