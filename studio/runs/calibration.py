"""Measure a few training steps before anything starts, in a process of its own, so that the estimate is not a guess; and
keep what was measured, for the next time somebody asks.

    python -m studio.runs.calibration FOLDER

``FOLDER`` holds ``recipe.yaml`` (resolved, ``base.path`` set) and ``data/*.jsonl``; the result is one JSON line.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from studio.core import hardware
from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import read_splits, write_splits
from studio.training.types import Calibration

TIMEOUT_S = 300
_MARK = "CALIBRATION "


def measure(
    recipe: Recipe, base_path: Path, splits: Splits, cancelled: Callable[[], bool] = lambda: False
) -> Calibration:
    """
    Args:
        cancelled: Asked a few times a second; once true, the measurement is ended.

    Raises:
        RunError: the measurement failed; ``code`` is ``out_of_memory`` when it did not fit, ``cancelled`` when it was ended.
    """
    with tempfile.TemporaryDirectory(prefix="tailor-calibration-") as folder:
        run = RunFolder(Path(folder))
        resolved = recipe.model_copy(deep=True)
        resolved.base.path = str(base_path)
        resolved.save(run.recipe_path)
        write_splits(run, splits)
        process = subprocess.Popen(
            [sys.executable, "-m", "studio.runs.calibration", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        output = _wait(process, cancelled)
    line = next((line for line in reversed(output.splitlines()) if line.startswith(_MARK)), "")
    if not line:
        killed = process.returncode < 0 or process.returncode == 137
        raise RunError(
            "The speed could not be measured",
            "The measurement was ended by the system, probably for lack of memory."
            if killed
            else "The measurement stopped with an error.",
            "Choose a smaller base, or fewer rows at once.",
            code="out_of_memory" if killed else "",
        )
    answer = json.loads(line.removeprefix(_MARK))
    if "error" in answer:
        raise RunError(**answer["error"])
    return Calibration(**answer)


def kept(workspace: Workspace, recipe: Recipe) -> Calibration | None:
    """The measurement for this base, method, batch and data on this machine, if it has been made."""
    try:
        return Calibration(**json.loads(kept_path(workspace, recipe).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def keep(workspace: Workspace, recipe: Recipe, calibration: Calibration) -> None:
    path = kept_path(workspace, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(calibration)))


def kept_path(workspace: Workspace, recipe: Recipe) -> Path:
    """Named by everything that decides how fast the steps are."""
    training, machine = recipe.training, hardware.detect()
    decides = [
        recipe.task, recipe.task_options, recipe.base.id, recipe.base.revision, recipe.method.model_dump(), training.batch_size, training.max_length,
        training.precision, training.gradient_checkpointing, training.optimizer, recipe.data.fingerprint,
        machine.cpu_name, machine.cpu_cores, [gpu.name for gpu in machine.gpus],
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
    return workspace.cache_dir / "calibration" / f"{digest[:16]}.json"


def _wait(process: subprocess.Popen[str], cancelled: Callable[[], bool]) -> str:
    """What the process printed, once it has ended."""
    end = time.monotonic() + TIMEOUT_S
    try:
        while True:
            try:
                return process.communicate(timeout=0.2)[0]
            except subprocess.TimeoutExpired:
                if cancelled():
                    raise RunError("The measurement was ended", "It is no longer needed.", code="cancelled") from None
                if time.monotonic() > end:
                    raise RunError(
                        "The speed could not be measured",
                        "A few steps took more than five minutes.",
                        "Choose a smaller base or shorter rows.",
                    ) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def main(folder: str) -> None:
    from studio.core.errors import StudioError
    from studio.tasks import base as tasks
    from studio.training.calibrate import calibrate

    run = RunFolder(Path(folder))
    recipe = run.recipe()
    try:
        answer = asdict(
            calibrate(tasks.get(recipe.task).make_work, recipe, Path(recipe.base.path or ""), read_splits(run))
        )
    except StudioError as error:
        answer = {"error": error.as_dict()}
    print(_MARK + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
