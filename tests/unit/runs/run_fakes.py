"""A task that "trains" by counting, for tests of everything around training; runnable as a worker process.

python run_fakes.py RUN_DIR | --spare
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path
from typing import Any

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import write_splits
from studio.training.checkpoints import checkpoint_path, mark_complete, step_of
from studio.training.types import TrainJob, TrainResult

WORKER = [sys.executable, str(Path(__file__).resolve())]
PATIENCE_S = 180
"""How long what should happen is waited for: on a loaded machine anything can be held up for many seconds."""
ENDLESS = 30_000
"""Steps of a run that goes on until it is told to end: with 20 ms each it takes more than ten minutes."""


class FakeTask:
    """Behaves as ``recipe.task_options`` say: ``steps``, ``step_s``, ``fail``, ``evaluation``; a file named by
    ``load_until``, ``step_until``, ``evaluation_until`` is waited for before the first step, in each step after the first,
    in the final exam: what a test wants to see going on is held there until it has looked."""

    playground = "chat"
    exports = ("adapter", "bundle")

    def train(self, job: TrainJob) -> TrainResult:
        options = job.recipe.task_options
        begin = step_of(job.resume_from) if job.resume_from else 0
        steps, outcome, done = int(options.get("steps", 5)), "finished", begin
        _fail(options.get("fail"))
        _wait_until(options.get("load_until"))
        for step in range(begin + 1, steps + 1):
            time.sleep(options.get("step_s", 0))
            if step > 1 and options.get("step_until"):
                _busy_until(options["step_until"])
            request = job.requested()
            job.emit("metric", step=step, loss=1 / step)
            job.emit("status", message="Learning.", step=step, total_steps=steps, best_step=step)
            done = step
            _save(job, step)
            if request:
                outcome = "paused" if request == "pause" else "stopped"
                break
        if outcome != "paused":
            job.model_dir.mkdir(exist_ok=True)
            (job.model_dir / "model.safetensors").write_bytes(b"weights")
        return TrainResult(outcome, done, done, 1 / max(1, done), 0.1, 10, True)

    def evaluate(self, job: TrainJob, result: TrainResult) -> dict[str, Any]:
        _wait_until(job.recipe.task_options.get("evaluation_until"))
        _fail(job.recipe.task_options.get("evaluation"))
        return {"task": "fake", "steps": result.steps}


def _save(job: TrainJob, step: int) -> None:
    folder = checkpoint_path(job.checkpoints_dir, step)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights").write_text(str(step))
    mark_complete(folder, {"step": step})


def _wait_until(path: str | None) -> None:
    if path:
        wait_for(Path(path).exists, 600)


def _busy_until(path: str) -> None:
    """One long call in C, as a step is: no signal gets through to Python until it returns. It ends with its worker, too."""
    done = f"[ -e '{path}' ] || ! kill -0 $PPID 2>/dev/null"
    ctypes.CDLL(None).system(f": > '{path}.busy'; for i in $(seq 12000); do {done} && break; sleep 0.05; done".encode())


def is_busy(gate: Path) -> bool:
    """Whether a worker has come to a step that waits for this file: all before it has been written."""
    return Path(f"{gate}.busy").exists()


def _fail(how: str | None) -> None:
    match how:
        case "plain":
            raise RunError("The rows are too blue", "They are.", "Paint them.")
        case "memory":
            raise MemoryError
        case "torch":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        case "disk":
            raise OSError(28, "No space left on device")
        case "bug":
            raise ZeroDivisionError("secret detail")


def prepared(workspace: Workspace, name: str = "run", **options: Any) -> RunFolder:
    """A draft that is ready to be enqueued."""
    run = RunFolder.create(workspace, name)
    recipe = Recipe(name=name, task="fake", task_options=options)
    recipe.training.batch_size = 8
    base = workspace.cache_dir / "base"
    base.mkdir(exist_ok=True)
    (base / "config.json").write_text("{}")
    recipe.base.path = str(base)
    recipe.save(run.recipe_path)
    write_splits(run, Splits(train=[{"row": 0, "text": "a", "label": "b"}]))
    return run


def wait_for(condition: Any, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def has_stepped(run: RunFolder) -> bool:
    return any(event["kind"] == "metric" for event in run.events()[0])


def state_of(run: RunFolder) -> str:
    return run.state().state


def ended(run: RunFolder) -> bool:
    return state_of(run) in {"finished", "stopped", "failed", "interrupted"}


def install() -> None:
    from studio.tasks import base

    base.registry = lambda: {"fake": FakeTask()}  # type: ignore[assignment]


if __name__ == "__main__":
    from studio.runs import spare, worker

    install()
    spare.warm_up = lambda: None
    sys.exit(worker.main(sys.argv[1:]))
