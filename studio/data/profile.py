"""A look at each column: is it prose, a few labels, numbers, nested? Both readers (chat, labels) judge by this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from studio.data import names as known_names
from studio.data.text import cell_text
from studio.data.types import Example, Table

SAMPLE = 2_000


@dataclass(frozen=True)
class Column:
    """What a sample of up to 2,000 cells of a column shows.

    Attributes:
        kind: "text", "number" or "nested".
        filled: Share of cells that hold something.
        length: Mean characters of the filled cells.
        words: Mean words of the filled cells.
        distinct: Different values in the sample.
        sampled: Filled cells looked at.
        whole: For numbers: all are whole.
    """

    name: str
    kind: str
    filled: float
    length: float
    words: float
    distinct: int
    sampled: int
    whole: bool = False

    @property
    def distinct_share(self) -> float:
        return self.distinct / max(1, self.sampled)

    @property
    def prose(self) -> bool:
        """Text that says something: several words, and not the same few values over and over."""
        return self.kind == "text" and self.length >= 2 and not self.label_like and not self.code_like

    @property
    def label_like(self) -> bool:
        """Few, short values that come again and again."""
        if self.sampled < 4 or self.distinct < 2 or self.kind == "nested":
            return False
        if self.kind == "number":
            return self.whole and self.distinct <= 100 and self.distinct_share <= 0.2
        limit = max(0.5 if self.sampled < 50 else 0.2, 0.0)
        return self.length <= 60 and self.words <= 6 and self.distinct_share <= limit and self.distinct <= 1_000

    @property
    def code_like(self) -> bool:
        """Identifiers, dates, links: one word each, no two alike."""
        return self.kind == "text" and self.words < 1.2 and self.distinct_share > 0.9 and self.length > 5


def sample(table: Table, size: int = SAMPLE) -> Table:
    """Rows spread evenly over the table (sheets are often sorted, so the first rows alone mislead)."""
    rows = len(table)
    if rows <= size:
        return table
    step = rows / size
    return Table(table.data.take(pa.array([int(i * step) for i in range(size)])), table.files, table.notes)


def spread(examples: Sequence[Example], size: int = 200) -> list[Example]:
    """Examples taken evenly from all."""
    step = max(1, len(examples) // size)
    return list(examples[::step][:size])


def look(table: Table) -> dict[str, Column]:
    """Column name → what it looks like."""
    part = sample(table)
    return {name: _look(name, part.data.column(name)) for name in part.columns}


def _look(name: str, column: pa.ChunkedArray) -> Column:
    if pa.types.is_nested(column.type):
        kind, whole = "nested", False
    elif pa.types.is_integer(column.type):
        kind, whole = "number", True
    elif pa.types.is_floating(column.type):
        kind, whole = "number", bool(pc.all(pc.equal(pc.floor(column), column)).as_py())
    else:
        kind, whole = "text", False
    values = [text for text in map(cell_text, column.to_pylist()) if text.strip()]
    count = max(1, len(values))
    return Column(
        name=name,
        kind=kind,
        filled=len(values) / max(1, len(column)),
        length=sum(map(len, values)) / count,
        words=sum(len(v.split()) for v in values) / count,
        distinct=len({v.strip().casefold() for v in values}),
        sampled=len(values),
        whole=whole,
    )


def split_column(table: Table) -> str | None:
    """The column that says train, validation or test in (nearly) every row, or None."""
    for name in table.columns:
        if known_names.key(name) not in known_names.SPLIT:
            continue
        column = table.data.column(name)
        if pa.types.is_nested(column.type):
            continue
        values = [cell_text(v) for v in pc.unique(column).to_pylist() if v is not None]
        words = {known_names.split_word(v) for v in values}
        if values and None not in words and len(words) > 1:
            return name
    return None
