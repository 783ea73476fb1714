"""The launcher's side of the training workers: start one for a run, insist where one does not listen, and tell what
happened to one that could not tell it itself.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder
from studio.runs.queue import Queue
from studio.runs.spares import SpareWorker
from studio.runs.state import ACTIVE, RunState

GRACE_S = 60.0
"""How long a worker may take to notice a request before it is asked by the system (SIGTERM)."""
KILL_AFTER_S = 30.0
"""And after that, before it is ended (SIGKILL)."""
COMMAND = processes.module("studio.runs.worker")


class Workers:
    """The workers that one launcher has started. For the launcher's thread alone; only ``spare`` is thread-safe.

    Args:
        queue: Held while the state of a run whose worker is gone is written.
        command: What starts a worker; the run's folder is added, or ``--spare``.
    """

    def __init__(
        self, workspace: Workspace, queue: Queue, command: Sequence[str], *, grace_s: float, kill_after_s: float
    ) -> None:
        self.workspace = workspace
        self.queue = queue
        self.spare = SpareWorker([*command, "--spare"], workspace.cache_dir / "spare.log")
        self.running: dict[str, subprocess.Popen[Any]] = {}
        self._command = list(command)
        self._grace_s, self._kill_after_s = grace_s, kill_after_s
        self._with_spare: set[str] = set()
        self._told_to_end: dict[str, float] = {}

    def start(self, run: RunFolder, state: RunState) -> RunState:
        """Give the run to the spare, or to a fresh worker; its state then."""
        # The process is named from the start, however long it takes to import everything. One that dies before it has taken
        # the run up itself leaves a state that says so, and reap gives the run to a fresh worker.
        starting = replace(state, state="starting", message="Starting.", pid=None, pid_started=None, taken_up=False)
        spare = self.spare.take()
        if spare is not None:
            starting = _named(starting, spare)
        run.write_state(starting)
        if spare is not None and self.spare.hand_over(spare, run.path):
            self.running[run.id] = spare
            self._with_spare.add(run.id)
            return starting
        return self._start_fresh(run, starting)

    def going(self) -> list[tuple[RunFolder, RunState]]:
        """Runs whose worker is a living child of ours and has not told its end, whatever the state seems to say."""
        children = [run_id for run_id, child in self.running.items() if child.poll() is None]
        runs = [RunFolder(self.workspace.runs_dir / run_id) for run_id in children]
        pairs = [(run, run.state()) for run in runs if run.path.is_dir()]
        return [(run, state) for run, state in pairs if state.state in ACTIVE | {"interrupted"}]

    def has(self, run: RunFolder) -> bool:
        """Whether a living child of ours has this run; for any thread."""
        child = self.running.get(run.id)
        # While another thread is just collecting it, poll does not know that it has ended.
        return child is not None and child.poll() is None and processes.alive(child.pid, None)

    def reap(self) -> None:
        """Collect workers of ours that have ended; tell what happened to those that could not tell it themselves."""
        for run_id, child in list(self.running.items()):
            code = child.poll()
            if code is None:
                continue
            del self.running[run_id]
            told = self._told_to_end.pop(run_id, None) is not None
            was_spare = run_id in self._with_spare
            self._with_spare.discard(run_id)
            run = RunFolder(self.workspace.runs_dir / run_id)
            if not run.path.is_dir() or run.has_worker():
                continue
            state = run.state()
            if _not_taken_up(state, child.pid):
                self._note_silent_start(run, child.pid, code, was_spare)
            elif state.state == "interrupted":
                self._note_silent_end(run, by_system=processes.was_killed(code) and not told)

    def insist(self, run: RunFolder, state: RunState) -> None:
        """A request that was not noticed in time: SIGTERM, and SIGKILL when that is not heard either; only ever to the
        very process that the state names. A worker notices within a second whatever it does, so one that does not is
        deaf; one that still imports is not asked yet."""
        if run.unheard_for_s() <= self._grace_s or not state.taken_up:
            self._told_to_end.pop(run.id, None)
            return
        told = self._told_to_end.get(run.id)
        if told is None:
            if not processes.CAN_ASK or processes.end(state.pid, state.pid_started):
                self._told_to_end[run.id] = time.monotonic()
        elif time.monotonic() - told > self._kill_after_s:
            processes.end(state.pid, state.pid_started, kill=True)

    def _start_fresh(self, run: RunFolder, starting: RunState) -> RunState:
        # The worker waits until it has been named: what is written here would else replace what it tells by then.
        with run.taken_up():
            try:
                with run.log_path.open("ab") as log:
                    child = processes.start([*self._command, str(run.path)], stdout=log, stderr=log)
            except OSError as error:
                return self._failed_to_start(run, f"The system refused to start a process ({error.strerror or error}).")
            self.running[run.id] = child
            starting = _named(starting, child)
            if not run.state().taken_up:  # where this disk cannot lock, it did not wait
                run.write_state(starting)
            return starting

    def _note_silent_start(self, run: RunFolder, pid: int, code: int, was_spare: bool) -> None:
        """A worker died before it took the run up. A spare may have died while it waited, so a fresh worker gets the run;
        a fresh one would only die again.
        """
        with suppress(RunError), self.queue.held():
            state = run.state()
            if not _not_taken_up(state, pid):
                return
            if was_spare:
                starting = replace(state, state="starting", message="Starting.", pid=None, pid_started=None)
                run.write_state(starting)
                self._start_fresh(run, starting)
            else:
                self._failed_to_start(run, f"Its process ended at once (exit code {code}).")

    def _note_silent_end(self, run: RunFolder, by_system: bool) -> None:
        with suppress(RunError), self.queue.held():
            state = run.state()
            if state.state != "interrupted":
                return
            if by_system:
                error = RunError(
                    "The run was cut off",
                    "The system ended it, most often because memory ran out.",
                    "Resume goes on from the last checkpoint. If it is cut off again, retry with a smaller batch.",
                    code="killed",
                )
                run.write_state(replace(state, message=str(error), ended=time.time(), error=error.as_dict()))
            else:
                run.write_state(replace(state, ended=time.time()))

    def _failed_to_start(self, run: RunFolder, what_happened: str) -> RunState:
        error = RunError("The run could not be started", what_happened, "Look into log.txt in its folder, then resume.", code="not_started")  # fmt: skip
        writer = EventWriter(run.events_path)
        writer("error", **error.as_dict())
        writer.close()
        return run.change_state(state="failed", message=str(error), ended=time.time(), error=error.as_dict(), pid=None)


def _not_taken_up(state: RunState, pid: int) -> bool:
    """Whether this process is still expected to take the run up."""
    return state.state in {"starting", "interrupted"} and state.pid == pid and not state.taken_up


def _named(state: RunState, child: subprocess.Popen[Any]) -> RunState:
    return replace(state, pid=child.pid, pid_started=processes.started_at(child.pid))
