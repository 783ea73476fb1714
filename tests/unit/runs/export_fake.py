"""An export process that writes a small file; runnable in place of the real one. ``mode.txt`` in the run steers it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from studio.core.errors import ExportError

COMMAND = [sys.executable, str(Path(__file__).resolve())]


def export(run_dir, kind, progress):
    mode = (run_dir / "mode.txt").read_text() if (run_dir / "mode.txt").is_file() else ""
    progress(0.5, "Half way.")
    match mode:
        case "refuse":
            raise ExportError("It does not answer alike", "Two of three differ.", "Export again.")
        case "bug":
            raise ZeroDivisionError("secret")
        case "disk":
            raise OSError(28, "No space left on device")
        case "die":
            os.kill(os.getpid(), 9)
        case "slow":
            time.sleep(600)  # until the test ends it
    path = run_dir / "exports" / f"{kind}.zip"
    path.write_bytes(b"zip")
    return SimpleNamespace(path=path, size=3, sha256="ab", checked=True, parity={"same": 3})


if __name__ == "__main__":
    fake = ModuleType("studio.export.artefacts")
    fake.export = export
    sys.modules["studio.export.artefacts"] = fake
    from studio.runs import export_worker

    sys.exit(export_worker.main(sys.argv[1:]))
