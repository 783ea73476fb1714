"""The first row of a sheet taken the other way: as the columns' names instead of data, or as data instead of names."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pyarrow as pa

from studio.core.errors import DataError
from studio.data.columns import as_text, clean_headers, numbers
from studio.data.types import FileInfo, Table

FirstRow = Literal["names", "data"]
NO_NAMES = "The first row holds data, not names, so the columns were named column_1, column_2, …"


def known(table: Table) -> FirstRow | None:
    """How the first row was taken; None where that is no question: no sheet, or several files under each other."""
    first_row = table.files[0].first_row if len(table.files) == 1 else ""
    return "names" if first_row == "names" else "data" if first_row == "data" else None


def taken_as(table: Table, first_row: FirstRow) -> Table:
    """The table as it would be had its first row been taken so from the start.

    Raises:
        DataError: there is no such choice for this table, or no row would be left.
    """
    before = known(table)
    if before == first_row:
        return table
    if before is None:
        raise DataError(
            "The first row cannot be taken otherwise",
            "That is a choice for one CSV, TSV or Excel file.",
            "Load the files one by one, or mend the first row in them.",
        )
    info, text = table.files[0], as_text(table.data, table.columns)
    notes = [note for note in table.notes if note != NO_NAMES]
    if first_row == "names":
        if len(table) < 2:
            raise DataError(
                "There are no rows here", "Under the first row there is nothing.", "Leave it as a row of data."
            )
        header = tuple(cell or "" for cell in text.slice(0, 1).to_pylist()[0].values())
        data = text.slice(1).rename_columns(clean_headers(header, notes))
    else:
        header = ()
        names = [f"column_{place}" for place in range(1, text.num_columns + 1)]
        cells = zip(names, _padded(info, text.num_columns), strict=True)
        top = pa.table({name: pa.array([cell or None], pa.string()) for name, cell in cells})
        data = pa.concat_tables([top, text.rename_columns(names)])
        notes.append(NO_NAMES)
    file = replace(info, rows=data.num_rows, first_row=first_row, header=header)
    return Table(numbers(data.combine_chunks()), (file,), tuple(notes))


def _padded(info: FileInfo, width: int) -> list[str]:
    return [*info.header[:width], *[""] * (width - len(info.header))]
