"""CSV, TSV and plain text: delimiter and header found out, quoted line breaks and ragged rows taken as they come.

Cells stay text, also those that begin with ``=``, ``+``, ``-`` or ``@``: nothing here is ever computed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

import pyarrow as pa

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.columns import clean_headers, from_rows, numbers
from studio.data.first_row import NO_NAMES, FirstRow
from studio.data.sniff import MAX_FIELD, Encoding, delimiter_of
from studio.data.text import plural

_CHUNK = 50_000
_SAMPLE_LINES = 400
_RUNAWAY_LINES = 2_000
_NO_DELIMITER = "\x1f"
csv.field_size_limit(MAX_FIELD)

_PAIR = re.compile(r"^\s*(?:\*\*|#+\s*)?(Q|A|Question|Answer|User|Human|Assistant|Bot|Customer|Agent|Prompt|Response)\s*\d*\s*[:.)]"
                   r"(?:\*\*)?\s*(.*)$", re.IGNORECASE)  # fmt: skip
_ASKS = frozenset(("q", "question", "user", "human", "customer", "prompt"))


@dataclass
class Parsed:
    """What a reader found in one file."""

    data: pa.Table
    format: str
    delimiter: str = ""
    notes: list[str] = field(default_factory=list)
    named: bool = True
    """Whether the columns have names of their own (False for a sheet without a header)."""
    header: list[str] | None = None
    """For a sheet: the cells of the row that holds the names, none when it has no such row."""


class _Runaway(Exception):
    """A quotation mark that is never closed swallows the rows after it."""


class _Lines:
    """Lines of a file, those of the record being read kept at hand."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.record.append(line)
            yield line


def lines_of(file: TextIO) -> Iterator[str]:
    """Lines without NULs, of any line-end style.

    Raises:
        DataError: one line is larger than 64 MiB.
    """
    while line := file.readline(MAX_FIELD + 1):
        if len(line) > MAX_FIELD:
            raise DataError(
                "A line is too long",
                f"One line holds more than {MAX_FIELD // 2**20} million characters.",
                "Check that the file is text with one row per line.",
            )
        yield line.replace("\x00", "") if "\x00" in line else line


def read_delimited(path: Path, encoding: Encoding, suffix: str = "", first_row: FirstRow | None = None) -> Parsed:
    """Read a CSV or TSV file.

    Raises:
        DataError: no rows, or a line too long.
    """
    with path.open(encoding=encoding.name, errors=encoding.errors, newline="") as file:
        head = list(islice(lines_of(file), _SAMPLE_LINES))
    delimiter = delimiter_of(head, "\t" if suffix in (".tsv", ".tab") else ",")
    try:
        return _read(path, encoding, delimiter, csv.QUOTE_MINIMAL, first_row)
    except (_Runaway, csv.Error):
        parsed = _read(path, encoding, delimiter, csv.QUOTE_NONE, first_row)
        parsed.notes.append("A quotation mark opens and does not close, so quotation marks were read as ordinary text.")
        return parsed


def _read(path: Path, encoding: Encoding, delimiter: str, quoting: Literal[0, 3], first_row: FirstRow | None) -> Parsed:
    swallowed: list[tuple[int, int]] = []
    with path.open(encoding=encoding.name, errors=encoding.errors, newline="") as file:
        rows = _records(file, delimiter, quoting, swallowed)
        head = list(islice(rows, 200))
        if not head:
            raise DataError("There are no rows here", "The file holds only empty lines.", "Choose a file with data.")
        parsed = _build(head, rows, delimiter, first_row)
    if swallowed:
        parsed.notes.append(_swallowed_note(swallowed))
    return parsed


def _records(
    file: TextIO, delimiter: str, quoting: Literal[0, 3], swallowed: list[tuple[int, int]]
) -> Iterator[list[str]]:
    """Rows that hold something. Where quotation marks took several lines into one row and are set wrongly, the place
    (first line, number of lines) is added to ``swallowed``."""
    lines = _Lines(lines_of(file))

    def reader_of(lines: Iterable[str], strict: bool = False) -> Any:
        return csv.reader(
            lines,
            delimiter=delimiter or _NO_DELIMITER,
            quoting=quoting,
            skipinitialspace=delimiter in (",", ";"),
            strict=strict,
        )

    before, reader = 0, reader_of(lines)
    for row in reader:
        first, spanned, before = before + 1, reader.line_num - before, reader.line_num
        if spanned > _RUNAWAY_LINES or (delimiter == "\t" and spanned > 1 and any("\t" in cell for cell in row)):
            raise _Runaway
        if spanned > 1 and _is_misquoted(reader_of(lines.record, strict=True)):
            swallowed.append((first, spanned))
        lines.record.clear()
        if any(row) and any(cell.strip() for cell in row):
            yield row


def _is_misquoted(strict_reader: Iterable[list[str]]) -> bool:
    """Whether a record ends inside quotation marks, or goes on right after closing ones."""
    try:
        for _ in strict_reader:
            pass
    except csv.Error:
        return True
    return False


def _swallowed_note(places: list[tuple[int, int]]) -> str:
    line, count = places[0]
    if len(places) == 1:
        where = f"A quotation mark from line {line:,} on does not close as it should, so {count:,} lines were read as one row."
        return f"{where} Mend it in the file and load it again."
    return (
        f"In {len(places):,} places, the first at line {line:,}, a quotation mark does not close as it should, so "
        f"{sum(n for _, n in places):,} lines were read as {len(places):,} rows. Mend them in the file and load it again."
    )


