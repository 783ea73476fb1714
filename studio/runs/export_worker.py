"""Make one export of a run and check it.

python -m studio.runs.export_worker RUN_DIR adapter|merged|bundle
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from studio.core.errors import ExportError, StudioError
from studio.core.limits import is_disk_full, is_out_of_memory
from studio.runs import processes
from studio.runs.exports import NONE, state_path
from studio.runs.folder import RunFolder
from studio.runs.json_files import write_json

EVERY_S = 0.3


def work(run: RunFolder, kind: str) -> bool:
    """Export, telling the state as it goes; whether it succeeded."""
    path = state_path(run, kind)
    state: dict[str, Any] = {
        **NONE, "state": "working", "message": "Loading.", "started": time.time(),
        "pid": os.getpid(), "pid_started": processes.started_at(os.getpid()),
    }  # fmt: skip
    write_json(path, state)
    told = 0.0

    def progress(share: float, message: str) -> None:
        nonlocal told
        state.update(progress=round(max(0.0, min(1.0, share)), 3), message=message)
        if time.monotonic() - told >= EVERY_S:
            told = time.monotonic()
            write_json(path, state)

    try:
        from studio.export.artefacts import export

        result = export(run.path, kind, progress)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 (told below; the traceback is in the log)
        traceback.print_exc()
        plain = _plain(error)
        write_json(path, {**state, "state": "failed", "message": str(plain), "error": plain.as_dict()})
        return False
    done = {
        "state": "ready", "progress": 1.0, "message": "", "path": str(result.path), "size": result.size,
        "sha256": result.sha256, "checked": result.checked, "parity": result.parity,
    }  # fmt: skip
    write_json(path, {**state, **done})
    return True


def _plain(error: Exception) -> StudioError:
    if isinstance(error, StudioError):
        return error
    if is_out_of_memory(error):
        return ExportError(
            "The memory was not enough to export",
            "The model could not be loaded and checked.",
            "Wait until the training run has ended, close the playground, and try again.",
            code="out_of_memory",
        )
    if is_disk_full(error):
        return ExportError("The disk is full", "The file could not be written.", "Make room and try again.", code="disk_full")  # fmt: skip
    return ExportError(
        "The export failed",
        "Something went wrong that the studio did not expect.",
        "Try again; the log in the run's exports folder has the details.",
        code="unexpected",
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m studio.runs.export_worker RUN_DIR KIND", file=sys.stderr)
        return 2
    processes.give_way_when_memory_ends()
    return 0 if work(RunFolder(Path(arguments[0]).resolve()), arguments[1]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
