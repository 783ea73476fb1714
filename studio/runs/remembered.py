"""What a draft computes from its folder, remembered for the last few questions asked: the table as read, its rows as
examples, the split, token lengths. Each answer is keyed by all that decides it, so nothing ever has to be forgotten by
hand; few answers are kept, because tables can be large.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio.core.errors import DataError, RunError
from studio.core.recipe import AppliedFix, DataOptions, Recipe
from studio.data.clean import apply_fixes
from studio.data.split import split_examples
from studio.data.storage import open_table
from studio.data.types import Example, Splits, Table
from studio.tasks import base as tasks


def table(data_dir: Path) -> Table:
    """The table as it was read.

    Raises:
        RunError: it is gone.
    """
    return _table(str(data_dir), _stamp(data_dir))


def examples(data_dir: Path, recipe: Recipe, *, fixed: bool = True) -> list[Example]:
    """Rows as the task understands them, with or without the accepted fixes.

    Raises:
        RunError: the table is gone.
    """
    fixes = key([fix.model_dump() for fix in recipe.data.fixes] if fixed else [])
    return _examples(str(data_dir), _stamp(data_dir), recipe.task, key(recipe.data.roles), fixes)


def splits(data_dir: Path, recipe: Recipe) -> Splits:
    """
    Raises:
        DataError: no usable row is left.
        RunError: the table is gone.
    """
    data = recipe.data.model_dump_json(exclude={"sources", "fingerprint"})
    return _splits(str(data_dir), _stamp(data_dir), recipe.task, data)


def lengths(task: str, base_path: Path, rows: Sequence[Example]) -> tuple[int, ...]:
    """Tokens in each row, with the tokenizer of the base in ``base_path``."""
    return _lengths(task, str(base_path), _Rows(rows))


def key(value: Any) -> str:
    """``value`` as one string that is equal for equal values."""
    return json.dumps(value, sort_keys=True, default=str)


class _Rows(tuple[Example, ...]):
    """A list of examples as a cache key: equal only to the very same rows."""

    def __new__(cls, rows: Sequence[Example]) -> _Rows:
        return super().__new__(cls, rows)

    def __hash__(self) -> int:
        return hash((len(self), id(self[0]) if self else 0, id(self[-1]) if self else 0))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Rows)
            and len(self) == len(other)
            and all(a is b for a, b in zip(self, other, strict=True))
        )


def _stamp(data_dir: Path) -> int:
    """The table's time of change, part of every key."""
    path = data_dir / "table.parquet"
    try:
        return path.stat().st_mtime_ns
    except OSError:
        raise RunError(
            "The data of this run is gone",
            f"{path.name} is no longer in its folder.",
            "Start a new run and load the data again.",
        ) from None


@lru_cache(maxsize=2)
def _table(folder: str, stamp: int) -> Table:
    return open_table(Path(folder))


@lru_cache(maxsize=3)
def _examples(folder: str, stamp: int, task: str, roles: str, fixes: str) -> list[Example]:
    """``roles`` and ``fixes`` are JSON."""
    if fixes == "[]":
        return tasks.get(task).examples(_table(folder, stamp), json.loads(roles))
    applied = [AppliedFix(**fix) for fix in json.loads(fixes)]
    return apply_fixes(_examples(folder, stamp, task, roles, "[]"), applied)


@lru_cache(maxsize=2)
def _splits(folder: str, stamp: int, task_name: str, data_json: str) -> Splits:
    data = DataOptions.model_validate_json(data_json)
    task = tasks.get(task_name)
    fixes = key([fix.model_dump() for fix in data.fixes])
    rows = task.usable(_examples(folder, stamp, task_name, key(data.roles), fixes))
    if not rows:
        raise DataError(
            "There is nothing to learn from",
            f"No row has all that “{task.title}” needs.",
            "Go back to Data and choose the columns, or load another file.",
        )
    return split_examples(task.prepare(rows, data), data.split, task.stratum, task.group_key)


@lru_cache(maxsize=4)
def _lengths(task: str, folder: str, rows: _Rows) -> tuple[int, ...]:
    return tuple(tasks.get(task).lengths(rows, Path(folder)))
