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
from studio.data.roles import with_splits
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
    return _examples(str(data_dir), _stamp(data_dir), recipe.task, *_read_as(recipe.data, fixed=fixed))


def prepared(data_dir: Path, recipe: Recipe) -> list[Example]:
    """One for each of :func:`examples`, with what the recipe adds to it: what the model gets to read.

    Raises:
        RunError: the table is gone.
    """
    return _prepared(str(data_dir), _stamp(data_dir), recipe.task, _data_key(recipe))


def splits(data_dir: Path, recipe: Recipe) -> Splits:
    """
    Raises:
        DataError: no usable row is left.
        RunError: the table is gone.
    """
    return _splits(str(data_dir), _stamp(data_dir), recipe.task, _data_key(recipe))


def lengths(task: str, base_path: Path, rows: Sequence[Example]) -> tuple[int, ...]:
    """Tokens in each row, with the tokenizer of the base in ``base_path``."""
    return _lengths(task, str(base_path), _Rows(rows))


def training_lengths(data_dir: Path, recipe: Recipe, base_path: Path) -> tuple[int, ...]:
    """Tokens in each training row. They are counted once, with all the others, as the screens ask for both.

    Raises:
        DataError: no usable row is left.
        RunError: the table is gone.
    """
    train, every = splits(data_dir, recipe).train, prepared(data_dir, recipe)
    counted = {id(row): length for row, length in zip(every, lengths(recipe.task, base_path, every), strict=True)}
    if all(id(row) in counted for row in train):
        return tuple(counted[id(row)] for row in train)
    return lengths(recipe.task, base_path, train)


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


def _data_key(recipe: Recipe) -> str:
    """All that decides the rows beside the table and the task, as JSON."""
    return recipe.data.model_dump_json(exclude={"sources", "fingerprint"})


def _read_as(data: DataOptions, *, fixed: bool = True) -> tuple[str, str | None, str]:
    """Roles as JSON, the split column, fixes as JSON: how a table becomes examples."""
    return key(data.roles), data.split.column, key([fix.model_dump() for fix in data.fixes] if fixed else [])


@lru_cache(maxsize=2)
def _table(folder: str, stamp: int) -> Table:
    return open_table(Path(folder))


@lru_cache(maxsize=3)
def _examples(folder: str, stamp: int, task: str, roles: str, column: str | None, fixes: str) -> list[Example]:
    """``roles`` and ``fixes`` are JSON."""
    if fixes == "[]":
        rows = _table(folder, stamp)
        return with_splits(rows, column, tasks.get(task).examples(rows, json.loads(roles)))
    applied = [AppliedFix(**fix) for fix in json.loads(fixes)]
    return apply_fixes(_examples(folder, stamp, task, roles, column, "[]"), applied)


@lru_cache(maxsize=2)
def _prepared(folder: str, stamp: int, task: str, data_json: str) -> list[Example]:
    data = DataOptions.model_validate_json(data_json)
    return tasks.get(task).prepare(_examples(folder, stamp, task, *_read_as(data)), data)


@lru_cache(maxsize=2)
def _splits(folder: str, stamp: int, task_name: str, data_json: str) -> Splits:
    data = DataOptions.model_validate_json(data_json)
    task = tasks.get(task_name)
    rows = task.usable(_prepared(folder, stamp, task_name, data_json))
    if not rows:
        raise DataError(
            "There is nothing to learn from",
            f"No row has all that “{task.title}” needs.",
            "Go back to Data and choose the columns, or load another file.",
        )
    return split_examples(rows, data.split, task.stratum, task.group_key)


@lru_cache(maxsize=4)
def _lengths(task: str, folder: str, rows: _Rows) -> tuple[int, ...]:
    return tuple(tasks.get(task).lengths(rows, Path(folder)))
