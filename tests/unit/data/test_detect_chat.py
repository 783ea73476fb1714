"""Which column speaks for whom."""

from __future__ import annotations

from typing import Any

import pytest

from studio.core.assets import sample_data_dir
from studio.data.detect_chat import read_chat
from studio.data.labels import read_labels
from studio.data.load import load_files

from .helpers import pairs, table


@pytest.mark.parametrize(
    ("user", "assistant"),
    [
        ("question", "answer"),
        ("Prompt", "Completion"),
        ("query", "response"),
        ("input", "output"),
        ("user", "assistant"),
        ("Customer message", "Our reply"),
        ("customer_query", "agent_response"),
        ("Frage", "Antwort"),
        ("pregunta", "respuesta"),
        ("问题", "回答"),
        ("question_text", "answer_text"),
    ],
)
def test_names_of_columns(user: str, assistant: str) -> None:
    reading = read_chat(pairs(user, assistant))
    assert reading.roles == {"user": user, "assistant": assistant}
    assert reading.score >= 0.8
    assert reading.score > read_labels(pairs(user, assistant)).score


def test_the_answer_is_known_whatever_the_order() -> None:
    source = table([{"answer": f"It is blue, number {i}.", "question": f"Is it red, number {i}?"} for i in range(9)])
    assert read_chat(source).roles == {"user": "question", "assistant": "answer"}


def test_dolly() -> None:
    source = pairs("instruction", "response", context="Some background.", category="open_qa")
    reading = read_chat(source)
    assert reading.roles == {"user": "instruction", "assistant": "response", "context": "context"}


def test_two_columns_of_prose_without_known_names() -> None:
    source = pairs("column_1", "column_2")
    reading = read_chat(source)
    assert reading.roles == {"user": "column_1", "assistant": "column_2"}
    assert 0 < reading.score < 0.8


def test_a_named_answer_beside_one_other_text() -> None:
    assert read_chat(pairs("zzz", "answer", count=9, id=3)).roles == {"user": "zzz", "assistant": "answer"}


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": f"Only some text here, number {i}."} for i in range(9)],
        [{"a": i, "b": i * 2} for i in range(9)],
        [{"text": f"My lamp {i} is broken, help me.", "category": ["repair", "billing"][i % 2]} for i in range(30)],
    ],
)
def test_what_is_no_chat_says_what_to_do(rows: list[dict[str, Any]]) -> None:
    reading = read_chat(table(rows))
    assert reading.score == 0
    assert reading.problem.endswith(".")
    assert not reading.roles


@pytest.mark.parametrize(("name", "task"), [("support_chat.jsonl", "chat"), ("messy_support.csv", "chat"), ("ticket_labels.csv", "text_classification")])  # fmt: skip
def test_samples_are_recognised(name: str, task: str) -> None:
    source = load_files([sample_data_dir() / name])
    best = max((read_chat(source), read_labels(source)), key=lambda r: r.score)
    assert best.task == task
    assert best.score >= 0.9
