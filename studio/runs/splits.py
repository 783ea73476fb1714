"""The three parts of the data in a run's folder: ``data/train|validation|test.jsonl``, one example a line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from studio.core.errors import RunError
from studio.core.recipe import SPLIT_NAMES
from studio.data.types import Example, Splits
from studio.runs.folder import RunFolder

_NOTES = "splits.json"


def write_splits(run: RunFolder, splits: Splits) -> None:
    """Replace the three files, each atomically."""
    run.data_dir.mkdir(parents=True, exist_ok=True)
    for name in SPLIT_NAMES:
        lines = (json.dumps(example, ensure_ascii=False) + "\n" for example in getattr(splits, name))
        _replace(run.data_dir / f"{name}.jsonl", "".join(lines))
    _replace(run.data_dir / _NOTES, json.dumps({"notes": list(splits.notes)}, ensure_ascii=False))


def read_splits(run: RunFolder) -> Splits:
    """
    Raises:
        RunError: a file is missing or damaged.
    """
    parts = {name: _read(run.data_dir / f"{name}.jsonl") for name in SPLIT_NAMES}
    try:
        notes = tuple(json.loads((run.data_dir / _NOTES).read_text(encoding="utf-8"))["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        notes = ()
    return Splits(**parts, notes=notes)


def has_splits(run: RunFolder) -> bool:
    """Whether the run's data has been divided, that is, whether it can be started."""
    return all((run.data_dir / f"{name}.jsonl").is_file() for name in SPLIT_NAMES)


def forget_splits(run: RunFolder) -> None:
    """The choices have changed: the run has to be prepared again before it can be started."""
    for name in SPLIT_NAMES:
        (run.data_dir / f"{name}.jsonl").unlink(missing_ok=True)


def _read(path: Path) -> list[Example]:
    # Not splitlines: a row may hold U+2028, which JSON leaves as it is and which is no end of a line here.
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        examples = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError):
        examples = None
    if examples is None or not all(isinstance(example, dict) for example in examples):
        raise RunError(
            "The data of this run cannot be read",
            f"{path.name} is missing from its folder, or damaged.",
            "Start a new run and load the data again.",
        )
    return examples


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    temporary.replace(path)
