"""Train one run from its folder, in a process of its own that outlives the app.

    python -m studio.runs.worker RUN_DIR     train this run and end
    python -m studio.runs.worker --spare     import everything, say "ready", wait for {"run_dir": …} on stdin

The worker is the one writer of ``state.json`` and ``events.jsonl`` while it lives. It hears the person through
``request.json`` and the system through SIGTERM; both end it in good order, with a checkpoint. Whatever goes wrong ends
in a state that says so in plain words; the traceback is in ``log.txt`` only.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from studio.core.errors import RunError, StudioError
from studio.runs import processes
from studio.runs.bases import base_folder
from studio.runs.causes import run_failure
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder
from studio.runs.requests import CutShort, Requests
from studio.runs.splits import read_splits
from studio.runs.state import RunState
from studio.tasks import base as tasks
from studio.tasks.base import Task
from studio.training.checkpoints import latest_checkpoint, step_of
from studio.training.types import TrainJob, TrainResult

Phase = Literal["before", "loading", "training", "evaluating", "over"]
STATE_EVERY_S = 1.0


class Worker:
    """One run, from ``starting`` to its end."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.phase: Phase = "before"
        self.requests = Requests(run, self._may_cut, self._tell_request)
        self._lock = threading.RLock()
        """Held while events and the state are written: the thread that hears requests tells too."""
        self._written = 0.0
        self._begun, self._seconds_before = time.monotonic(), 0.0
        self._result: TrainResult | None = None
        self.state = RunState()

    def go(self) -> RunState:
        """Train and evaluate; the state it ended in. Whatever goes wrong, the folder tells.

        Raises:
            RunError: another worker has this run; nothing was written.
        """
        with self.run.taken_up():
            return self._go()

    def _go(self) -> RunState:
        self._write_event = EventWriter(self.run.events_path)
        before = self.run.state()
        self._begun, self._seconds_before = time.monotonic(), before.seconds
        self.state = replace(
            before, state="starting", message="Loading the base and the data.", started=time.time(), ended=None, error={},
            outcome="", pid=os.getpid(), pid_started=processes.started_at(os.getpid()), taken_up=True,
        )  # fmt: skip
        with self.requests.heard():
            try:
                self.phase = "loading"
                if self.requests.asked:  # before there was anything to cut short
                    self.requests.cut()
                self._save()  # from here on it may be asked to end
                self._train_and_evaluate()
            except CutShort:
                self.phase = "over"
                self._cut()
            except Exception as error:  # noqa: BLE001 (whatever it is, the run folder must tell)
                self._fail(error)
            finally:
                self.phase = "over"
        self._write_event.close()
        return self.state

    # -- the way ------------------------------------------------------------------------------------------------------

    def _train_and_evaluate(self) -> None:
        run = self.run
        self.emit("status", state="starting", message=self.state.message)
        recipe, splits = run.recipe(), read_splits(run)
        task = tasks.get(recipe.task)
        job = TrainJob(
            recipe=recipe,
            base_path=base_folder(run, recipe, self._downloading),
            splits=splits,
            run_dir=run.path,
            emit=self.emit,
            requested=self.requests.by_now,
            resume_from=self._checkpoint(),
        )
        self._enter("training", "Reading the rows and loading the base.")
        result = task.train(job)
        if result.outcome == "paused":
            self._end("stopped", _paused_message(result, self.requests.by_system), result)
            return
        self._result = result
        self._enter("evaluating", "Taking the final exam on rows it has never seen.", result)
        if self.requests.by_system:
            self.requests.cut()  # asked after the last step
        self._finish(result, self._evaluate(task, job, result))

    def _may_cut(self) -> bool:
        """Whether the run can be ended here and now: until the trainer asks for requests nothing has been learned, and
        the exam comes when everything is safe. Only "keep the best" has something to keep when the run goes on from before.
        """
        if self.phase == "evaluating":
            return True
        keeps = self.requests.asked == "stop" and self.state.step > 0
        return self.phase in {"loading", "training"} and not self.requests.polled and not keeps

    def _cut(self) -> None:
        """Ended while loading: nothing is lost. Ended during the exam: the tuned model is there, the report is not."""
        if self._result is None:
            self._end(
                "stopped", "Stopped before the first step." if not self.state.step else "Stopped before going on."
            )
            return
        left_out = RunError(
            "The final exam was left out",
            "It was ended before it was done.",
            "Try the model in Compare.",
            code="evaluation_stopped",
        )
        self._finish(self._result, left_out)

    def _finish(self, result: TrainResult, problem: StudioError | None) -> None:
        message = _finished_message(result, self.state.total_steps)
        self.state = replace(self.state, outcome=result.outcome)
        if problem is None:
            self._end("finished", message, result)
            return
        text = f"{problem.title}. {problem.what_happened}"
        self.emit("note", code=problem.code, level="caution", text=text, step=result.steps)
        self._end("finished", f"{message} {problem.title}.", result, problem.as_dict())

    def _checkpoint(self) -> Path | None:
        """Where to go on from, if this run has been going before."""
        checkpoint = latest_checkpoint(self.run.checkpoints_dir)
        if checkpoint is not None:
            self.emit("status", state="starting", message=f"Going on from step {step_of(checkpoint)}.", resumed_from_step=step_of(checkpoint))  # fmt: skip
        elif self.state.step:
            self.emit(
                "note", code="restarted", level="caution", step=0,
                text="No whole checkpoint was found, so the run starts again from the beginning.",
            )  # fmt: skip
            self.emit("status", state="starting", message="Starting again from the beginning.", resumed_from_step=0)
            self.state = replace(self.state, step=0, best_step=None)
        return checkpoint

    def _evaluate(self, task: Task, job: TrainJob, result: TrainResult) -> StudioError | None:
        """Write the report card; a failure costs the report, never the tuned model."""
        try:
            self.run.write_report(task.evaluate(job, result))
        except Exception as error:  # noqa: BLE001 (told below, and kept in the log)
            traceback.print_exc()
            return RunError(
                "The final exam could not be taken",
                f"The tuned model is safe. {run_failure(error).what_happened}",
                "Try the model in Compare; log.txt in the run's folder has the details.",
                code="evaluation_failed",
            )
        return None

    # -- telling ------------------------------------------------------------------------------------------------------

    def emit(self, kind: Any, **fields: Any) -> None:
        """Append an event, and now and then bring ``state.json`` up to date with it."""
        names = ("step", "total_steps", "best_step")
        known: dict[str, Any] = {
            name: int(fields[name]) for name in names if isinstance(fields.get(name), (int, float))
        }
        with self._lock:
            self._write_event(kind, **fields)
            if self.phase == "evaluating":
                known = {}  # the exam counts its own way; how far training came stays
            if kind in {"metric", "status"} and self.phase != "over":
                message = str(fields["message"]) if kind == "status" and fields.get("message") else self.state.message
                self.state = replace(self.state, message=message, **known)
                if time.monotonic() - self._written >= STATE_EVERY_S:
                    self._save()

    def _enter(self, phase: Literal["training", "evaluating"], message: str, result: TrainResult | None = None) -> None:
        with self._lock:
            self.phase = phase
            self.state = replace(self.state, state=phase, message=message, **_figures(result))
            self._save()
        self.emit("status", state=phase, message=message, step=self.state.step, total_steps=self.state.total_steps)

    def _end(
        self, state: Literal["finished", "stopped"], message: str, result: TrainResult | None = None, error: dict[str, str] | None = None
    ) -> None:  # fmt: skip
        self._close()
        self.state = replace(self.state, state=state, message=message, ended=time.time(), error=error or {}, **_figures(result))  # fmt: skip
        self.emit("status", state=state, message=message, step=self.state.step, total_steps=self.state.total_steps)
        self._save()

    def _fail(self, error: Exception) -> None:
        self._close()
        traceback.print_exc()
        told = run_failure(error)
        self.state = replace(self.state, state="failed", message=str(told), ended=time.time(), error=told.as_dict())
        # The disk may be full, which may be why we are here: the state is the smaller file and goes first.
        with suppress(OSError):
            self._save()
        with suppress(OSError):
            self.emit("error", **told.as_dict(), step=self.state.step)
            self.emit("status", state="failed", message=told.title, step=self.state.step)

    def _close(self) -> None:
        """What is asked once the end is told is for the next worker: this one no longer hears it."""
        with self._lock:
            self.phase = "over"
        self.requests.end()
        self.run.clear_request()

    def _save(self) -> None:
        self._written = time.monotonic()
        self.state = replace(self.state, seconds=round(self._seconds_before + self._written - self._begun, 1))
        self.run.write_state(self.state)

    def _downloading(self, message: str, share: float) -> None:
        """From any thread, as often as it likes; told at most once a second."""
        if time.monotonic() - self._written >= STATE_EVERY_S:
            self.emit("status", state="starting", message=message, progress=round(share, 3))

    def _tell_request(self, request: str) -> None:
        if self.phase == "training":
            doing = "Pausing" if request == "pause" else "Stopping"
            self.emit("status", message=f"{doing} after this step or check.", step=self.state.step)


