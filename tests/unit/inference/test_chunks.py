"""Pieces of text gathered into chunks: none lost, none late, an error carried over."""

import queue
from types import SimpleNamespace

import pytest

from studio.inference import chunks
from studio.inference.chunks import gathered


def told(*pieces):
    news = queue.SimpleQueue()
    for piece in pieces:
        news.put(piece)
    return news


def all_of(*pieces, notes=()):
    return list(gathered(told(*pieces, None), 100.0, notes))


def test_pieces_of_both_rows_add_up_to_their_texts():
    got = all_of(
        (0, "a", False, 1, 100.1), (1, "x", False, 1, 100.2), (0, "b", True, 2, 100.3), (1, "y", True, 2, 100.4)
    )
    assert "".join(chunk.base for chunk in got) == "ab"
    assert "".join(chunk.tuned for chunk in got) == "xy"
    last = got[-1]
    assert (last.base_done, last.tuned_done, last.base_tokens, last.tuned_tokens) == (True, True, 2, 2)
    assert (last.base_seconds, last.tuned_seconds) == (0.3, 0.4)


def test_a_note_is_told_once_and_first():
    got = all_of((0, "a", True, 1, 100.1), notes=("cut",))
    assert got[0].notes == ("cut",)
    assert not any(chunk.notes for chunk in got[1:])


@pytest.mark.parametrize("uptime", [0.0, 100.0])
def test_the_first_piece_comes_at_once_and_the_next_wait_for_one_another(monkeypatch, uptime):
    """The clock tells, at each piece, a time of our choice; how fast this machine is does not matter."""
    clock = iter([uptime, uptime + 0.6 * chunks.EVERY_S, uptime + 1.2 * chunks.EVERY_S])
    monkeypatch.setattr(chunks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    pieces = [(0, text, False, number, 0.1) for number, text in enumerate("abc", start=1)]
    stream = gathered(told(*pieces), 0.0, ())
    assert next(stream).base == "a"
    assert next(stream).base == "bc"


def test_a_piece_that_nothing_follows_is_not_kept_back(monkeypatch):
    clock = iter([100.0, 100.0, 100.0 + 2 * chunks.EVERY_S])
    monkeypatch.setattr(chunks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = gathered(told((0, "a", False, 1, 100.1), (0, "b", False, 2, 100.2)), 100.0, ())
    assert next(stream).base == "a"
    assert next(stream).base == "b", "though the answer has not ended and no other piece has come"


def test_nothing_said_is_no_chunk_and_an_empty_answer_one():
    assert all_of() == []
    assert [chunk.base for chunk in all_of((0, "", True, 0, 100.1))] == [""]


def test_what_broke_the_generation_is_raised_where_the_question_was_asked():
    stream = gathered(told((0, "a", False, 1, 100.1), MemoryError("full")), 100.0, ())
    assert next(stream).base == "a"
    with pytest.raises(MemoryError):
        list(stream)
