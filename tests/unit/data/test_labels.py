"""Which column holds the text and which the label."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from studio.core.errors import DataError
from studio.data.detect_chat import read_chat
from studio.data.labels import describe_labels, label_examples, read_labels
from studio.data.types import Table

LABELS = ["repair", "billing", "delivery"]


def tickets(
    text: str = "text", label: str = "category", values: list[Any] | None = None, count: int = 60, **more: Any
) -> Table:
    values = LABELS if values is None else values
    rows = [
        {text: f"My lamp number {i} has a problem, can you help me with it?", label: values[i % len(values)], **more}
        for i in range(count)
    ]
    return Table(pa.Table.from_pylist(rows))


@pytest.mark.parametrize(
    ("text", "label"),
    [("text", "category"), ("message", "intent"), ("Review Text", "Sentiment"), ("x", "y"), ("mensaje", "categoría"), ("column_1", "column_2")],
)  # fmt: skip
def test_names_of_columns(text: str, label: str) -> None:
    source = tickets(text, label)
    reading = read_labels(source)
    assert reading.roles == {"text": text, "label": label}
    assert reading.score > read_chat(source).score


def test_numeric_classes_but_no_measurements() -> None:
    assert read_labels(tickets(label="label", values=[0, 1, 2])).roles["label"] == "label"
    source = tickets(label="rating", values=[0.5, 1.25, 3.75])
    assert read_labels(source).score == 0
    assert read_labels(source).problem


def test_identifiers_and_own_splits_are_no_labels() -> None:
    source = tickets(label="split", values=["train", "test"])
    assert read_labels(source).score == 0
    unique = Table(
        pa.table({"text": [f"some words here {i}" for i in range(50)], "category": [f"c{i}" for i in range(50)]})
    )
    assert read_labels(unique).score == 0


def test_many_classes_are_still_classes() -> None:
    source = tickets(values=[f"intent_{i}" for i in range(77)], count=1_000)
    assert read_labels(source).score >= 0.9


def test_numbers_become_words_and_blanks_stay_rows() -> None:
    source = Table(pa.table({"t": ["a", None, "c"], "l": [1, 2, None]}))
    examples = label_examples(source, {"text": "t", "label": "l"})
    assert [(e["text"], e["label"]) for e in examples] == [("a", "1"), ("", "2"), ("c", "")]


def test_missing_columns() -> None:
    with pytest.raises(DataError, match="missing"):
        label_examples(tickets(), {"text": "text"})
    with pytest.raises(DataError, match="no column"):
        label_examples(tickets(), {"text": "text", "label": "colour"})


def test_sentence() -> None:
    source = tickets()
    roles = {"text": "text", "label": "category"}
    sentence = describe_labels(source, roles, label_examples(source, roles))
    assert sentence.startswith("60 texts with 3 labels (“repair”, “billing”, “delivery”), English;")
    assert sentence.endswith("column “text” holds the text, “category” its label.")
