"""Windows: what they hold, in which order, and going on at the same place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import DataError
from studio.pretraining.corpus import read_documents
from studio.pretraining.packing import Mixture, read_tokens, write_tokens
from studio.pretraining.tokenizer import END_OF_TEXT, load_tokenizer, render

SOURCES = {"a": np.arange(1000, dtype=np.uint16), "b": np.arange(5000, 6000, dtype=np.uint16)}


def test_token_files_hold_every_document_closed_by_its_end_mark(tiny_work: Path) -> None:
    tokenizer = load_tokenizer(tiny_work / "tokenizer")
    tokens = read_tokens(tiny_work / "tokens" / "talks" / "train.bin")
    documents = read_documents(tiny_work / "text" / "talks" / "train.jsonl")
    assert int((tokens == END_OF_TEXT).sum()) == len(documents)
    end = int(np.argmax(tokens == END_OF_TEXT))
    assert tokenizer.decode(tokens[:end].tolist(), skip_special_tokens=False) == render(documents[0])


def test_a_pass_reads_each_window_once_and_the_next_pass_cuts_elsewhere() -> None:
    mixture = Mixture(SOURCES, {"a": 1.0}, 32, seed=3)
    per_pass = (1000 - 1) // 32 - 1
    first, second = (mixture.batch(per_pass)[:, 0] for _ in range(2))
    assert len(set(first.tolist())) == per_pass
    assert first[0] % 32 != second[0] % 32


def test_windows_are_stretches_with_one_token_to_predict_more() -> None:
    batch = Mixture(SOURCES, {"a": 0.5, "b": 0.5}, 16, seed=3).batch(8)
    assert batch.shape == (8, 17)
    assert (np.diff(batch, axis=1) == 1).all()


def test_the_shares_are_kept() -> None:
    batch = Mixture(SOURCES, {"a": 3, "b": 1}, 4, seed=3).batch(400)
    assert 0.68 < float((batch[:, 0] < 1000).mean()) < 0.82


def test_going_on_from_a_state_gives_the_same_windows() -> None:
    one = Mixture(SOURCES, {"a": 0.5, "b": 0.5}, 8, seed=5)
    for _ in range(40):
        one.batch(5)
    two = Mixture(SOURCES, {"a": 0.5, "b": 0.5}, 8, seed=5)
    two.restore(one.state())
    for _ in range(40):
        np.testing.assert_array_equal(one.batch(5), two.batch(5))


def test_a_source_smaller_than_its_windows_is_refused() -> None:
    with pytest.raises(DataError, match="too small"):
        Mixture({"a": np.arange(10, dtype=np.uint16)}, {"a": 1.0}, 16, seed=1)


def test_tokens_that_are_not_there_name_the_step_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tokenizer step"):
        read_tokens(tmp_path / "none.bin")


def test_tokens_written_anew_leave_a_run_that_reads_the_old_ones_alone(tiny_work: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_work / "tokenizer")
    path = tmp_path / "train.bin"
    write_tokens(tokenizer, [{"text": "The old miller walked to the river. " * 400}], path)
    mapped = read_tokens(path)
    before = mapped.tolist()
    write_tokens(tokenizer, [{"text": "Short."}], path)
    assert mapped.tolist() == before
    assert len(read_tokens(path)) < len(before)
    assert [file.name for file in tmp_path.iterdir()] == ["train.bin"]
