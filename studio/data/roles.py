"""Columns with a role, of those a person or the detection has chosen: what they all have in common, and the one that names
the split, which is no task's own."""

from __future__ import annotations

from typing import Any

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.profile import split_column
from studio.data.text import cell_text, listed, quoted
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
    twice = used_twice(chosen)
    if twice:
        column = quoted(chosen[twice[0]])
        raise DataError(
            "One column is used twice",
            f"{column} cannot be two things at once.",
            "Choose another column for one of them.",
        )
    return chosen


def used_twice(roles: dict[str, Any]) -> list[str]:
    """Roles whose column another role before them has already."""
    columns = list(roles.values())
    return [role for place, (role, column) in enumerate(roles.items()) if column in columns[:place]]


def own_split(table: Table, chosen: str | None) -> str | None:
    """The column that names the split: the ``chosen`` one, none for empty text, the table's own when nobody chose."""
    return split_column(table) if chosen is None else chosen or None


def with_splits(table: Table, chosen: str | None, examples: list[Example]) -> list[Example]:
    """Take over the data's own split, if it has one (see :func:`own_split`).

    Raises:
        DataError: as for :func:`split_parts`.
    """
    column = own_split(table, chosen)
    if not column:
        return examples
    parts = split_parts(table, column)
    return [{**example, "split": parts[example["row"]]} for example in examples]


def split_parts(table: Table, column: str) -> list[str]:
    """The part each row of the table names; rows that name none are to learn from.

    Raises:
        DataError: there is no such column, or it does not name parts. A word that is not understood is no part: such a
            row would be learned from, whatever was meant.
    """
    if column not in table.columns:
        raise DataError(
            "A column is not there",
            f"The table has no column {quoted(column)}; it has {listed(table.columns, 8)}.",
            "Choose one of these.",
        )
    cells = [cell_text(value).strip() for value in table.data.column(column).to_pylist()]
    words = {cell: known_names.split_word(cell) for cell in dict.fromkeys(cells) if cell}
    strangers = [cell for cell, word in words.items() if word is None]
    what = ""
    if not words:
        what = f"The column {quoted(column)} is empty."
    elif strangers:
        what = f"The column {quoted(column)} says {listed(strangers, 3)}, which is no part of a split."
    elif all(cells) and "train" not in words.values():
        what = f"The column {quoted(column)} leaves no rows to learn from."
    if what:
        raise DataError(
            "This column does not name the split", what, "Choose one that says train, validation or test in every row."
        )
    return [words.get(cell) or "train" for cell in cells]
