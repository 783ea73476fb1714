"""Measure a few training steps before anything starts, in a process of its own, so that the estimate is not a guess.

    python -m studio.runs.calibration FOLDER

``FOLDER`` holds ``recipe.yaml`` (resolved, ``base.path`` set) and ``data/*.jsonl``; the result is one JSON line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import read_splits, write_splits
from studio.training.types import Calibration

TIMEOUT_S = 300
_MARK = "CALIBRATION "


def measure(recipe: Recipe, base_path: Path, splits: Splits) -> Calibration:
    """
    Raises:
        RunError: the measurement failed; ``code`` is ``out_of_memory`` when it did not fit.
    """
    with tempfile.TemporaryDirectory(prefix="tailor-calibration-") as folder:
        run = RunFolder(Path(folder))
        resolved = recipe.model_copy(deep=True)
        resolved.base.path = str(base_path)
        resolved.save(run.recipe_path)
        write_splits(run, splits)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "studio.runs.calibration", folder],
                capture_output=True, text=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RunError(
                "The speed could not be measured",
                "A few steps took more than five minutes.",
                "Choose a smaller base or shorter rows.",
            ) from None
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith(_MARK)), "")
    if not line:
        killed = done.returncode < 0 or done.returncode == 137
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


def main(folder: str) -> None:
    from studio.core.errors import StudioError
    from studio.training.calibrate import calibrate

    run = RunFolder(Path(folder))
    recipe = run.recipe()
    try:
        answer = asdict(calibrate(recipe, Path(recipe.base.path or ""), read_splits(run)))
    except StudioError as error:
        answer = {"error": error.as_dict()}
    print(_MARK + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