def _figures(result: TrainResult | None) -> dict[str, Any]:
    return {} if result is None else {"step": result.steps, "best_step": result.best_step}


def _paused_message(result: TrainResult, by_system: bool) -> str:
    who = "The system asked the run to end" if by_system else "Paused"
    return f"{who} at step {result.steps}. Resume goes on from there."


def _finished_message(result: TrainResult, total: int) -> str:
    of = f" of {total}" if total > result.steps else ""
    best = f" The weights of step {result.best_step}, the best, were kept." if result.best_step is not None else ""
    match result.outcome:
        case "early":
            return f"Ended early at step {result.steps}{of}: no more progress.{best}"
        case "stopped":
            return f"Stopped by you at step {result.steps}{of}.{best}"
        case _:
            return f"Finished all {result.steps} steps.{best}"


def main(arguments: list[str]) -> int:
    if arguments == ["--spare"]:
        from studio.runs.spare import wait_for_job

        folder = wait_for_job()
        if folder is None:
            return 0
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        folder = Path(arguments[0])
    else:
        print("usage: python -m studio.runs.worker RUN_DIR | --spare", file=sys.stderr)
        return 2
    run = RunFolder(folder.resolve())
    if not (run.path / "state.json").is_file():
        print(f"{run.path} is not a run's folder.", file=sys.stderr)
        return 2
    processes.log_to(run.log_path)
    processes.give_way_when_memory_ends()
    try:
        return 1 if Worker(run).go().state == "failed" else 0
    except RunError as taken:
        print(taken, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
