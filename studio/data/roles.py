"""Roles of columns: what chat and labels both do with the columns a person, or the detection, has chosen."""

from __future__ import annotations

from typing import Any

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.profile import split_column
from studio.data.text import cell_text, listed
from studio.data.types import Example, Table


def chosen_columns(table: Table, roles: dict[str, Any]) -> dict[str, str]:
    """Role → column, where a role has one.

    Raises:
        DataError: a role names a column that is not there.
    """
    chosen = {role: column for role, column in roles.items() if column}
    columns = set(table.columns)
    strangers = [str(c) for c in chosen.values() if not isinstance(c, str) or c not in columns]
    if strangers:
        raise DataError(
            "A column is not there",
            f"The table has no column {listed(strangers)}; it has {listed(table.columns, 8)}.",
            "Choose one of these.",
        )
    return chosen


def with_splits(table: Table, roles: dict[str, Any], examples: list[Example]) -> list[Example]:
    """Take over the data's own split, if it has one; rows that name none are to learn from."""
    column = roles.get("split") or split_column(table)
    if not column:
        return examples
    words: Any = [known_names.split_word(cell_text(v)) or "train" for v in table.data.column(column).to_pylist()]
    return [{**example, "split": words[example["row"]]} for example in examples]