def _build(
    head: list[list[str]], rest: Iterator[list[str]], delimiter: str, first_row: FirstRow | None = None
) -> Parsed:
    notes: list[str] = []
    if first_row == "names" or (first_row is None and has_header(head)):
        width = len(head[0])
        while width > 1 and not head[0][width - 1].strip() and all(len(r) < width or not r[width - 1] for r in head):
            width -= 1
        names, first, named = clean_headers(head[0][:width], notes), head[1:], True
    else:
        width = max(len(r) for r in head)
        names = clean_headers([f"column_{i}" for i in range(1, width + 1)], [])
        first, named = head, False
        notes.append(NO_NAMES)
    if not first:
        raise DataError(
            "There are no rows here",
            "The file holds a row of column names and nothing under it.",
            "Choose a file with data in it.",
        )
    tables, counts = [], {"short": 0, "long": 0}
    rows = first
    while rows:
        tables.append(from_rows(names, [_fit(row, width, delimiter, counts) for row in rows]))
        rows = list(islice(rest, _CHUNK))
    if counts["short"]:
        notes.append(f"{plural(counts['short'], 'row')} had fewer cells than the header; the missing ones are empty.")
    if counts["long"]:
        notes.append(
            f"{plural(counts['long'], 'row')} had more cells than the header; the rest was put into the last column."
        )
    header = head[0][:width] if named else []
    kind = "CSV" if delimiter != "\t" else "TSV"
    return Parsed(numbers(pa.concat_tables(tables)), kind, delimiter, notes, named, header)


def _fit(row: list[str], width: int, delimiter: str, counts: dict[str, int]) -> list[str]:
    if len(row) == width:
        return row
    if len(row) < width:
        counts["short"] += 1
        return row + [""] * (width - len(row))
    if any(cell.strip() for cell in row[width:]):
        counts["long"] += 1
        return [*row[: width - 1], delimiter.join(row[width - 1 :])]
    return row[:width]


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns, judged against the rows under it.

    A cell that reads like the cells below it speaks for data, one that is unlike all of them for a name: "Ticket no." ends
    in a full stop and is still no sentence when "T-1001" stands below.
    """
    first = [cell.strip() for cell in rows[0]]
    if any(known_names.key(cell) in known_names.KNOWN for cell in first if cell):
        return not any(_long(cell) for cell in first)
    if len(rows) == 1:
        return False
    names = data = 0
    for position, cell in enumerate(first):
        below = [row[position].strip() for row in rows[1:] if len(row) > position and row[position].strip()]
        if not cell or not below:
            continue
        if cell in below or _long(cell) or (_numeric(cell) and _share(below, _numeric) > 0.5):
            return False
        if _numeric(cell) or (_closed(cell) and _share(below, _closed) > 0.3):
            data += 1
        elif _share(below, _numeric) > 0.8 or (_share(below, _closed) > 0.6 and not _closed(cell)):
            names += 1
    return not data or names >= data


def _share(cells: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, cells)) / len(cells)


def _long(cell: str) -> bool:
    return len(cell) > 60 or len(cell.split()) > 8


def _closed(cell: str) -> bool:
    """Ends as a sentence does."""
    return cell.endswith((".", "?", "!", "。", "？", "！", "؟", "…"))


def _numeric(cell: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d[\d.,]*%?", cell))


def read_plain(path: Path, encoding: Encoding, first_row: FirstRow | None = None) -> Parsed:
    """Text without columns: ``Q: … A: …`` pairs where there are any, a tab-separated list, else paragraphs.

    Raises:
        DataError: nothing but blank lines.
    """
    with path.open(encoding=encoding.name, errors=encoding.errors, newline=None) as file:
        head = list(islice(lines_of(file), _SAMPLE_LINES))
        filled = [line for line in head if line.strip()]
        if not filled:
            raise DataError("This file is empty", "It holds only blank lines.", "Choose a file with data in it.")
        tabs = [line.rstrip("\n").count("\t") for line in filled]
        if min(tabs) == max(tabs) > 0:
            return read_delimited(path, encoding, ".tsv", first_row)
        file.seek(0)
        if sum(1 for line in filled if _PAIR.match(line)) >= max(2, len(filled) // 40):
            pairs = _pairs(lines_of(file))
            if pairs:
                return Parsed(from_rows(["question", "answer"], pairs), "text (questions and answers)")
            file.seek(0)
        paragraphs = list(_paragraphs(lines_of(file)))
    return Parsed(from_rows(["text"], [[p] for p in paragraphs]), "text (paragraphs)")


def _pairs(lines: Iterator[str]) -> list[list[str]]:
    """Rows of [asked, answered]; text before the first mark is left out."""
    turns: list[tuple[bool, list[str]]] = []
    for line in lines:
        match = _PAIR.match(line)
        if match:
            asks = match.group(1).casefold() in _ASKS
            turns.append((asks, [match.group(2).rstrip()]))
        elif turns:
            turns[-1][1].append(line.rstrip())
    rows: list[list[str]] = []
    for asks, parts in turns:
        text = "\n".join(parts).strip()
        if asks:
            rows.append([text, ""])
        elif rows:
            rows[-1][1] = f"{rows[-1][1]}\n\n{text}".strip()
    return rows if any(row[1] for row in rows) else []


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    current: list[str] = []
    for line in lines:
        if line.strip():
            current.append(line.rstrip())
        elif current:
            yield "\n".join(current)
            current = []
    if current:
        yield "\n".join(current)
