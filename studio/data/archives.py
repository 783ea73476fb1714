"""Gzip and zip: the files in an archive, unpacked one at a time. What an archive says of its own size is not believed, its
paths are never used, and an archive inside it is not opened.
"""

from __future__ import annotations

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from studio.core.errors import DataError
from studio.data.read_sheets import MAX_MEMBER, is_workbook
from studio.data.sniff import kind_of
from studio.data.text import quoted

MAX_UNPACKED = 1024**3
MAX_MEMBERS = 200
_OFFICE = {"word/": "a Word document", "ppt/": "a presentation", "META-INF/": "a Java or OpenDocument file"}


def unpack_gzip(path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The one file in a gzip archive, with its name; it is there until the next one is asked for.

    Raises:
        DataError: broken, larger inside than can be read, or another archive is in it.
    """
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
        _refuse_archive(target, inner)
        yield target, inner


def unpack_zip(path: Path, name: str, extensions: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The files in a zip archive whose names end like one of ``extensions``, each there until the next is asked for.

    Raises:
        DataError: broken, locked, larger inside than can be read, without such a file, or another archive is in it.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            left = MAX_UNPACKED
            for number, member in enumerate(_readable_members(archive, name, extensions)):
                target, inner = Path(folder) / str(number), member.filename.rsplit("/", 1)[-1]
                if member.file_size > MAX_MEMBER:
                    raise _too_large(name, MAX_MEMBER)
                with archive.open(member) as source:
                    left -= _copy(source, target, min(left, MAX_MEMBER), name)
                _refuse_archive(target, inner)
                yield target, inner
                target.unlink()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise DataError(
            "This archive cannot be unpacked",
            f"{quoted(name)} is broken, not whole or packed in an unusual way.",
            "Unpack it yourself and choose the files in it.",
        ) from None


def _readable_members(archive: zipfile.ZipFile, name: str, extensions: Sequence[str]) -> list[zipfile.ZipInfo]:
    every = [i for i in archive.infolist() if not i.is_dir() and not _hidden(i.filename)]
    what = next((w for prefix, w in _OFFICE.items() if any(i.filename.startswith(prefix) for i in every)), "an archive")
    readable = [i for i in every if Path(i.filename).suffix.lower() in extensions and Path(i.filename).suffix != ".zip"]
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
    return readable


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


def _refuse_archive(path: Path, name: str) -> None:
    """A workbook is a zip archive too, but one that is read as a sheet; a broken one is refused by its reader."""
    kind = kind_of(path, name)
    if kind == "gzip" or (kind == "zip" and zipfile.is_zipfile(path) and not is_workbook(path)):
        raise DataError(
            "There is an archive inside this archive",
            f"{quoted(name)} is packed too.",
            "Unpack it and choose the files.",
        )
