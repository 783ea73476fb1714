"""The first row of a sheet is names or data: found out, or said."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from studio.core.errors import DataError
from studio.data.first_row import known, taken_as
from studio.data.load import load_files
from studio.data.storage import open_table, save_table
from studio.data.types import Table

ROWS = [["name", "", "n", "n"], ["red", "b", "1", "2.5"], ["blue", "d", "3", "4.5"]]


@pytest.fixture(params=["rows.csv", "rows.tsv", "rows.xlsx"])
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    if path.suffix == ".xlsx":
        workbook = openpyxl.Workbook()
        for row in ROWS:
            workbook.active.append(row)
        workbook.save(path)
    else:
        path.write_text("".join(("," if path.suffix == ".csv" else "\t").join(row) + "\n" for row in ROWS))
    return path


def same(one: Table, other: Table) -> None:
    assert one.data.combine_chunks().equals(other.data.combine_chunks())
    assert one.files == other.files
    assert sorted(one.notes) == sorted(other.notes)


def test_taken_otherwise_it_is_as_if_read_so(sheet: Path, tmp_path: Path) -> None:
    names, data = (load_files([sheet], first_row=way) for way in ("names", "data"))  # type: ignore[arg-type]
    assert (known(names), known(data)) == ("names", "data")
    assert names.columns == ["name", "column_2", "n", "n_2"]
    assert len(data) == len(names) + 1
    assert data.columns[0] == "column_1"
    save_table(names, tmp_path / "kept")
    back = taken_as(open_table(tmp_path / "kept"), "data")
    assert back.data.combine_chunks().equals(data.data.combine_chunks())
    assert back.files == data.files
    same(taken_as(data, "names"), names)
    assert taken_as(names, "names") is names


def test_where_it_is_no_question(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    table = load_files([tmp_path / "rows.jsonl"])
    assert known(table) is None
    with pytest.raises(DataError, match="CSV, TSV or Excel"):
        taken_as(table, "names")


def test_some_row_must_be_left(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("Where is it?,Here.\n")
    with pytest.raises(DataError, match="nothing"):
        taken_as(load_files([tmp_path / "rows.csv"], first_row="data"), "names")
