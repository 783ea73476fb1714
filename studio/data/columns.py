"""Rows and cells into Arrow columns: clean headers, text unless clearly numeric, nested values kept where they agree.

Every reader ends here, so that all formats give the same table for the same rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from studio.core.errors import DataError
from studio.data.text import cell_text, plural

MAX_COLUMNS = 5_000
MAX_DEPTH = 24
_NUMBER = r"^-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?$"
_NUMBER_PATTERN = re.compile(_NUMBER)


def clean_headers(names: Sequence[str], notes: list[str]) -> list[str]:
    """Names without blanks and doubles; what was changed is noted.

    Raises:
        DataError: more columns than a person could have meant.
    """
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "Too many columns",
            f"The first row has {len(names):,} cells; up to {MAX_COLUMNS:,} columns can be read.",
            "Keep the columns that hold text and answers, and check that line breaks are where they should be.",
        )
    cleaned: list[str] = []
    seen: Counter[str] = Counter()
    blank = double = 0
    for position, raw in enumerate(names, 1):
        name = " ".join("".join(c if c.isprintable() else " " for c in raw).split())[:200]
        if not name:
            name, blank = f"column_{position}", blank + 1
        seen[name] += 1
        if seen[name] > 1:
            double += 1
            number = seen[name]
            while f"{name}_{number}" in seen or f"{name}_{number}" in names:
                number += 1
            name = f"{name}_{number}"
            seen[name] += 1
        cleaned.append(name)
    if blank:
        notes.append(f"{plural(blank, 'column')} had no name and got one (column_1, column_2, …).")
    if double:
        notes.append(f"{plural(double, 'column name')} appeared more than once and got a number.")
    return cleaned


def numbers(table: pa.Table) -> pa.Table:
    """Text columns that are clearly numbers become numbers: every value survives the way there and back unchanged."""
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        if pa.types.is_string(column.type) and column.null_count < len(column):
            converted = _as_numbers(column)
            if converted is not None:
                table = table.set_column(position, name, converted)
    return table


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    for value in column.slice(0, 50).to_pylist():
        if value is not None and not _NUMBER_PATTERN.match(value):
            return None
    if not pc.all(pc.match_substring_regex(column, _NUMBER)).as_py():
        return None
    if not pc.any(pc.match_substring(column, ".")).as_py():
        return pc.cast(column, pa.int64())
    if not all(value is None or repr(float(value)) == value for chunk in column.chunks for value in chunk.to_pylist()):
        return None
    return pc.cast(column, pa.float64())


def from_rows(names: list[str], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    """Text rows of one width as a table; empty cells are nulls."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array([v or None for v in column], pa.string()) for column in columns]
    return pa.Table.from_arrays(arrays, names=names)


def from_records(records: Sequence[dict[str, Any]], notes: list[str] | None = None) -> pa.Table:
    """Objects as a table: one column for every key, in order of first appearance.

    Raises:
        DataError: too many different keys, or values nested too deeply.
    """
    order: dict[str, None] = {}
    for record in records:
        order.update(dict.fromkeys(record))
    keys = list(order)
    names = clean_headers([str(k) for k in keys], notes if notes is not None else [])
    arrays = [column_of([record.get(k) for record in records]) for k in keys]
    return pa.Table.from_arrays(arrays, names=names)


def column_of(values: list[Any]) -> pa.Array:
    """One column: numbers if all are, nested if all agree, else text."""
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {str}:
        return pa.array([_sound(v) for v in values], pa.string())
    if kinds <= {int, float}:
        try:
            return pa.array(values, pa.int64() if kinds <= {int} else pa.float64())
        except (OverflowError, pa.ArrowInvalid):
            return pa.array([None if v is None else str(v) for v in values], pa.string())
    if kinds <= {list} or kinds <= {dict}:
        nested = _nested(values)
        if nested is not None:
            return nested
    return pa.array([_text_or_none(v) for v in values], pa.string())


def _nested(values: list[Any]) -> pa.Array | None:
    """Lists or objects as Arrow sees them; None when they differ too much (they are then kept as JSON text)."""
    keys: set[str] = set()
    for value in values:
        if _depth(value) > MAX_DEPTH:
            raise DataError(
                "The data is nested too deeply",
                f"Lists and objects inside each other go more than {MAX_DEPTH} levels deep.",
                "Keep one object per row, with texts or a list of messages in it.",
            )
        if isinstance(value, dict):
            keys.update(value)
            if len(keys) > 100:
                return None
    try:
        array = pa.array(values)
        # An object without any key cannot be stored; surrogates cannot be encoded.
        return None if "struct<>" in str(array.type) or "null" in str(array.type) else array
    except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError):
        return None


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(v for v in item.values() if isinstance(v, (dict, list)))
            elif isinstance(item, list):
                below.extend(v for v in item if isinstance(v, (dict, list)))
        depth, level = depth + 1, below
    return depth


def _text_or_none(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return _sound(cell_text(value))
    except (RecursionError, ValueError):
        raise DataError(
            "The data is nested too deeply",
            "Lists and objects inside each other go too deep to be read.",
            "Keep one object per row, with texts or a list of messages in it.",
        ) from None


def _sound(value: str | None) -> str | None:
    """Half surrogate pairs (broken emoji escapes in JSON) cannot be stored; NULs confuse every tool after us."""
    if value is None:
        return None
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8") if _has_surrogate(value) else value
    return value.replace("\x00", "") if "\x00" in value else value


_SURROGATE = re.compile("[\ud800-\udfff]")


def _has_surrogate(value: str) -> bool:
    return _SURROGATE.search(value) is not None


def stack(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables under each other; columns whose types differ become text."""
    tables = [t for t in tables if t.num_columns]
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        return pa.concat_tables(_agreeing(tables), promote_options="permissive")


def _agreeing(tables: Sequence[pa.Table]) -> list[pa.Table]:
    types: dict[str, set[str]] = {}
    for table in tables:
        for field in table.schema:
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, set()).add(str(field.type))
    differing = {name for name, found in types.items() if len(found) > 1}
    return [as_text(table, differing & set(table.column_names)) for table in tables]


def as_text(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """The named columns as text, nested values as JSON."""
    for name in names:
        position = table.column_names.index(name)
        chunks = [
            pa.array([_text_or_none(v) for v in chunk.to_pylist()], pa.string())
            for chunk in table.column(position).chunks
        ]
        table = table.set_column(position, name, pa.chunked_array(chunks, pa.string()))
    return table


def plain(table: pa.Table, notes: list[str]) -> pa.Table:
    """A Parquet or Hub table in our few types: text, numbers, lists and structs of these; dates become text."""
    names = clean_headers(table.column_names, notes)
    arrays = []
    kept = []
    for name, column in zip(names, table.columns, strict=True):
        converted = _plain_column(column)
        if converted is None:
            notes.append(f"Column “{name[:40]}” holds binary data (pictures, sound) and was left out.")
            continue
        kept.append(name)
        arrays.append(converted)
    return pa.Table.from_arrays(arrays, names=kept)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([c.storage for c in column.chunks], kind.storage_type)
        kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain_column(column.cast(kind.value_type))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float32()) if pa.types.is_float16(kind) else column
    if pa.types.is_string(kind) or pa.types.is_nested(kind):
        return None if "binary" in str(kind) else column
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowException:
            return None
    if pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_null(kind) or pa.types.is_decimal(kind) or "string" in str(kind):
        return column.cast(pa.string())
    values = [[None if v is None else str(v) for v in chunk.to_pylist()] for chunk in column.chunks]
    return pa.chunked_array([pa.array(v, pa.string()) for v in values], pa.string())
