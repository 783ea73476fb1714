"""Checkpoints on disk: which are whole, which is the newest, which may go. Imports no torch: the app asks too.

A checkpoint counts only once :data:`MARKER` has been written, as the last file, with the size of every other file and
what the run has to remember (best step, history). A folder cut off by a crash has no marker, or files that do not match.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

MARKER = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoint_path(folder: Path, step: int) -> Path:
    return folder / f"checkpoint-{step}"


def mark_complete(checkpoint: Path, memory: dict[str, Any]) -> None:
    """Seal a checkpoint: everything in it is on disk, and ``memory`` (plain JSON) belongs to it."""
    files = {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != MARKER and not path.name.startswith(".")
    }
    temporary = checkpoint / f".{MARKER}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"step": step_of(checkpoint), "files": files, "memory": memory}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(checkpoint / MARKER)


def read_memory(checkpoint: Path) -> dict[str, Any] | None:
    """What the run remembered at this checkpoint, or None when the checkpoint is not whole."""
    try:
        marker = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        files, memory = marker["files"], marker["memory"]
        whole = bool(files) and all((checkpoint / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return memory if whole and isinstance(memory, dict) else None


def latest_checkpoint(checkpoints_dir: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    for path in reversed(_all(checkpoints_dir)):
        if read_memory(path) is not None:
            return path
    return None


def step_of(checkpoint: Path) -> int:
    match = _NAME.fullmatch(checkpoint.name)
    return int(match[1]) if match else -1


def prune(checkpoints_dir: Path, keep: int, best_step: int | None) -> None:
    """Delete all but the newest ``keep`` whole checkpoints and the best; what is not whole goes when a newer one is."""
    whole = [path for path in _all(checkpoints_dir) if read_memory(path) is not None]
    kept = {path.name for path in whole[-keep:]} | {f"checkpoint-{best_step}"}
    newest = step_of(whole[-1]) if whole else -1
    for path in _all(checkpoints_dir):
        if path.name not in kept and step_of(path) <= newest:
            shutil.rmtree(path, ignore_errors=True)


def forget_after(checkpoints_dir: Path, step: int) -> None:
    """Delete checkpoints beyond ``step`` (of a run that now goes on from there)."""
    for path in _all(checkpoints_dir):
        if step_of(path) > step:
            shutil.rmtree(path, ignore_errors=True)


def _all(checkpoints_dir: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    try:
        found = [path for path in checkpoints_dir.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=step_of)
