"""The table of rows: cells, columns, pager."""

import re

import pytest

from studio.data.types import FileInfo
from studio.ui.views import data


def tags_of(markup: str) -> set[str]:
    return set(re.findall(r"<([a-zA-Z0-9]+)", markup))


def page(rows: list[dict[str, object]], **options: object) -> str:
    columns = list(rows[0]) if rows else ["a"]
    defaults = {"start": 0, "total": len(rows), "used_as": {}}
    return data.table_page(columns, rows, **{**defaults, **options})  # type: ignore[arg-type]


def test_cells_and_column_names_are_escaped(nasty: str) -> None:
    markup = page([{nasty: nasty, "b": [{"role": nasty, "content": nasty}]}])
    assert tags_of(markup) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "span", "button", "small"}


def test_huge_cells_are_cut() -> None:
    assert len(page([{"a": "x" * 1_000_000, "b": ["y" * 1000] * 1000}])) < 5_000


def test_conversations_are_shown_one_line_a_turn() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert data.cell(turns) == "user: Hi\nassistant: Hello"
    assert data.cell([{"from": "human", "value": "Hi"}]) == "human: Hi"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (1.5, "1.5"), (True, "True"), (b"ab", "2 bytes"), ({"a": 1}, '{"a": 1}')]
)
def test_other_values(value: object, shown: str) -> None:
    assert data.cell(value) == shown


def test_used_columns_come_first_with_their_role() -> None:
    markup = page([{"z": 1, "q": 2}], used_as={"q": "What the person says"})
    assert markup.index(">q<") < markup.index(">z<")
    assert "What the person says" in markup


def test_many_columns_are_cut_and_it_says_so() -> None:
    assert "16 more columns not shown" in page([{f"c{i}": i for i in range(40)}])


def test_the_pager_leads_within_the_table() -> None:
    markup = data.pager("", 20, 25, 10, "rows")
    assert re.findall(r'data-start="(\d+)"', markup) == ["0", "10", "20", "20"]
    assert markup.count(" disabled") == 2


def test_no_rows() -> None:
    assert "No rows" in page([])


def test_what_was_understood_names_files_and_notes() -> None:
    markup = data.understood("840 rows.", [FileInfo("<b>.csv", "csv", 840, encoding="cp1252")], ["3 rows <i>"], True)
    assert "&lt;b&gt;.csv (840 rows, CSV, cp1252)" in markup
    assert "3 rows &lt;i&gt;" in markup


def test_a_file_is_said_to_be_a_part_only_beside_another_part() -> None:
    test, train = FileInfo("test.csv", "csv", 30, split="test"), FileInfo("train.csv", "csv", 90, split="train")
    assert "used as" not in data.understood("30 rows.", [test], [], True)
    both = data.understood("120 rows.", [train, test], [], True)
    assert "used as train" in both
    assert "used as test" in both
