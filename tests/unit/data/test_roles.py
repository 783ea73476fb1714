"""The column that names the split: the one that was chosen, none, or the one the table has; words it must not hold."""

from __future__ import annotations

import pytest

from studio.core.errors import DataError
from studio.data.roles import chosen_columns, own_split, split_parts, used_twice, with_splits
from studio.data.types import Table

from .helpers import pair, table

WORDS = ["train", "dev", "Test", None]


def rows(**columns: list[object]) -> Table:
    count = len(next(iter(columns.values())))
    return table([{"question": f"q{i}", **{name: cells[i] for name, cells in columns.items()}} for i in range(count)])


def parts(source: Table, chosen: str | None) -> list[str | None]:
    return [e.get("split") for e in with_splits(source, chosen, [pair(i, "q", "a") for i in range(len(source))])]


def test_a_column_known_by_its_name_is_taken_over_unasked() -> None:
    source = rows(split=WORDS)
    assert own_split(source, None) == "split"
    assert parts(source, None) == ["train", "validation", "test", "train"]


def test_any_column_can_be_chosen() -> None:
    source = rows(which_part=WORDS, split=["test", "train", "train", "train"])
    assert own_split(rows(which_part=WORDS), None) is None
    assert parts(source, "which_part") == ["train", "validation", "test", "train"]


def test_the_table_s_own_column_can_be_left_aside() -> None:
    assert own_split(rows(split=WORDS), "") is None
    assert parts(rows(split=WORDS), "") == [None] * 4


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["train", "blind", "test", "x" * 900], r"says “blind” and “x+…”"),
        (["Hello", "World", "a", "b"], r"“Hello”, “World”, “a” and 1 more"),
        ([1, 2, 3, 4], "“1”"),
        ([["train"], ["a", "b"], [], None], "“a b”"),
        ([None, " ", "", None], "is empty"),
        (["test", "dev", "test", "test"], "no rows to learn from"),
    ],
)
def test_a_column_that_does_not_name_parts_is_refused(cells: list[object], told: str) -> None:
    with pytest.raises(DataError, match=told) as raised:
        split_parts(rows(part=cells), "part")
    assert "train, validation or test" in raised.value.what_to_do


def test_a_column_that_is_not_there_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match="“question” and “part”"):
        with_splits(rows(part=WORDS), "Part", [])


def test_a_column_cannot_be_two_things() -> None:
    source = rows(split=WORDS)
    with pytest.raises(DataError, match="two things at once"):
        chosen_columns(source, {"user": "question", "assistant": "question"})
    assert used_twice({"user": "a", "assistant": "b", "context": "a"}) == ["context"]
