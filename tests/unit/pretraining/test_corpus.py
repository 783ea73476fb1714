"""Cleaning, the held-out part, and copies."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from studio.core.errors import DataError
from studio.pretraining.corpus import (
    Counts,
    clean_documents,
    clean_text,
    hold_out,
    prepare_source,
    read_documents,
    read_pairs,
    read_rows,
    without_copies,
)
from studio.pretraining.settings import Corpus, Source

LONG = "The miller counted his sacks twice, because the first count had come out one short and he trusted nobody. "


def _source(**values: object) -> Source:
    return Source.model_validate({"file": "a.jsonl", "title": "A", "licence": "CC0", **values})


def test_quotes_dashes_ligatures_and_empty_lines_become_plain() -> None:
    assert clean_text("\ufeff“De\ufb01ne” it--now…\r\n\n\n\n  And  then") == '"Define" it - now...\n\nAnd then'


def test_markdown_keeps_the_words_and_loses_the_marks() -> None:
    rows = [
        {
            "text": "# Title\n\nRead **[our guide](https://x.y/z)** about\nplain *words* and nothing else today.",
            "source": "p",
        }
    ]
    (document,) = clean_documents(_source(kind="markdown"), rows, Counts())
    assert document["text"] == "Title\n\nRead our guide about plain words and nothing else today."


def test_instruction_rows_become_dialogues_and_short_ones_stay() -> None:
    rows = [
        {"instruction": "Capital of Spain?", "context": "", "response": "Madrid [1]"},
        {"instruction": "Who?", "context": "Ann came.", "response": "Ann"},
        {"instruction": "Nothing", "context": "", "response": " "},
    ]
    counts = Counts()
    first, second = clean_documents(_source(kind="instruction"), rows, counts)
    assert [m["content"] for m in first["messages"]] == ["Capital of Spain?", "Madrid"]
    assert second["messages"][0]["content"] == "Who?\n\nAnn came."
    assert counts.left_out == {"too short after cleaning": 1}


def test_the_bare_result_of_an_arithmetic_row_becomes_a_sentence() -> None:
    rows = [{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "2+2=4\n#### 4"}]}]
    (document,) = clean_documents(_source(kind="messages"), rows, Counts())
    assert document["messages"][1]["content"] == "2+2=4\nThe answer is 4."


def test_documents_excluded_by_name_are_counted() -> None:
    counts = Counts()
    rows = [{"text": LONG, "source": "William Shakespeare/Hamlet.md"}]
    assert list(clean_documents(_source(exclude=["William Shakespeare/"]), rows, counts)) == []
    assert counts.left_out == {"excluded by name": 1}


def test_the_held_out_part_repeats_and_keeps_groups_whole() -> None:
    documents = [{"text": f"{n} {LONG}", "source": "", "group": f"g{n // 3}"} for n in range(300)]
    held, kept = hold_out(documents, 0.05, 3, "salt")
    again, _ = hold_out(list(reversed(documents)), 0.05, 3, "salt")
    assert {d["group"] for d in held} == {d["group"] for d in again}
    assert {d["group"] for d in held}.isdisjoint({d["group"] for d in kept})
    assert len(held) + len(kept) == 300
    assert 0.04 < len(held) / 300 < 0.08


def test_something_is_left_to_train_on_even_in_a_tiny_source() -> None:
    held, kept = hold_out([{"text": LONG, "source": "", "group": str(n)} for n in range(2)], 0.005, 3, "salt")
    assert (len(held), len(kept)) == (1, 1)


def test_long_paragraphs_of_the_held_out_part_are_dropped_from_training() -> None:
    counts = Counts()
    held = [{"text": f"Once.\n\n{LONG}", "group": "a"}]
    train = [{"text": f"{LONG.upper()}\n\nAnother tale that stands on its own two feet goes here.", "group": "b"}]
    (kept,) = without_copies(train, held, counts)
    assert kept["text"] == "Another tale that stands on its own two feet goes here."
    assert counts.left_out == {"copied paragraph": 1}


def test_whole_copies_are_dropped() -> None:
    counts = Counts()
    kept = without_copies([{"text": LONG}, {"text": LONG.replace(",", "")}], [], counts)
    assert len(kept) == 1
    assert counts.left_out == {"copy of another document": 1}


def test_train_and_held_out_share_no_document(tiny_work: Path) -> None:
    for name in ("stories", "talks"):
        train = {json.dumps(d) for d in read_documents(tiny_work / "text" / name / "train.jsonl")}
        held = {json.dumps(d) for d in read_documents(tiny_work / "text" / name / "held_out.jsonl")}
        assert train
        assert held
        assert train.isdisjoint(held)


def test_what_another_source_holds_out_is_not_trained_on(tmp_path: Path) -> None:
    rows = "\n".join(json.dumps({"text": f"{n}. {LONG} {n}", "source": str(n)}) for n in range(20))
    (tmp_path / "a.jsonl").write_text(rows, encoding="utf-8")
    corpus = Corpus.model_validate({"held_out_share": 0.2, "sources": {}})
    prepare_source("one", _source(), corpus, tmp_path, tmp_path / "text")
    prepare_source("two", _source(), corpus, tmp_path, tmp_path / "text")
    held = {d["text"] for d in read_documents(tmp_path / "text/one/held_out.jsonl")}
    assert held.isdisjoint({d["text"] for d in read_documents(tmp_path / "text/two/train.jsonl")})


def test_pairs_multiply_questions_by_answers_and_hold_together(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("# note\n\nhi | Hey\nHello!\nGood day!\n\nbye\nSee you.\n", encoding="utf-8")
    rows = list(read_pairs(path))
    asked = [row["messages"][0]["content"] for row in rows]
    assert sorted(asked) == sorted(["hi", "hi", "Hey", "Hey", "Hi", "Hi", "bye", "Bye"])
    assert len({row["source"] for row in rows}) == 2
    assert list(read_pairs(tmp_path)) == rows, "a folder is all its files, in the same order every time"


def test_compressed_rows_are_read_and_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"text": "one"}\n\n{"text": \n'))
    rows = read_rows(path)
    assert next(rows) == {"text": "one"}
    with pytest.raises(DataError, match="line 3"):
        next(rows)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--texts"):
        list(read_rows(tmp_path / "none.jsonl"))
