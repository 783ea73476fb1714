"""The launcher's side of the training workers: start one for a run, insist where one does not listen, and tell what
happened to one that could not tell it itself.
"""

from __future__ import annotations

import signal
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
from studio.runs.state import RunState

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
        # The worker names itself in the state when it takes the run up; until then nobody is named, so that a spare that
        # dies on the way leaves a run that is still starting, and reap gives it to a fresh worker.
        starting = replace(state, state="starting", message="Starting.", pid=None, pid_started=None)
        run.write_state(starting)
        spare = self.spare.take()
        if spare is not None and self.spare.hand_over(spare, run.path):
            self.running[run.id] = spare
            self._with_spare.add(run.id)
        else:
            self._start_fresh(run)
        return starting

    def reap(self) -> None:
        """Collect workers of ours that have ended; tell what happened to those that could not tell it themselves."""
        for run_id, child in list(self.running.items()):
            code = child.poll()
            if code is None:
                continue
            del self.running[run_id]
            self._told_to_end.pop(run_id, None)
            was_spare = run_id in self._with_spare
            self._with_spare.discard(run_id)
            run = RunFolder(self.workspace.runs_dir / run_id)
            if not run.path.is_dir() or run.state().state != "interrupted":
                self._note_silent_start(run, code, was_spare)
                continue
            self._note_silent_end(run, code)

    def insist(self, run: RunFolder, state: RunState) -> None:
        """A request that was not noticed in time: SIGTERM, and SIGKILL when that is not heard either; only ever to the
        very process that the state names."""
        if run.unheard_for_s() <= self._grace_s:
            return
        told = self._told_to_end.get(run.id)
        if told is None:
            if processes.end(state.pid, state.pid_started):
                self._told_to_end[run.id] = time.monotonic()
        elif time.monotonic() - told > self._kill_after_s:
            processes.end(state.pid, state.pid_started, kill=True)

    def _start_fresh(self, run: RunFolder) -> None:
        try:
            with run.log_path.open("ab") as log:
                self.running[run.id] = processes.start([*self._command, str(run.path)], stdout=log, stderr=log)
        except OSError as error:
            self._failed_to_start(run, f"The system refused to start a process ({error.strerror or error}).")

    def _note_silent_start(self, run: RunFolder, code: int, was_spare: bool) -> None:
        """A worker that died before it wrote a word leaves ``starting`` without a process number. A spare may have died
        while it waited, so a fresh worker gets the run; a fresh one would only die again.
        """
        with suppress(RunError), self.queue.held():
            state = run.state() if run.path.is_dir() else None
            if state is None or state.state != "starting" or state.pid is not None:
                return
            if was_spare:
                self._start_fresh(run)
            else:
                self._failed_to_start(run, f"Its process ended at once (exit code {code}).")

    def _note_silent_end(self, run: RunFolder, code: int) -> None:
        with suppress(RunError), self.queue.held():
            state = run.state()
            if state.state != "interrupted":
                return
            if code == -signal.SIGKILL and not run.requested():
                message = "The system ended the run, most often because memory ran out. Resume goes on from the last checkpoint."
                error = {"title": "The run was cut off", "what_happened": message, "what_to_do": "Resume it, or try again with a smaller batch.", "code": "killed"}  # fmt: skip
                run.write_state(replace(state, message=message, ended=time.time(), error=error))
            else:
                run.write_state(replace(state, ended=time.time()))

    def _failed_to_start(self, run: RunFolder, what_happened: str) -> None:
        error = RunError("The run could not be started", what_happened, "Look into log.txt in its folder, then resume.", code="not_started")  # fmt: skip
        writer = EventWriter(run.events_path)
        writer("error", **error.as_dict())
        writer.close()
        run.change_state(state="failed", message=str(error), ended=time.time(), error=error.as_dict(), pid=None)
