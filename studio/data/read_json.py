"""JSON and JSON Lines, in the layouts that people and tools produce.

A list of objects, objects under a wrapper ({"data": […]}, {"train": […], "test": […]}), an object of columns, objects one
after another, one object a line. Bad lines are counted and left out unless most are bad.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.columns import column_of, from_records, stack
from studio.data.read_text import Parsed, has_header, lines_of
from studio.data.sniff import Encoding
from studio.data.text import cell_text, plural, quoted

MAX_DOCUMENT = 512 * 1024 * 1024
_CHUNK = 20_000
_SHAPE_HINT = 'Use a list of objects, one per row: [{"question": "…", "answer": "…"}, …].'


def read_json(path: Path, encoding: Encoding) -> Parsed:
    """Read a file that begins with ``{`` or ``[``.

    Raises:
        DataError: not valid JSON, too large for one document, too deep, or no rows in it.
    """
    if _by_lines(path, encoding):
        return _read_lines(path, encoding)
    if path.stat().st_size > MAX_DOCUMENT:
        raise DataError(
            "This JSON document is too large",
            f"It is one document of more than {MAX_DOCUMENT // 2**20} MB.",
            "Save it as JSON Lines (one object per line) or Parquet, which can be read piece by piece.",
        )
    text = path.read_text(encoding=encoding.name, errors=encoding.errors)
    return parse_document(text)


def _by_lines(path: Path, encoding: Encoding) -> bool:
    """Whether each line is a value of its own (judged by the first lines)."""
    with path.open(encoding=encoding.name, errors=encoding.errors) as file:
        lines = [line for line in islice(lines_of(file), 50) if line.strip()]
    if len(lines) < 2:
        return False
    whole = sum(_parses(line) for line in lines)
    return whole >= max(1, len(lines) // 2)


def _parses(line: str) -> bool:
    line = line.strip()
    if not line.startswith(("{", "[")):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _read_lines(path: Path, encoding: Encoding) -> Parsed:
    tables: list[pa.Table] = []
    notes: list[str] = []
    counts = {"good": 0, "bad": 0, "first_bad": 0}
    with path.open(encoding=encoding.name, errors=encoding.errors) as file:
        values = _values(lines_of(file), counts)
        while chunk := list(islice(values, _CHUNK)):
            tables.append(_rows_table(chunk, notes))
    if counts["bad"] > counts["good"]:
        raise DataError(
            "Most lines are not valid JSON",
            f"{plural(counts['bad'], 'line')} of {counts['bad'] + counts['good']:,} cannot be read, "
            f"the first is line {counts['first_bad']:,}.",
            "Check how the file was written: each line must be one whole object.",
        )
    if counts["bad"]:
        lines = plural(counts["bad"], "line is", "lines are")
        notes.append(f"{lines} not valid JSON and were left out (the first is line {counts['first_bad']:,}).")
    if len(tables) == 1 and tables[0].num_rows == 1:
        return _shaped(_only_value(path, encoding), "JSON Lines", notes)
    return Parsed(stack(tables), "JSON Lines", notes=list(dict.fromkeys(notes)))


def _only_value(path: Path, encoding: Encoding) -> Any:
    with path.open(encoding=encoding.name, errors=encoding.errors) as file:
        return next(_values(lines_of(file), {"good": 0, "bad": 0, "first_bad": 0}))


def _values(lines: Iterator[str], counts: dict[str, int]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        stripped = line.strip().rstrip(",")
        if not stripped:
            continue
        try:
            value = json.loads(stripped)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, (dict, list)):
            counts["good"] += 1
            yield value
        else:
            counts["bad"] += 1
            counts["first_bad"] = counts["first_bad"] or number


def parse_document(text: str) -> Parsed:
    """One JSON document, or several one after another.

    Raises:
        DataError: see :func:`read_json`.
    """
    text = text.replace("\x00", "").lstrip("\ufeff")
    try:
        return _shaped(json.loads(text), "JSON", [])
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        several = _one_after_another(text)
        if several:
            return _shaped(several, "JSON", [])
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated string")
        raise DataError(
            "This JSON file ends too early" if cut else "This is not valid JSON",
            f"Reading stopped at line {error.lineno:,}, character {error.colno:,}: {error.msg}.",
            "Save or download the file again; it is not whole." if cut else "Mend that place, or save the data as CSV.",
        ) from None
    except ValueError:  # e.g. an integer of thousands of digits
        raise DataError("This is not valid JSON", "It holds a number that cannot be read.", _SHAPE_HINT) from None


def _one_after_another(text: str) -> list[dict[str, Any]]:
    """Objects written one after another, each over several lines; empty when the text is anything else."""
    decoder, position, found = json.JSONDecoder(), 0, []
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        found.append(value)
        while position < len(text) and text[position] in " \r\n\t,":
            position += 1
    return found


def _too_deep() -> DataError:
    return DataError(
        "The data is nested too deeply", "Lists and objects inside each other go too deep to be read.", _SHAPE_HINT
    )


def _shaped(value: Any, format: str, notes: list[str]) -> Parsed:
    """Find the rows in a parsed document."""
    if isinstance(value, list):
        if not value:
            raise DataError("There are no rows here", "The file holds an empty list.", "Choose a file with data in it.")
        return Parsed(_rows_table(value, notes), format, notes=notes)
    if not isinstance(value, dict):
        raise DataError("There are no rows here", "The file holds a single value, not rows.", _SHAPE_HINT)
    return Parsed(_object_table(value, notes), format, notes=notes)


def _object_table(value: dict[str, Any], notes: list[str]) -> pa.Table:
    """An object: a wrapper around rows, columns, rows by id, or one row."""
    if not value:
        raise DataError("There are no rows here", "The file holds an empty object.", "Choose a file with data in it.")
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _rows_table([[str(c) for c in value["columns"]], *value["data"]], notes)
    lists = {k: v for k, v in value.items() if isinstance(v, list)}
    splits = {k: known_names.split_word(k) for k in lists}
    if lists and all(splits.values()):
        parts = []
        for name, rows in lists.items():
            if rows:
                table = _rows_table(rows, notes)
                if "split" not in table.column_names:
                    table = table.append_column("split", pa.array([splits[name]] * table.num_rows, pa.string()))
                parts.append(table)
        if parts:
            return stack(parts)
    if known_names.key(next(iter(lists), "")) in known_names.MESSAGES and _objects(next(iter(lists.values()))):
        return from_records([value], notes)
    of_objects = [k for k, v in lists.items() if _objects(v)]
    if len(of_objects) == 1:
        if len(value) > 1:
            notes.append(f"The rows were found under {quoted(of_objects[0])}; the rest of the file was left out.")
        return _rows_table(lists[of_objects[0]], notes)
    if lists and len(lists) == len(value) and len({len(v) for v in lists.values()}) == 1:
        return pa.table({k: column_of(v) for k, v in lists.items()})
    inner = list(value.values())
    if all(isinstance(v, dict) for v in inner) and len(inner) > 1:
        keys = [set(v) for v in inner]
        if all(k == keys[0] and len(k) > 1 for k in keys) and all(k.isdigit() for k in keys[0]):
            ids = list(inner[0])
            return pa.table({name: column_of([column[i] for i in ids]) for name, column in value.items()})
        return from_records(inner, notes)
    return from_records([value], notes)


def _objects(rows: Any) -> bool:
    return isinstance(rows, list) and bool(rows) and all(isinstance(r, dict) for r in rows[:50])


def _rows_table(rows: list[Any], notes: list[str]) -> pa.Table:
    """A list of objects, of lists, or of texts."""
    objects = [r for r in rows if isinstance(r, dict)]
    if len(objects) >= len(rows) / 2:
        if len(objects) < len(rows):
            notes.append(f"{plural(len(rows) - len(objects), 'entry', 'entries')} were not objects and were left out.")
        table = from_records(objects, notes)
        if not table.num_columns:
            raise DataError("There are no rows here", "The objects in the file are empty.", _SHAPE_HINT)
        return table
    lists = [r for r in rows if isinstance(r, list)]
    if len(lists) >= len(rows) / 2:
        if any(isinstance(cell, (dict, list)) for row in lists[:50] for cell in row):
            return pa.table({"messages": column_of(lists)})
        return _cells_table([[cell_text(c) for c in row] for row in lists], notes)
    if all(isinstance(r, str) for r in rows):
        return pa.table({"text": column_of(rows)})
    raise DataError("There are no rows here", "The list holds single values of several kinds, not rows.", _SHAPE_HINT)


def _cells_table(rows: list[list[str]], notes: list[str]) -> pa.Table:
    from studio.data.columns import clean_headers, from_rows, numbers

    rows = [row for row in rows if row]
    if not rows:
        raise DataError("There are no rows here", "The lists in the file are empty.", _SHAPE_HINT)
    width = max(len(row) for row in rows)
    header = has_header(rows)
    padded = [row + [""] * (width - len(row)) for row in rows]
    names = clean_headers(padded[0] if header else [f"column_{i + 1}" for i in range(width)], notes)
    return numbers(from_rows(names, padded[1:] if header else padded))
