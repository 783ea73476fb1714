"""Start, pause, stop and resume runs. Nothing here trains: it hands runs to workers and looks after them.

One thread looks at the queue a few times a second: when the device is free it starts the oldest queued run, in the
spare worker if there is one, and it makes sure that a worker that does not listen ends after all. The launcher may die
at any time: runs go on, and the next launcher finds everything in the run folders.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs.folder import Request, RunFolder
from studio.runs.queue import Queue
from studio.runs.retry import smaller_copy
from studio.runs.splits import has_splits
from studio.runs.state import ACTIVE, ENDED, RunState
from studio.runs.workers import COMMAND, GRACE_S, KILL_AFTER_S, Workers
from studio.training.checkpoints import latest_checkpoint

TICK_S = 0.3


class Launcher:
    """Thread-safe; one per server.

    Args:
        worker_command: What starts a worker; the run's folder is added, or ``--spare``.
        tick_s: Seconds between two looks at the queue.
        grace_s: Seconds a worker may take to notice a request before the system asks it to end.
        kill_after_s: And after that, before it is ended.
        before_start: Called when a run is about to start: who holds memory for nothing lets go of it.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        worker_command: Sequence[str] = COMMAND,
        tick_s: float = TICK_S,
        grace_s: float = GRACE_S,
        kill_after_s: float = KILL_AFTER_S,
        before_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.workspace = workspace
        self.queue = Queue(workspace)
        self.workers = Workers(workspace, self.queue, worker_command, grace_s=grace_s, kill_after_s=kill_after_s)
        self._tick_s, self._before_start = tick_s, before_start
        self._closed = threading.Event()
        self._now = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="launcher", daemon=True)
        self._thread.start()

    # -- what a person may ask ------------------------------------------------------------------------------------------

    def enqueue(self, run: RunFolder) -> None:
        """Queue a draft that has been frozen; it starts as soon as the device is free. Twice is once.

        Raises:
            RunError: the run is going on or has been trained, or its data has not been prepared.
        """
        with self.queue.held(), run.held():
            state = run.state()
            if state.state == "queued":
                return
            if state.state != "draft":
                raise RunError(
                    "This run has been started already",
                    f"“{run.id}” is {state.state}.",
                    "Use “New run from this one” to train again.",
                )
            self._queue(run, state, "Waiting for its turn.")

    def resume(self, run: RunFolder) -> None:
        """Go on from the last whole checkpoint, or from the beginning when there is none.

        Raises:
            RunError: the run is going on, is finished, or was never started.
        """
        with self.queue.held():
            state = run.state()
            if state.state == "queued":
                return
            if state.state not in ENDED - {"finished"}:
                raise RunError(
                    "There is nothing to resume",
                    f"“{run.id}” is {state.state}.",
                    "Only a run that was paused, stopped or cut off can go on.",
                )
            if state.state == "interrupted" and (self.workers.has(run) or run.has_worker()):
                raise RunError(
                    "This run is still going on",
                    f"The state of “{run.id}” cannot be believed: a process is training it.",
                    "Wait until that has ended.",
                )
            there = latest_checkpoint(run.checkpoints_dir) is not None
            message = "Waiting to go on." if there else "Waiting to start again from the beginning."
            self._queue(run, state, message)

    def pause(self, run: RunFolder) -> None:
        """End with a checkpoint to go on from. A queued run leaves the queue.

        Raises:
            RunError: the run is not going on.
        """
        self._request(run, "pause")

    def stop(self, run: RunFolder) -> None:
        """End, keep the best weights and write the report card. A queued run leaves the queue; a paused one goes on from its
        checkpoint for just that.

        Raises:
            RunError: the run is not going on, and there is nothing to keep.
        """
        with self.queue.held():
            state = run.state()
            if state.state == "stopped" and latest_checkpoint(run.checkpoints_dir) is not None:
                self._queue(run, state, "Waiting to keep the best.")
                run.request("stop")
                return
        self._request(run, "stop")

    def cancel(self, run: RunFolder) -> bool:
        """Take a queued run out of the queue; a run that was never started is a draft again. False when it has begun."""
        with self.queue.held():
            state = run.state()
            if state.state != "queued":
                return False
            begun = state.started is not None
            message = "Taken out of the queue." if begun else ""
            run.write_state(replace(state, state="stopped" if begun else "draft", message=message, queued_at=None))
            return True

    def retry_smaller(self, run: RunFolder) -> RunFolder:
        """A new run with half the rows at once and twice the batches per step, queued. It learns the same in less memory.

        Raises:
            RunError: there is one row at once already, or the run has no data of its own.
        """
        if not has_splits(run):
            raise _unprepared(run)
        fresh = smaller_copy(run, self.workspace)
        self.enqueue(fresh)
        return fresh

    def run_in_foreground(self, run: RunFolder) -> Iterator[dict[str, Any]]:
        """Queue the run and yield its events until it has ended. The first Ctrl-C pauses it, the second leaves it alone
        and raises ``KeyboardInterrupt``; the run goes on without us.

        Raises:
            RunError: see :meth:`enqueue`.
        """
        self.enqueue(run)
        offset = 0
        with self._interrupts_pause(run):
            while True:
                ended = run.state().state in ENDED | {"draft"}
                events, offset = run.events(offset)
                yield from events
                if ended:
                    return
                time.sleep(0.1)

    def warm(self) -> None:
        """Keep a spare worker ready from now on (not with ``TAILOR_NO_SPARE=1``)."""
        self.workers.spare.wanted = True
        self._now.set()

    def close(self) -> None:
        """End the spare worker and stop looking; runs go on."""
        self._closed.set()
        self._now.set()
        self._thread.join(timeout=15)
        self.workers.spare.close()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _queue(self, run: RunFolder, state: RunState, message: str) -> None:
        if not has_splits(run) or not run.recipe_path.is_file():
            raise _unprepared(run)
        run.clear_request()
        queued = replace(
            state, state="queued", message=message, queued_at=time.time(), error={}, pid=None, pid_started=None
        )
        run.write_state(queued)
        self._now.set()

    def _request(self, run: RunFolder, what: Request) -> None:
        if self.cancel(run):
            return
        state = run.state()
        if state.state not in ACTIVE:
            raise RunError("This run is not going on", f"“{run.id}” is {state.state}.", "There is nothing to stop.")
        run.request(what)

    @contextmanager
    def _interrupts_pause(self, run: RunFolder) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_interrupt(number: int, frame: Any) -> None:
            if run.requested():
                raise KeyboardInterrupt
            try:
                self.pause(run)
            except RunError:
                raise KeyboardInterrupt from None

        before = signal.signal(signal.SIGINT, on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # -- the thread -----------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        trouble = ""
        while not self._closed.is_set():
            self._now.clear()
            try:
                self.workers.reap()
                active = self._active()
                for run, state in active:
                    self.workers.insist(run, state)
                if not active and self.queue.waiting():
                    self._before_start()
                    active = self._start_next()
                if not active:
                    self.workers.spare.keep_warm()
                trouble = ""
            except Exception as error:  # noqa: BLE001 (a full disk or a deleted folder must not end the queue)
                if repr(error) != trouble:
                    traceback.print_exc()
                trouble = repr(error)
            self._now.wait(self._tick_s)

    def _active(self) -> list[tuple[RunFolder, RunState]]:
        """Runs that hold the device: those whose state says so, and those whose living worker is a child of ours."""
        active = self.queue.active()
        known = {run.id for run, _ in active}
        return [*active, *((run, state) for run, state in self.workers.going() if run.id not in known)]

    def _start_next(self) -> list[tuple[RunFolder, RunState]]:
        """Start the oldest queued run unless another process was quicker; what is active then."""
        with self.queue.held():
            active, waiting = self._active(), self.queue.waiting()
            if active or not waiting:
                return active
            run, state = waiting[0]
            if run.id in self.workers.running or run.has_worker():
                return active  # its last worker has told its end and is about to be gone
            return [(run, self.workers.start(run, state))]


def _unprepared(run: RunFolder) -> RunError:
    return RunError(
        "This run is not ready to start",
        f"“{run.id}” has no prepared data in its folder.",
        "Go back to Prepare and Model, then start it.",
    )
