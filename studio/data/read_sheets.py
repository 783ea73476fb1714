"""XLSX and Parquet. Formulas count by the value they had when the file was saved; nothing is computed here."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from studio.core.errors import DataError
from studio.data.columns import MAX_COLUMNS, clean_headers, from_rows, numbers, plain
from studio.data.first_row import NO_NAMES, FirstRow
from studio.data.read_text import Parsed, has_header
from studio.data.text import cell_text, listed, plural, quoted

MAX_MEMBER = 200 * 1024 * 1024
_CHUNK = 20_000
_UNANSWERED = re.compile(rb"<c\b([^>]*)>\s*<f(?:\s[^>]*)?(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
"""A formula and no value; a text (``t="str"``) may rightly be empty."""
_ESCAPED = re.compile(r"_x000[dD]_\n?")


def read_parquet(path: Path, name: str) -> Parsed:
    """
    Raises:
        DataError: the file is broken, encrypted or holds no rows.
    """
    notes: list[str] = []
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            "This Parquet file cannot be read",
            f"{quoted(name)} is broken or not whole ({str(error).splitlines()[0][:120]}).",
            "Download or write it again.",
        ) from None
    return Parsed(plain(table, notes), "Parquet", notes=notes)


def is_workbook(path: Path) -> bool:
    """Whether a zip archive is a spreadsheet; False for a broken one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return False
    return "xl/workbook.xml" in names or any(name.startswith("xl/worksheets/") for name in names)


def read_workbook(path: Path, name: str, first_row: FirstRow | None = None) -> Parsed:
    """The first sheet that holds anything; the others are named in a note.

    Raises:
        DataError: broken, empty, or larger inside than can be read.
    """
    from openpyxl import load_workbook

    _refuse_bomb(path, name)
    try:
        with path.open("rb") as file:  # given a path, openpyxl would believe the name
            workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                return _first_sheet(workbook, name, first_row)
            finally:
                workbook.close()
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken workbook fails inside openpyxl in dozens of ways
        raise DataError(
            "This spreadsheet cannot be read",
            f"{quoted(name)} is broken or not whole ({type(error).__name__}).",
            "Open it in your spreadsheet program and save it again as .xlsx or CSV.",
        ) from None


def _refuse_bomb(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        large = [
            i for i in archive.infolist() if i.file_size > MAX_MEMBER or i.file_size > 1000 * max(1, i.compress_size)
        ]
    if large:
        raise DataError(
            "This spreadsheet is too large inside",
            f"Unpacked, a part of {quoted(name)} holds {large[0].file_size / 2**20:,.0f} MB.",
            "Save the sheet with your rows as CSV and choose that file.",
        )


def _first_sheet(workbook: Any, name: str, first_row: FirstRow | None) -> Parsed:
    empty, others = [], []
    chosen: Parsed | None = None
    for sheet in workbook.worksheets:
        if chosen is not None:
            others.append(sheet.title)
            continue
        sheet.reset_dimensions()
        rows = _filled_rows(sheet)
        head = list(islice(rows, 200))
        if not head:
            empty.append(sheet.title)
            continue
        chosen = _sheet(head, rows, first_row)
        blank = _formulas_without_result(sheet)
        if blank:
            chosen.notes.append(
                f"{plural(blank, 'cell holds', 'cells hold')} a formula without its result and {'was' if blank == 1 else 'were'} "
                "read as empty. Open the file in your spreadsheet program, save it and load it again."
            )
    if chosen is None:
        raise DataError(
            "This spreadsheet is empty", f"No sheet of {quoted(name)} holds any rows.", "Choose another file."
        )
    if others:
        chosen.notes.append(f"Only the first sheet with rows was read; {listed(others)} was left out.")
    return chosen


def _formulas_without_result(sheet: Any) -> int:
    """Cells that a program wrote without ever computing them; their value cannot be told from an empty cell's."""
    count, rest = 0, b""
    with sheet.parent._archive.open(sheet._worksheet_path) as source:
        while chunk := source.read(2**20):
            cells, end, rest = (rest + chunk).rpartition(b"</c>")
            count += sum(b't="str"' not in found[1] for found in _UNANSWERED.finditer(cells + end))
    return count


def _filled_rows(sheet: Any) -> Iterator[list[str]]:
    # No max_col: openpyxl would fill each of a million empty rows above a stray last cell to that width.
    for row in sheet.iter_rows(values_only=True):
        end = min(len(row), MAX_COLUMNS + 1)
        while end and row[end - 1] is None:
            end -= 1
        cells = [_cell(v) for v in row[:end]]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield cells


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _ESCAPED.sub("\n", value) if "_x000" in value else value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time(0)
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    return cell_text(value)


def _sheet(head: list[list[str]], rest: Iterator[list[str]], first_row: FirstRow | None) -> Parsed:
    notes: list[str] = []
    named = has_header(head) if first_row is None else first_row == "names"
    width = max(len(row) for row in head)
    first = head[0] + [""] * (width - len(head[0]))
    names = clean_headers(first if named else [f"column_{i}" for i in range(1, width + 1)], notes)
    if not named:
        notes.append(NO_NAMES)
    rows = head[1:] if named else head
    if not rows:
        raise DataError(
            "There are no rows here", "The sheet holds a row of names and nothing under it.", "Choose a file with data."
        )
    tables, cut = [], 0
    while rows:
        cut += sum(len(row) > width for row in rows)
        tables.append(from_rows(names, [row[:width] + [""] * (width - len(row)) for row in rows]))
        rows = list(islice(rest, _CHUNK))
    if cut:
        notes.append(f"{plural(cut, 'row')} had cells beyond the last column; these were left out.")
    return Parsed(numbers(pa.concat_tables(tables)), "XLSX", notes=notes, named=named, header=first if named else [])
