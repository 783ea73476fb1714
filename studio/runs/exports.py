"""Write a tuned model as one file, in a process of its own; the app only starts it and reads how far it is.

``exports/<kind>.json`` holds the state; the export process is its one writer from the moment it has written its
process number into it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, get_args

from studio.core.errors import ExportError, RunError
from studio.runs import processes
from studio.runs.folder import RunFolder
from studio.runs.json_files import read_json, write_json
from studio.runs.state import ACTIVE
from studio.tasks import base as tasks
from studio.tasks.base import ExportKind

STARTING_S = 60.0
"""How long a process may take to write its number."""
ENDING_S = 5.0
WORKER = processes.module("studio.runs.export_worker")
NONE: dict[str, Any] = {
    "state": "none", "progress": 0.0, "message": "", "path": "", "size": 0, "sha256": "", "checked": False, "parity": {},
    "error": {},
}  # fmt: skip


def start_export(run: RunFolder, kind: ExportKind | str, command: list[str] | None = None) -> None:
    """Begin; does nothing when the same export is being made already.

    Args:
        command: What starts the export process; the run's folder and the kind are added.

    Raises:
        ExportError: the kind is not offered for this run.
        RunError: there is no tuned model yet.
    """
    with run.held():
        _check(run, kind)
        if export_state(run, kind)["state"] == "working":
            return
        state = {**NONE, "state": "working", "message": "Starting.", "started": time.time()}
        write_json(state_path(run, kind), state)
        try:
            with log_path(run, kind).open("wb") as log:
                process = processes.start([*(command or WORKER), str(run.path), str(kind)], stdout=log, stderr=log)
        except OSError as error:
            what = f"The system refused to start a process ({error.strerror or error})."
            failed = ExportError("The export could not be started", what, "Try again.")
            write_json(state_path(run, kind), {**NONE, "state": "failed", "message": what, "error": failed.as_dict()})
            raise failed from None
        _children[:] = [(path, child) for path, child in _children if child.poll() is None]
        _children.append((state_path(run, kind), process))


def delete_run(run: RunFolder) -> None:
    """Delete a run with its model and files; an export that is being made of it ends first.

    Raises:
        RunError: the run is going on or waits for its turn, or an export of it does not end.
    """
    run.delete(before=lambda: _end_exports(run))


def export_state(run: RunFolder, kind: ExportKind | str) -> dict[str, Any]:
    """``state`` ("none", "working", "ready" or "failed"), ``progress`` (0 to 1), ``message``, ``path``, ``size`` (bytes),
    ``sha256``, ``checked`` (it answered as the app does), ``parity``, ``error`` (as :meth:`StudioError.as_dict`).

    An export that was cut off has failed; one whose file is gone, or whose model has changed since, is "none".
    """
    for _, child in _children:
        child.poll()
    values = read_json(state_path(run, kind))
    if values is None:
        return dict(NONE)
    state = {**NONE, **values}
    if state["state"] == "working" and not _going(state):
        # It may have ended well between our two looks.
        state = {**NONE, **(read_json(state_path(run, kind)) or values)}
        if state["state"] == "working":
            error = ExportError(
                "The export was cut off",
                "Its process ended before the file was done.",
                f"Start it again; {log_path(run, kind).name} in the run's exports folder may tell why.",
            )
            return {**state, "state": "failed", "message": str(error), "error": error.as_dict()}
    if state["state"] == "ready":
        # The folder may have been moved, or come from elsewhere: only a file of its own is ever offered.
        state["path"] = str(run.exports_dir / Path(str(state["path"])).name)
        if not _fresh(run, state):
            return dict(NONE)
    return state


def state_path(run: RunFolder, kind: str) -> Path:
    run.exports_dir.mkdir(parents=True, exist_ok=True)
    return run.exports_dir / f"{kind}.json"


def log_path(run: RunFolder, kind: str) -> Path:
    return run.exports_dir / f"{kind}.log"


_children: list[tuple[Path, Any]] = []
"""Export processes of ours and their state files; asked now and then so that ended ones leave the process table."""


def _end_exports(run: RunFolder) -> None:
    """
    Raises:
        RunError: one does not end.
    """
    for path in run.exports_dir.glob("*.json"):
        ours = [child for of, child in _children if of == path]
        for child in ours:
            child.kill()  # it may not have written its number yet
            child.wait()
        until = time.monotonic() + ENDING_S
        while (values := read_json(path) or {}).get("state") == "working" and _going(values):
            if values.get("pid") is None and ours:
                break
            processes.end(values.get("pid"), values.get("pid_started"), kill=True)
            if time.monotonic() > until:
                raise RunError("An export of this run is going on", "It does not end.", "Wait until it has ended.")
            time.sleep(0.05)


def _check(run: RunFolder, kind: str) -> None:
    recipe = run.recipe()
    offered = tasks.get(recipe.task).exports
    if kind not in get_args(ExportKind) or kind not in offered:
        raise ExportError(
            "This export is not offered", f"“{kind}” cannot be made from this run.", f"Choose {', '.join(offered)}."
        )
    if kind == "adapter" and not (run.model_dir / "adapter_config.json").is_file() and _has_model(run):
        raise ExportError(
            "This run has no adapter", "It changed the weights of the base themselves.", "Choose “merged” or “bundle”."
        )
    if run.state().state in ACTIVE:
        raise RunError("This run is going on", f"“{run.id}” is being trained.", "Wait until it has ended.")
    if not _has_model(run):
        raise RunError("There is no tuned model yet", f"“{run.id}” has not been trained to the end.", "Train it first.")


def _has_model(run: RunFolder) -> bool:
    return any(run.model_dir.glob("*.safetensors"))


def _going(state: dict[str, Any]) -> bool:
    if state.get("pid") is None:
        return time.time() - float(state.get("started") or 0) < STARTING_S
    return processes.alive(state["pid"], state.get("pid_started"))


def _fresh(run: RunFolder, state: dict[str, Any]) -> bool:
    path = Path(state["path"])
    newest = max((p.stat().st_mtime for p in run.model_dir.glob("*.safetensors")), default=0.0)
    own = path.suffix == ".zip" and path.is_file() and not path.is_symlink()
    return own and newest <= float(state.get("started") or 0)
