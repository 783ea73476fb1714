"""A table in a folder, as a run keeps it: ``table.parquet`` with the rows, ``table.json`` with files and notes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from studio.core.errors import DataError
from studio.data.types import FileInfo, Table


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
        files = tuple(FileInfo(**{**f, "header": tuple(f.get("header", ()))}) for f in described["files"])
        return Table(data, files, tuple(described["notes"]))
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        raise DataError(
            "The data of this run is gone", "Its table is missing or broken.", "Choose the files again in step 1."
        ) from None
