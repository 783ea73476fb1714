"""Rows as conversations, and the sentence that says what was understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.core.assets import sample_data_dir
from studio.core.errors import DataError
from studio.data.chat import chat_examples, describe_chat
from studio.data.detect_chat import read_chat
from studio.data.load import load_files
from studio.data.types import Table

from .helpers import pairs, table

TURNS = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Right here."}]
SHARE = [{"from": "human", "value": "Where is it?"}, {"from": "gpt", "value": "Right here."}]


def contents(source: Table) -> list[list[tuple[str, str]]]:
    examples = chat_examples(source, read_chat(source).roles)
    return [[(m["role"], m["content"]) for m in e["messages"]] for e in examples]


@pytest.mark.parametrize(
    "cell",
    [
        TURNS,
        json.dumps(TURNS),
        repr(TURNS),
        SHARE,
        json.dumps({"messages": TURNS}),
        ["Where is it?", "Right here."],
        "### Human: Where is it?\n### Assistant: Right here.",
        "User: Where is it?\nBot: Right here.",
        "<|im_start|>user\nWhere is it?<|im_end|>\n<|im_start|>assistant\nRight here.<|im_end|>",
        [*TURNS, {"role": "tool", "content": "{}"}, {"role": "assistant", "content": ""}],
        [{"role": "user", "content": [{"type": "text", "text": "Where is it?"}]}, {"role": "assistant", "content": [{"type": "text", "text": "Right here."}]}],
    ],
)  # fmt: skip
def test_a_column_of_whole_conversations(cell: Any) -> None:
    source = table([{"messages": cell}] * 3)
    reading = read_chat(source)
    assert reading.score > 0.9
    assert reading.roles == {"messages": "messages"}
    assert contents(source)[0] == [("user", "Where is it?"), ("assistant", "Right here.")]


def test_whole_conversations_under_any_name_with_a_system_column() -> None:
    source = table([{"id": "x", "log": SHARE, "system": "Be kind."}] * 3)
    reading = read_chat(source)
    assert reading.shape == "sharegpt"
    assert contents(source)[0][0] == ("system", "Be kind.")


def test_alpaca_puts_its_input_under_the_instruction() -> None:
    rows = [{"instruction": "Translate this.", "input": "Hallo", "output": "Hello there", "system": "Be brief."}]
    rows.append({"instruction": "Tell me a joke.", "input": "", "output": "No jokes today.", "system": ""})
    source = table(rows)
    assert read_chat(source).shape == "alpaca"
    assert contents(source)[0] == [("system", "Be brief."), ("user", "Translate this.\n\nHallo"), ("assistant", "Hello there")]  # fmt: skip
    assert contents(source)[1][0] == ("user", "Tell me a joke.")


def test_one_row_per_message_in_order_of_turns() -> None:
    rows = [
        {"conversation_id": "a", "turn": 2, "role": "Agent", "content": "Second words"},
        {"conversation_id": "b", "turn": 1, "role": "Customer", "content": "Other words"},
        {"conversation_id": "a", "turn": 1, "role": "Customer", "content": "First words"},
        {"conversation_id": "b", "turn": 2, "role": "Agent", "content": "Other answer"},
    ]
    source = table(rows)
    reading = read_chat(source)
    assert reading.roles == {"role": "role", "content": "content", "conversation": "conversation_id"}
    assert contents(source)[0] == [("user", "First words"), ("assistant", "Second words")]
    assert reading.sentence.startswith("2 conversations, one turn each")


def test_turns_of_one_conversation_in_rows_of_pairs() -> None:
    rows = [
        {"thread_id": i // 2, "question": f"Question number {i}?", "answer": f"Answer number {i}."} for i in range(8)
    ]
    source = table(rows)
    assert read_chat(source).roles["conversation"] == "thread_id"
    examples = chat_examples(source, read_chat(source).roles)
    assert len(examples) == 4
    assert len(examples[0]["messages"]) == 4
    assert "2.0 turns each" in read_chat(source).sentence


def test_missing_and_unknown_columns() -> None:
    source = pairs("question", "answer")
    with pytest.raises(DataError, match="no column “nothing”"):
        chat_examples(source, {"user": "question", "assistant": "nothing"})
    with pytest.raises(DataError, match="column is missing"):
        chat_examples(source, {"user": "question"})
    with pytest.raises(DataError):
        chat_examples(source, {"user": ["question"], "assistant": "answer"})


def test_empty_sides_stay_rows() -> None:
    source = table(
        [{"question": "a", "answer": None}, {"question": " ", "answer": "b"}, {"question": "c", "answer": "d"}]
    )
    examples = chat_examples(source, {"user": "question", "assistant": "answer"})
    assert [e["row"] for e in examples] == [0, 1, 2]
    assert [len(e["messages"]) for e in examples] == [1, 1, 2]


def test_sentences() -> None:
    source = load_files([sample_data_dir() / "support_chat.jsonl"])
    reading = read_chat(source)
    expected = f"{len(source):,} conversations, one turn each, English; column “question” speaks for the person, “answer” for the assistant."
    assert reading.sentence == expected
    assert describe_chat(source, reading.roles, chat_examples(source, reading.roles)) == expected
