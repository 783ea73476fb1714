"""Checkpoints on disk: which are whole, which is the newest, which may go. Imports no torch: the app asks too.

A checkpoint counts only once :data:`MARKER` has been written, as the last file, with the size and checksum of every other
file and what the run has to remember (best step, history). A folder cut off by a crash has no marker, or files that do
not match. Sizes are compared at each look, checksums only before a run goes on from a checkpoint.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

MARKER = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_BLOCK = 1 << 20
_WHOLE = 256 * _BLOCK
"""Of larger files only the first and last 32 MiB are summed: a look at them must not take minutes."""


def checkpoint_path(folder: Path, step: int) -> Path:
    return folder / f"checkpoint-{step}"


def mark_complete(checkpoint: Path, memory: dict[str, Any]) -> None:
    """Seal a checkpoint: everything in it is on disk, and ``memory`` (plain JSON) belongs to it."""
    paths = {
        path.relative_to(checkpoint).as_posix(): path
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != MARKER and not path.name.startswith(".")
    }
    for path in paths.values():
        _to_disk(path)
    files = {name: path.stat().st_size for name, path in paths.items()}
    sums = {name: _checksum(path) for name, path in paths.items()}
    temporary = checkpoint / f".{MARKER}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"step": step_of(checkpoint), "files": files, "sums": sums, "memory": memory}, file)
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
    """The newest whole and undamaged checkpoint, or None."""
    for path in reversed(_all(checkpoints_dir)):
        if read_memory(path) is not None and _undamaged(path):
            return path
    return None


def _undamaged(checkpoint: Path) -> bool:
    """Whether every file still holds what was sealed (a crash of the machine can leave zeros of the right length)."""
    try:
        sums = json.loads((checkpoint / MARKER).read_text(encoding="utf-8")).get("sums", {})
        return all(_checksum(checkpoint / name) == known for name, known in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _checksum(path: Path) -> int:
    size, total = path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total = zlib.crc32(block, total)
            if size > _WHOLE and file.tell() == 32 * _BLOCK:
                file.seek(size - 32 * _BLOCK)
    return total


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


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
