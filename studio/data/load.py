"""Files, pasted text or a Hub data set into a Table.

    load_files([Path("support.xlsx")]) ─┐
    load_text("Q: … A: …") ─────────────┼─▶ Table
    load_hub("owner/name") ─────────────┘

The content decides what a file is, never its name. Whatever is in a file, the outcome is a Table or a DataError that
says what to do; nothing in a file is ever run.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.archives import unpack_gzip, unpack_zip
from studio.data.columns import stack
from studio.data.first_row import FirstRow
from studio.data.formats import EXTENSIONS
from studio.data.read_json import read_json
from studio.data.read_sheets import is_workbook, read_parquet, read_workbook
from studio.data.read_text import Parsed, read_delimited, read_plain
from studio.data.sniff import Kind, delimiter_of, encoding_of, kind_of
from studio.data.text import listed, plural, quoted
from studio.data.types import FileInfo, Table

MAX_FILE = 2 * 1024**3


def load_files(paths: Sequence[Path], names: Sequence[str] | None = None, first_row: FirstRow | None = None) -> Table:
    """Read one or several files into one table.

    Files with the same columns are put under each other. When at least two are called after different parts
    ("train.csv", "test.csv"), a column ``split`` tells them apart.

    Args:
        paths: Where the files are.
        names: What the person called them (uploads get odd names on disk); the paths' names otherwise.
        first_row: What the first row of a CSV, TSV or Excel sheet holds; found out when None.

    Raises:
        DataError: any file cannot be read, or the files do not belong together.
    """
    if not paths:
        raise DataError("No file was chosen", "There is nothing to read.", "Choose at least one file.")
    titles = list(names) if names is not None else [Path(p).name for p in paths]
    read: list[tuple[FileInfo, Parsed]] = []
    for path, title in zip(paths, titles, strict=True):
        read.extend(_read_file(Path(path), title, first_row))
    return _combine(read)


def load_text(text: str) -> Table:
    """Read pasted text: CSV, TSV, JSON, JSON Lines, ``Q: … A: …`` pairs or paragraphs.

    Raises:
        DataError: nothing in it can be read as rows.
    """
    if not text.strip():
        raise DataError("There is nothing here", "The box is empty.", "Paste rows, for example from a spreadsheet.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pasted.txt"
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
        return load_files([path], ["pasted text"])


def load_hub(dataset_id: str, split: str | None = None) -> Table:
    """Read a data set of the Hugging Face Hub; see :mod:`studio.data.hub`."""
    from studio.data.hub import load_hub as load

    return load(dataset_id, split)


# -- one file -------------------------------------------------------------------------------------------------------


def _read_file(path: Path, name: str, first_row: FirstRow | None) -> list[tuple[FileInfo, Parsed]]:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise DataError("This is a folder", f"{quoted(name)} is not a file.", "Choose the files in it.")
        if size > MAX_FILE:
            raise DataError(
                "This file is too large",
                f"{quoted(name)} has {size / 2**30:.1f} GB; up to {MAX_FILE // 2**30} GB can be read.",
                "Take a part of the rows; a few thousand good ones teach more than millions.",
            )
        kind = kind_of(path, name)
        if kind == "gzip":
            return _read_each(unpack_gzip(path, name), first_row)
        if kind == "zip" and not is_workbook(path):
            return _read_each(unpack_zip(path, name, EXTENSIONS), first_row)
        parsed, encoding = _parse(path, name, kind, first_row)
    except FileNotFoundError:
        raise DataError("The file is not there", f"{quoted(name)} cannot be found.", "Choose it again.") from None
    except OSError as error:
        raise DataError(
            "The file cannot be opened", f"{quoted(name)}: {error.strerror or error}.", "Check it and choose it again."
        ) from None
    except MemoryError:
        raise DataError(
            "This file is too large for this machine",
            f"{quoted(name)} does not fit into memory.",
            "Take a part of the rows, or save it as Parquet.",
        ) from None
    except (UnicodeError, RecursionError, pa.ArrowException) as error:
        raise DataError(
            "This file cannot be read",
            f"{quoted(name)} has a content that no reader understands ({type(error).__name__}).",
            "Save the rows as CSV, JSONL, XLSX or Parquet and choose that file.",
        ) from None
    if not parsed.data.num_rows or not parsed.data.num_columns:
        raise DataError("There are no rows here", f"{quoted(name)} holds no rows.", "Choose a file with data in it.")
    info = FileInfo(
        name=name,
        format=parsed.format,
        rows=parsed.data.num_rows,
        sha256=_sha256(path),
        encoding=encoding,
        delimiter=parsed.delimiter,
        split=known_names.split_of_file(name),
        first_row="" if parsed.header is None else "names" if parsed.named else "data",
        header=tuple(parsed.header or ()),
    )
    return [(info, parsed)]


def _read_each(members: Iterable[tuple[Path, str]], first_row: FirstRow | None) -> list[tuple[FileInfo, Parsed]]:
    return [read for path, name in members for read in _read_file(path, name, first_row)]


def _parse(path: Path, name: str, kind: Kind, first_row: FirstRow | None) -> tuple[Parsed, str]:
    """(what the file's reader found, the encoding of a text)"""
    if kind == "parquet":
        return read_parquet(path, name), ""
    if kind == "zip":
        return read_workbook(path, name, first_row), ""
    return _read_text(path, name, first_row)


def _read_text(path: Path, name: str, first_row: FirstRow | None) -> tuple[Parsed, str]:
    encoding = encoding_of(path, name)
    suffix = Path(name).suffix.lower()
    with path.open(encoding=encoding.name, errors=encoding.errors) as file:
        start = file.read(65_536).lstrip("\ufeff \t\r\n\x00")
    if not start:
        raise DataError("This file is empty", f"{quoted(name)} holds only blanks.", "Choose a file with data in it.")
    if start[0] in "{[" and (suffix in (".json", ".jsonl", ".ndjson") or _looks_like_json(start)):
        parsed = read_json(path, encoding)
    elif suffix in (".json", ".jsonl", ".ndjson") and not delimiter_of(start.splitlines(keepends=True)[:50]):
        raise DataError(
            "This is not JSON", f"{quoted(name)} does not begin like JSON.", "Check the file, or save the rows as CSV."
        )
    elif suffix in (".txt", ".md", ".markdown") or (name == "pasted text" and not _tabular(start)):
        parsed = read_plain(path, encoding, first_row)
    else:
        parsed = read_delimited(path, encoding, suffix, first_row)
    if encoding.note:
        parsed.notes.insert(0, encoding.note)
    return parsed, encoding.name


def _looks_like_json(start: str) -> bool:
    rest = start[1:].lstrip()
    return rest[:1] in ('"', "{", "[", "}", "]")


def _tabular(start: str) -> bool:
    lines = start.splitlines(keepends=True)
    return len(lines) > 1 and bool(delimiter_of(lines[:200]))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- several files --------------------------------------------------------------------------------------------------


def _combine(read: list[tuple[FileInfo, Parsed]]) -> Table:
    notes: list[str] = []
    several = len(read) > 1
    first = next((p for _, p in read if p.named), read[0][1])
    columns = first.data.column_names
    tables = []
    splits = {info.split for info, _ in read if info.split}
    tell_splits = several and len(splits) > 1
    for info, parsed in read:
        notes.extend(f"{quoted(info.name)}: {note}" if several else note for note in parsed.notes)
        data = parsed.data
        if not parsed.named and data.num_columns == len(columns):
            data = data.rename_columns(columns)
        _refuse_strangers(columns, data.column_names, read[0][0].name, info.name, notes)
        if tell_splits and "split" not in data.column_names:
            data = data.append_column("split", pa.array([info.split] * data.num_rows, pa.string()))
        tables.append(data)
    if several:
        notes.insert(0, f"{plural(len(read), 'file')} were put under each other.")
    return Table(stack(tables), tuple(info for info, _ in read), tuple(notes))


def _refuse_strangers(columns: list[str], other: list[str], first_name: str, name: str, notes: list[str]) -> None:
    ours, theirs = set(columns), set(other)
    if ours == theirs:
        return
    if ours < theirs or theirs < ours:
        missing = sorted(ours ^ theirs)
        notes.append(f"{quoted(name)} and {quoted(first_name)} differ in {listed(missing)}; missing cells are empty.")
        return
    raise DataError(
        "These files do not have the same columns",
        f"{quoted(first_name)} has {listed(columns)}, {quoted(name)} has {listed(other)}.",
        "Choose files with the same columns, or load them one at a time.",
    )
