"""A run is a folder (contract 3): recipe, state, events, log, checkpoints, model, report, feedback.

The folder is the truth. One writer per file: the app writes ``state.json`` until the worker is launched, the worker from
then on; only when the worker is gone may the app write again. Readers keep a byte offset and ignore a torn last line.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeGuard

import psutil
from filelock import FileLock, Timeout

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace

EVENT_VERSION = 1
EventKind = Literal["metric", "status", "sample", "note", "error"]
State = Literal["draft", "queued", "starting", "training", "evaluating", "finished", "stopped", "failed", "interrupted"]
ACTIVE: frozenset[str] = frozenset({"starting", "training", "evaluating"})
ENDED: frozenset[str] = frozenset({"finished", "stopped", "failed", "interrupted"})
STATES: frozenset[str] = ACTIVE | ENDED | {"draft", "queued"}
Request = Literal["pause", "stop"]
CHOICES = "choices.yaml"
"""The recipe as chosen, values left open; kept beside the resolved one so that a copy starts from the choices."""
LOCK_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class RunState:
    """What ``state.json`` holds.

    ``pid`` and ``pid_started`` (the process's start time, seconds since the epoch) name the worker beyond reuse of its
    number. ``message`` is a sentence for the person. ``best_step`` names the best checkpoint so far.
    """

    state: State = "draft"
    message: str = ""
    updated: float = 0.0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    pid_started: float | None = None
    step: int = 0
    total_steps: int = 0
    best_step: int | None = None
    queued_at: float | None = None
    step_of_journey: int = 0
    error: dict[str, str] = field(default_factory=dict)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_STATE_FIELDS: dict[str, Callable[[Any], bool]] = {
    "state": lambda value: isinstance(value, str),
    "message": lambda value: isinstance(value, str),
    "updated": _is_time,
    "created": _is_time,
    "started": _or_none(_is_time),
    "ended": _or_none(_is_time),
    "pid": _or_none(lambda value: _is_count(value) and 0 < value < 2**31),
    "pid_started": _or_none(_is_time),
    "step": _is_count,
    "total_steps": _is_count,
    "best_step": _or_none(_is_count),
    "queued_at": _or_none(_is_time),
    "step_of_journey": _is_count,
    "error": lambda value: isinstance(value, dict) and all(isinstance(v, str) for v in value.values()),
}
"""What each field of ``state.json`` must be like to be believed."""


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
                "There is no such run", f"“{run_id}” is not in this workspace.", "Choose one from the list on the left."
            )
        return cls(path)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def recipe_path(self) -> Path:
        return self.path / "recipe.yaml"

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
                raise RunError("This run is gone", f"“{self.id}” has been deleted.", "Choose another one on the left.")
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

    # -- recipe and report ------------------------------------------------------------------------------------------

    def recipe(self) -> Recipe:
        return Recipe.load(self.recipe_path)

    def recipe_paths(self) -> list[Path]:
        """The recipe, and beside it the one with the values nobody chose left open, where there is one."""
        return [path for path in (self.recipe_path, self.path / CHOICES) if path.is_file()]

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
        """``state.json``, or None when it tells no state. A single damaged value counts as not written: one broken run
        must not take the list of all runs with it."""
        values = read_json(self.path / "state.json")
        if values is None or not isinstance(values.get("state"), str) or values["state"] not in STATES:
            return None
        return RunState(**{k: v for k, v in values.items() if k in _STATE_FIELDS and _STATE_FIELDS[k](v)})

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
        return max(0.0, time.time() - asked) if _is_time(asked) else 0.0

    def clear_request(self) -> None:
        (self.path / "request.json").unlink(missing_ok=True)

    # -- events -------------------------------------------------------------------------------------------------------

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Events written since byte ``offset``, and the offset to ask from next time."""
        return read_events(self.events_path, offset)

    def delete(self) -> None:
        """
        Raises:
            RunError: the run is going on or waits for its turn.
        """
        with self.held():
            state = self.state().state
            if state in ACTIVE:
                raise RunError("This run is going on", f"“{self.id}” is being trained.", "Stop it first.")
            if state == "queued":
                raise RunError("This run is waiting", "It will start when the device is free.", "Stop it first.")
            # Gone at once for everybody else, also for one who is just writing into it.
            doomed = self.path.rename(self.path.with_name(f".deleted-{uuid.uuid4().hex[:12]}"))
        shutil.rmtree(doomed, ignore_errors=True)


class EventWriter:
    """Append events, one JSON object a line; goes on after the last sequence number when a run is resumed.

    A torn last line, left by a crash, is closed with a newline first, so that it costs one line at most.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        events, _ = read_events(path)
        self._seq = events[-1]["seq"] if events else 0
        torn = path.exists() and path.stat().st_size > 0 and not _ends_with_newline(path)
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def __call__(self, kind: EventKind, **fields: Any) -> None:
        self._seq += 1
        record = {"v": EVENT_VERSION, "seq": self._seq, "time": round(time.time(), 3), "kind": kind, **fields}
        self._file.write(json.dumps(_finite(record), ensure_ascii=False, default=str) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_events(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Whole lines after byte ``offset``; lines that are not events are skipped; a torn last line waits for its rest."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            chunk = file.read()
    except FileNotFoundError:
        return [], offset
    end = chunk.rfind(b"\n") + 1
    events = []
    for line in chunk[:end].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("seq"), int):
            events.append(event)
    return events, offset + end


def worker_alive(state: RunState) -> bool:
    """Whether the process that the state names is still that process."""
    if state.pid is None:
        # "starting" is written just before the worker gets its process number.
        return abs(time.time() - state.updated) < 30
    try:
        process = psutil.Process(state.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return state.pid_started is None or abs(process.create_time() - state.pid_started) < 2
    except psutil.Error:
        return False


def list_runs(workspace: Workspace) -> list[RunFolder]:
    """Every run of the workspace, the newest first."""
    try:
        paths = [p for p in workspace.runs_dir.iterdir() if p.name[0] != "." and (p / "state.json").is_file()]
    except OSError:
        return []
    return [RunFolder(p) for p in sorted(paths, key=_created, reverse=True)]


_locks: dict[Path, tuple[threading.RLock, FileLock]] = {}
_locks_guard = threading.Lock()


def _locks_of(path: Path) -> tuple[threading.RLock, FileLock]:
    """The locks of a run folder; its threads share them, whoever opened it."""
    with _locks_guard:
        if path not in _locks:
            _locks[path] = (threading.RLock(), FileLock(path / ".lock", thread_local=False))
        return _locks[path]


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    temporary.write_text(json.dumps(_finite(value), ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None when there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _created(path: Path) -> tuple[float, str]:
    created = (read_json(path / "state.json") or {}).get("created")
    return (float(created) if _is_time(created) else 0.0), path.name


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _finite(value: Any) -> Any:
    """NaN and infinities as None: they are not JSON, and a browser would refuse the whole line."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def iterate_active(workspace: Workspace) -> Iterator[RunFolder]:
    """Runs that hold a device just now."""
    for run in list_runs(workspace):
        if run.state().state in ACTIVE:
            yield run
