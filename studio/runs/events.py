"""The event log of a run: one JSON object a line, appended by the worker, read from a byte offset by everybody else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from studio.runs.json_files import finite

EVENT_VERSION = 1
EventKind = Literal["metric", "status", "sample", "note", "error"]


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
        self._file.write(json.dumps(finite(record), ensure_ascii=False, default=str) + "\n")
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


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
