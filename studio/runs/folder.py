"""A run is a folder (contract 3): recipe, state, events, log, checkpoints, model, report, feedback.

The folder is the truth. One writer per file: the app writes ``state.json`` until the worker is launched, the worker from
then on; only when the worker is gone may the app write again. Readers keep a byte offset and ignore a torn last line.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.events import read_events
from studio.runs.json_files import read_json, write_json
from studio.runs.state import ACTIVE, RunState, is_time, parse_state, worker_alive

Request = Literal["pause", "stop"]
LOCK_TIMEOUT_S = 20.0
TAKE_UP_TIMEOUT_S = 30.0
"""How long a worker waits for the one before it, which has told its end and is about to be gone, and for the launcher,
which is about to name it."""
PROBE_S = 0.2
"""How long a look whether a run has a worker may meet another such look, which holds the lock for a moment."""
DOOMED = ".deleted-"


class RunFolder:
    """Read and write one run's folder. Cheap to make; holds no state of its own but the path."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, workspace: Workspace, name: str) -> RunFolder:
        folder = cls(workspace.new_run_dir(name))
        folder.write_state(RunState(created=time.time()))
        return folder

    @classmethod
    def open(cls, workspace: Workspace, run_id: str) -> RunFolder:
        """
        Raises:
            RunError: there is no such run.
        """
        path = workspace.run_dir(run_id)
        if not path.is_dir():
            raise RunError(
                "There is no such run", f"“{run_id}” is not in this workspace.", "Choose one from the list of runs."
            )
        return cls(path)

    @property
    def id(self) -> str:
        return self.path.name

    def name(self) -> str:
        """What the person calls it; its id while it has no name. Only the ``name:`` line of the recipe is read."""
        try:
            with self.recipe_path.open(encoding="utf-8") as file:
                for line in list(file)[:3]:
                    if line.startswith("name:"):
                        raw = line.partition(":")[2].strip()
                        if raw.startswith('"'):
                            return str(json.loads(raw))
                        return raw[1:-1].replace("''", "'") if raw.startswith("'") else raw or self.id
        except (OSError, ValueError):
            pass
        return self.id

    @property
    def recipe_path(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def choices_path(self) -> Path:
        """The recipe as chosen, values left open; kept beside the resolved one so that a copy starts from the choices."""
        return self.path / "choices.yaml"

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def data_dir(self) -> Path:
        """``table.parquet`` (as read) and, once launched, ``train|validation|test.jsonl``."""
        return self.path / "data"

    @property
    def checkpoints_dir(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model_dir(self) -> Path:
        return self.path / "model"

    @property
    def report_path(self) -> Path:
        return self.path / "report.json"

    @property
    def feedback_path(self) -> Path:
        return self.path / "feedback.jsonl"

    @property
    def conversation_path(self) -> Path:
        """What both models were asked on the Compare step, and what they said."""
        return self.path / "conversation.json"

    @property
    def exports_dir(self) -> Path:
        return self.path / "exports"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The right to read, change and write what the app writes (recipe, state): one browser, one terminal at a time.
        Who holds it may ask for it again.

        Raises:
            RunError: the run is gone, or another process has held it for long.
        """
        thread_lock, file_lock = _locks_of(self.path)
        with thread_lock:
            if not self.path.is_dir():
                raise RunError("This run is gone", f"“{self.id}” has been deleted.", "Choose another one.")
            try:
                file_lock.acquire(timeout=LOCK_TIMEOUT_S)
            except Timeout:
                raise RunError(
                    "This run is busy", "Another process has been changing it for a while.", "Try again in a moment."
                ) from None
            except OSError as error:
                raise RunError(
                    "This run's folder cannot be written",
                    f"{self.path}: {error.strerror or error}.",
                    "Free some disk space, or mend the folder's permissions.",
                ) from None
            try:
                yield
            finally:
                file_lock.release()

    @contextmanager
    def taken_up(self) -> Iterator[None]:
        """The right to write what the worker writes (events, checkpoints, model, state): one worker at a time, as long as
        it lives; before it, the launcher that starts it.

        Raises:
            RunError: another worker has this run.
        """
        lock = self._worker_lock()
        try:
            lock.acquire(timeout=TAKE_UP_TIMEOUT_S)
        except Timeout:
            raise RunError(
                "This run is going on already",
                f"Another process is training “{self.id}”.",
                "Wait until it has ended, or stop it first.",
            ) from None
        except (OSError, NotImplementedError):
            pass  # this disk cannot lock, or is full: what follows says so where it matters
        try:
            yield
        finally:
            lock.release()

    def has_worker(self) -> bool:
        """Whether some process trains this run, whatever the state says; not for the worker itself."""
        lock = self._worker_lock()
        try:
            if Path(lock.lock_file).is_file():
                lock.acquire(timeout=PROBE_S, poll_interval=PROBE_S / 10)
                lock.release()
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        return False

    def _worker_lock(self) -> FileLock:
        return FileLock(self.path / ".worker.lock")

    # -- recipe and report ------------------------------------------------------------------------------------------

    def recipe(self) -> Recipe:
        return Recipe.load(self.recipe_path)

    def recipe_paths(self) -> list[Path]:
        """The recipe, and beside it the one with the values nobody chose left open, where there is one."""
        return [path for path in (self.recipe_path, self.choices_path) if path.is_file()]

    def report(self) -> dict[str, Any] | None:
        """The report card, or None when there is none yet or it cannot be read."""
        return read_json(self.report_path)

    def write_report(self, report: dict[str, Any]) -> None:
        write_json(self.report_path, report)

    # -- state ------------------------------------------------------------------------------------------------------

    def state(self) -> RunState:
        """The state as written, with one truth added: an active run whose worker is gone is ``interrupted``."""
        state = self._written_state()
        if state is None:
            return RunState(state="interrupted", message="The state of this run cannot be read.")
        if state.state in ACTIVE and not worker_alive(state):
            # Read once more: the worker may have ended well between our two looks.
            again = self._written_state() or state
            if again.state in ACTIVE:
                return replace(
                    state, state="interrupted", message="The run was cut off. Resume goes on from the last checkpoint."
                )
            return again
        return state

    def _written_state(self) -> RunState | None:
        return parse_state(read_json(self.path / "state.json"))

    def write_state(self, state: RunState) -> None:
        write_json(self.path / "state.json", asdict(replace(state, updated=time.time())))

    def change_state(self, **changes: Any) -> RunState:
        """Read, change and write the state; only for the file's one writer of the moment."""
        state = replace(self._written_state() or RunState(), **changes)
        self.write_state(state)
        return state

    # -- what the person asked for meanwhile --------------------------------------------------------------------------

    def request(self, what: Request) -> None:
        """Ask the worker to pause (keep a checkpoint, end) or to stop (keep the best, write the report)."""
        write_json(self.path / "request.json", {"request": what, "time": time.time()})

    def requested(self) -> str:
        return str((read_json(self.path / "request.json") or {}).get("request", ""))

    def unheard_request(self) -> str:
        """The request, until the worker has noticed it."""
        values = read_json(self.path / "request.json") or {}
        return "" if values.get("noticed") else str(values.get("request", ""))

    def notice_request(self) -> None:
        """The worker has heard; nobody needs to insist."""
        values = read_json(self.path / "request.json")
        if values:
            write_json(self.path / "request.json", {**values, "noticed": time.time()})

    def unheard_for_s(self) -> float:
        """Seconds that a request has been waiting to be noticed; 0 when there is none."""
        values = read_json(self.path / "request.json") or {}
        if not values or values.get("noticed"):
            return 0.0
        asked = values.get("time")
        return max(0.0, time.time() - asked) if is_time(asked) else 0.0

    def clear_request(self) -> None:
        (self.path / "request.json").unlink(missing_ok=True)

    # -- events -------------------------------------------------------------------------------------------------------

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Events written since byte ``offset``, and the offset to ask from next time."""
        return read_events(self.events_path, offset)

    def delete(self, before: Callable[[], None] = lambda: None) -> None:
        """
        Args:
            before: Called when it is certain that the run may go, while it is held.

        Raises:
            RunError: the run is going on or waits for its turn.
        """
        with self.held():
            state = self.state().state
            if state in ACTIVE or (state == "interrupted" and self.has_worker()):
                raise RunError("This run is going on", f"“{self.id}” is being trained.", "Stop it first.")
            if state == "queued":
                raise RunError("This run is waiting", "It will start when the device is free.", "Stop it first.")
            before()
            # Gone at once for everybody else, also for one who is just writing into it.
            if sys.platform != "win32":
                doomed = self._set_aside()
        if sys.platform == "win32":  # there a folder is not renamed while a file in it is open, as our lock was
            doomed = self._set_aside()
        shutil.rmtree(doomed, ignore_errors=True)

    def _set_aside(self) -> Path:
        try:
            return self.path.rename(self.path.with_name(f"{DOOMED}{uuid.uuid4().hex[:12]}"))
        except OSError as error:
            raise RunError(
                "This run cannot be deleted",
                f"{self.path}: {error.strerror or error}.",
                "Close what uses it, and try again.",
            ) from None


def sweep_deleted(workspace: Workspace) -> None:
    """Take away for good what was being deleted when a process was killed."""
    for path in workspace.runs_dir.glob(f"{DOOMED}*"):
        shutil.rmtree(path, ignore_errors=True)


def list_runs(workspace: Workspace) -> list[RunFolder]:
    """Every run of the workspace, the newest first."""
    try:
        paths = [p for p in workspace.runs_dir.iterdir() if p.name[0] != "." and (p / "state.json").is_file()]
    except OSError:
        return []
    return [RunFolder(p) for p in sorted(paths, key=_created, reverse=True)]


def iterate_active(workspace: Workspace) -> Iterator[RunFolder]:
    """Runs that hold a device just now."""
    for run in list_runs(workspace):
        if run.state().state in ACTIVE:
            yield run


_locks: dict[Path, tuple[threading.RLock, FileLock]] = {}
_locks_guard = threading.Lock()


def _locks_of(path: Path) -> tuple[threading.RLock, FileLock]:
    """The locks of a run folder; its threads share them, whoever opened it."""
    with _locks_guard:
        if path not in _locks:
            _locks[path] = (threading.RLock(), FileLock(path / ".lock", thread_local=False))
        return _locks[path]


def _created(path: Path) -> tuple[float, str]:
    created = (read_json(path / "state.json") or {}).get("created")
    return (float(created) if is_time(created) else 0.0), path.name
