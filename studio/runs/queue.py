"""Whose turn it is: one run at a time on this machine's device, the oldest first, across all servers and terminals.

What is queued and what is active stands in the run folders, so that a restarted server finds the queue as it was. The
step from "queued" to "starting" is taken under a lock file of the workspace: two servers never start two runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.state import ACTIVE, RunState

LOCK_TIMEOUT_S = 10.0


class Queue:
    """The runs of one workspace that wait or go on. Thread-safe."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._thread_lock = threading.RLock()
        self._file_lock = FileLock(workspace.root / ".queue.lock", thread_local=False)
        self._settled: dict[str, tuple[int, int, int]] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """The right to change the state of a run that has no worker.

        Raises:
            RunError: another process has held it for ten seconds.
        """
        with self._thread_lock:
            try:
                self._file_lock.acquire(timeout=LOCK_TIMEOUT_S)
            except Timeout:
                raise RunError(
                    "The workspace is busy",
                    "Another process has been changing its queue for a while.",
                    "Try again in a moment.",
                ) from None
            try:
                yield
            finally:
                self._file_lock.release()

    def active(self) -> list[tuple[RunFolder, RunState]]:
        """Runs that hold the device."""
        return [(run, state) for run, state in self._unsettled() if state.state in ACTIVE]

    def waiting(self) -> list[tuple[RunFolder, RunState]]:
        """Queued runs, the next one first."""
        return _in_turn(self._unsettled())

    def position(self, run: RunFolder) -> int | None:
        """How many runs go before this one; None when it is not queued."""
        # One listing for both counts: a run that is started between two would be counted as waiting and as active.
        unsettled = self._unsettled()
        ids = [other.id for other, _ in _in_turn(unsettled)]
        active = sum(state.state in ACTIVE for _, state in unsettled)
        return ids.index(run.id) + active if run.id in ids else None

    def _unsettled(self) -> list[tuple[RunFolder, RunState]]:
        """Runs that are neither drafts nor ended. Settled ones are read again only when their file has changed."""
        found = []
        for run in _folders(self._workspace):
            try:
                status = (run.path / "state.json").stat()
            except OSError:
                continue
            # The file is replaced at each write, so its inode tells writes apart that fall into one tick of the clock.
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if self._settled.get(run.id) == stamp:
                continue
            state = run.state()
            if state.state in ACTIVE or state.state == "queued":
                found.append((run, state))
                self._settled.pop(run.id, None)
            else:
                self._settled[run.id] = stamp
        return found


def _in_turn(runs: list[tuple[RunFolder, RunState]]) -> list[tuple[RunFolder, RunState]]:
    queued = [(run, state) for run, state in runs if state.state == "queued"]
    return sorted(queued, key=lambda pair: (pair[1].queued_at or 0, pair[0].id))


def _folders(workspace: Workspace) -> list[RunFolder]:
    """Every run folder, in no order, nothing read."""
    try:
        return [RunFolder(path) for path in workspace.runs_dir.iterdir() if path.is_dir() and path.name[0] != "."]
    except OSError:
        return []
