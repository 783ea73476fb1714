"""The nouns of the data side: Table, Reading, Example, Finding, Fix, Splits. No logic beyond what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import pyarrow as pa

Severity = Literal["stop", "caution", "note"]


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class Example(TypedDict):
    """One row as a task understands it.

    ``row`` is the 0-based row in the table it came from, so that any finding can be traced back. Chat rows have
    ``messages``; labelled rows have ``text`` and ``label``. ``split`` is there when the data itself says it.
    """

    row: int
    messages: NotRequired[list[Message]]
    text: NotRequired[str]
    label: NotRequired[str]
    split: NotRequired[str]


@dataclass(frozen=True)
class FileInfo:
    """What reading one file found out."""

    name: str
    format: str
    rows: int
    sha256: str = ""
    encoding: str = ""
    delimiter: str = ""
    split: str | None = None
    first_row: str = ""
    """"names" or "data" for a sheet, empty for what has no first row."""
    header: tuple[str, ...] = ()
    """The cells of a first row that holds the names, as they are in the file."""


@dataclass(frozen=True)
class Table:
    """Rows and named columns as they were read: strings, numbers, or nested lists and structs; nothing cleaned yet."""

    data: pa.Table
    files: tuple[FileInfo, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(self.data.column_names)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def page(self, start: int, count: int) -> list[dict[str, Any]]:
        """Rows ``start`` to ``start + count`` as dictionaries."""
        return self.data.slice(max(0, start), count).to_pylist()

    def fingerprint(self) -> str:
        """Sixteen hex digits over names, types and contents of the columns."""
        digest = hashlib.sha256(str(self.data.schema.remove_metadata()).encode())
        for batch in self.data.combine_chunks().to_batches():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
                writer.write_batch(batch.replace_schema_metadata(None))
            digest.update(sink.getvalue())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Reading:
    """What a task understood of a table.

    Attributes:
        task: The task's name ("chat").
        score: 0 to 1, how well the table fits the task; 0 is "not at all".
        shape: How rows are laid out ("messages", "sharegpt", "alpaca", "pairs", "text+label", …).
        roles: Role → column name, what :meth:`Task.examples` needs and the person may change.
        sentence: One sentence for the person: what was understood.
        problem: When nothing usable was found: a sentence that says what to do; otherwise empty.
    """

    task: str
    score: float
    shape: str
    roles: dict[str, Any]
    sentence: str
    problem: str = ""


@dataclass(frozen=True)
class Fix:
    """A change of examples that can be previewed, applied and undone.

    ``apply`` is pure: it takes the examples as they are when the fix's turn comes and returns new ones; it never
    changes an example in place. It finds its own rows again, so that it works after other fixes.
    """

    id: str
    title: str
    explanation: str
    apply: Callable[[list[Example]], list[Example]]


@dataclass(frozen=True)
class Finding:
    """One thing noticed about the data.

    Attributes:
        check: Stable id ("exact_duplicates").
        severity: ``stop`` (training would fail or mislead), ``caution`` (better mend it), ``note`` (good to know).
        title: What it is, with the count ("14 rows appear more than once").
        explanation: Why it matters, one or two sentences.
        count: Rows concerned.
        rows: Their row numbers in the table (at most 1,000 kept).
        examples: At most five short strings to show, untrusted text.
        fixes: What can be done, the recommended one first; empty when only a person can decide.
    """

    check: str
    severity: Severity
    title: str
    explanation: str
    count: int
    rows: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class CheckContext:
    """What checks may need beside the examples.

    Attributes:
        token_lengths: One length in tokens per example, or None while the base's tokenizer is not on this machine.
        max_length: Where the run will cut rows, in tokens, or None.
        context: The most tokens that the base reads, or None.
    """

    token_lengths: Sequence[int] | None = None
    max_length: int | None = None
    context: int | None = None


@dataclass(frozen=True)
class Change:
    """What a fix does to one example: ``after`` is None when the row goes."""

    row: int
    before: Example
    after: Example | None


@dataclass(frozen=True)
class Splits:
    """Examples in three parts; no duplicate crosses from one to another."""

    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    test: list[Example] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def sizes(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}
