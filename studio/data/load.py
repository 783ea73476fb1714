"""Files, pasted text or a Hub data set into a Table.

    load_files([Path("support.xlsx")]) ─┐
    load_text("Q: … A: …") ─────────────┼─▶ Table ──save_table──▶ table.parquet + table.json
    load_hub("owner/name") ─────────────┘

The content decides what a file is, never its name. Whatever is in a file, the outcome is a Table or a DataError that
says what to do; nothing in a file is ever run.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.columns import stack
from studio.data.read_json import read_json
from studio.data.read_sheets import MAX_MEMBER, is_workbook, read_parquet, read_workbook
from studio.data.read_text import Parsed, read_delimited, read_plain
from studio.data.sniff import delimiter_of, encoding_of, kind_of
from studio.data.text import listed, plural, quoted
from studio.data.types import FileInfo, Table

EXTENSIONS: tuple[str, ...] = (
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".txt", ".md", ".gz", ".zip",
)  # fmt: skip
MAX_FILE = 2 * 1024**3
MAX_UNPACKED = 1024**3
MAX_MEMBERS = 200
_OFFICE = {"word/": "a Word document", "ppt/": "a presentation", "META-INF/": "a Java or OpenDocument file"}


def load_files(paths: Sequence[Path], names: Sequence[str] | None = None) -> Table:
    """Read one or several files into one table.

    Files with the same columns are put under each other. When at least two are called after different parts
    ("train.csv", "test.csv"), a column ``split`` tells them apart.

    Args:
        paths: Where the files are.
        names: What the person called them (uploads get odd names on disk); the paths' names otherwise.

    Raises:
        DataError: any file cannot be read, or the files do not belong together.
    """
    if not paths:
        raise DataError("No file was chosen", "There is nothing to read.", "Choose at least one file.")
    titles = list(names) if names is not None else [Path(p).name for p in paths]
    read: list[tuple[FileInfo, Parsed]] = []
    for path, title in zip(paths, titles, strict=True):
        read.extend(_read_file(Path(path), title))
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


def save_table(table: Table, folder: Path) -> None:
    """Write ``table.parquet`` and ``table.json`` (files and notes), each replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / ".table.parquet.tmp"
    pq.write_table(table.data, temporary, compression="zstd")
    temporary.replace(folder / "table.parquet")
    described = {"version": 1, "files": [asdict(f) for f in table.files], "notes": list(table.notes)}
    temporary = folder / ".table.json.tmp"
    temporary.write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(folder / "table.json")


def open_table(folder: Path) -> Table:
    """The table that :func:`save_table` wrote.

    Raises:
        DataError: it is not there or broken.
    """
    try:
        data = pq.read_table(folder / "table.parquet", memory_map=True)
        described = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        files = tuple(FileInfo(**f) for f in described["files"])
        return Table(data, files, tuple(described["notes"]))
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        raise DataError(
            "The data of this run is gone", "Its table is missing or broken.", "Choose the files again in step 1."
        ) from None


# -- one file -------------------------------------------------------------------------------------------------------


def _read_file(path: Path, name: str) -> list[tuple[FileInfo, Parsed]]:
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
            return _read_gzip(path, name)
        if kind == "zip":
            return _read_zip(path, name)
        parsed, encoding = (read_parquet(path, name), "") if kind == "parquet" else _read_text(path, name)
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
    )
    return [(info, parsed)]


def _read_text(path: Path, name: str) -> tuple[Parsed, str]:
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
        parsed = read_plain(path, encoding)
    else:
        parsed = read_delimited(path, encoding, suffix)
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


# -- archives -------------------------------------------------------------------------------------------------------


def _read_gzip(path: Path, name: str) -> list[tuple[FileInfo, Parsed]]:
    inner = name[:-3] if name.lower().endswith(".gz") else name
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "unpacked"
        try:
            with gzip.open(path) as source:
                _copy(source, target, MAX_UNPACKED, name)
        except (OSError, EOFError, zlib.error):
            raise DataError(
                "This archive cannot be unpacked", f"{quoted(name)} is broken or not whole.", "Download it again."
            ) from None
        return _no_archive(target, inner)


def _read_zip(path: Path, name: str) -> list[tuple[FileInfo, Parsed]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if is_workbook(archive):
                parsed = read_workbook(path, name)
                info = FileInfo(
                    name, parsed.format, parsed.data.num_rows, _sha256(path), split=known_names.split_of_file(name)
                )
                return [(info, parsed)]
            return _read_members(archive, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise DataError(
            "This archive cannot be unpacked",
            f"{quoted(name)} is broken, not whole or packed in an unusual way.",
            "Unpack it yourself and choose the files in it.",
        ) from None


def _read_members(archive: zipfile.ZipFile, name: str) -> list[tuple[FileInfo, Parsed]]:
    every = [i for i in archive.infolist() if not i.is_dir() and not _hidden(i.filename)]
    what = next((w for prefix, w in _OFFICE.items() if any(i.filename.startswith(prefix) for i in every)), "an archive")
    readable = [i for i in every if Path(i.filename).suffix.lower() in EXTENSIONS and Path(i.filename).suffix != ".zip"]
    if what != "an archive" or not readable:
        raise DataError(
            "This file holds no rows",
            f"{quoted(name)} is {what} without a file that can be read in it.",
            "Choose a CSV, JSON, JSONL, Parquet, XLSX or text file, or an archive that holds some.",
        )
    if len(readable) > MAX_MEMBERS:
        raise DataError(
            "This archive holds too many files",
            f"{quoted(name)} holds {len(readable):,}; up to {MAX_MEMBERS} can be read.",
            "Put the rows into fewer files.",
        )
    if any(i.flag_bits & 1 for i in readable):
        raise DataError(
            "This archive is locked", f"{quoted(name)} needs a password.", "Unpack it and choose the files in it."
        )
    read, left = [], MAX_UNPACKED
    with tempfile.TemporaryDirectory() as folder:
        for number, member in enumerate(readable):
            target = Path(folder) / str(number)
            if member.file_size > MAX_MEMBER:
                raise _too_large(name, MAX_MEMBER)
            with archive.open(member) as source:
                left -= _copy(source, target, min(left, MAX_MEMBER), name)
            read.extend(_no_archive(target, member.filename.rsplit("/", 1)[-1]))
            target.unlink()
    return read


def _hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, limit: int, name: str) -> int:
    """Unpack at most ``limit`` bytes; what an archive says of its own size is not believed."""
    size = 0
    with target.open("wb") as file:
        while block := source.read(1 << 20):
            size += len(block)
            if size > limit:
                raise _too_large(name, limit)
            file.write(block)
    return size


def _too_large(name: str, limit: int) -> DataError:
    return DataError(
        "This archive is too large inside",
        f"Unpacked, {quoted(name)} would hold more than {limit // 2**20:,} MB.",
        "Unpack it yourself and choose the file with your rows.",
    )


def _no_archive(path: Path, name: str) -> list[tuple[FileInfo, Parsed]]:
    with contextlib.suppress(zipfile.BadZipFile):
        kind = kind_of(path, name)
        workbook = kind == "zip" and is_workbook(zipfile.ZipFile(path))
        if kind == "gzip" or (kind == "zip" and not workbook):
            raise DataError(
                "There is an archive inside this archive",
                f"{quoted(name)} is packed too.",
                "Unpack it and choose the files.",
            )
    return _read_file(path, name)


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
