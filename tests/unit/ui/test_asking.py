"""A stream shows and writes only while it is wanted."""

import threading
import time
from collections.abc import Generator
from typing import Any

import gradio as gr
import pytest

from studio.core.errors import RunError
from studio.ui import asking as module
from studio.ui.asking import Askings


class Playground:
    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, token: str = "") -> None:
        self.cancelled.append(token)


def counting(until: int = 100_000) -> Generator[list[Any], None, None]:
    """Minutes long unless told otherwise: whoever is held up still finds it going on."""
    for number in range(until):
        time.sleep(0.002)
        yield [number]


def test_a_stream_that_is_wanted_is_shown_to_its_end() -> None:
    with Askings("ask", lambda session: 1).begin("me", "run-1", Playground()) as asking:
        assert list(asking.shown(counting(3), 1)) == [[0], [1], [2]]


def test_when_drop_returns_nothing_more_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 120)
    askings, playground, seen = Askings("ask", lambda session: 1), Playground(), []

    def stream() -> None:
        with askings.begin("me", "run-1", playground) as asking:
            for updates in asking.shown(counting(), 1):
                seen.append(updates)

    thread = threading.Thread(target=stream, daemon=True)
    thread.start()
    while len(seen) < 3 and thread.is_alive():
        time.sleep(0.001)
    askings.drop("me")
    shown = len(seen)
    thread.join(120)
    assert not thread.is_alive()
    assert len(seen) == shown < 100_000
    assert seen[-1] == [gr.skip()]
    assert playground.cancelled == ["me/ask"]
    askings.drop("me")
    assert playground.cancelled == ["me/ask"], "there is nothing left to end"


def test_who_goes_elsewhere_wants_no_answer_any_more() -> None:
    places = {"me": 1, "other": 1}
    askings, mine, theirs = Askings("ask", lambda session: places[session]), Playground(), Playground()
    with askings.begin("me", "run-1", mine) as asking, askings.begin("other", "run-1", theirs):
        shown = asking.shown(counting(), 1)
        assert next(shown) == [0]
        places["me"] = 2
        askings.drop_unwanted()
        assert list(shown) == [[gr.skip()]]
        assert (mine.cancelled, theirs.cancelled) == (["me/ask"], [])
        with askings.begin("me", "run-2", Playground()) as next_one:
            assert next_one.wanted
        assert not asking.wanted


def test_one_question_at_a_time_unless_the_first_is_not_wanted() -> None:
    askings = Askings("ask", lambda session: 0)
    with askings.begin("me", "run-1", Playground()):
        with pytest.raises(RunError, match="still answering"), askings.begin("me", "run-1", Playground()):
            pass
        with askings.begin("other", "run-1", Playground()):
            pass
    with askings.begin("me", "run-1", Playground()):
        pass


def test_stopping_keeps_what_there_is() -> None:
    askings, playground = Askings("list", lambda session: 1), Playground()
    with askings.begin("me", "run-1", playground) as asking:
        askings.stop("me")
        assert asking.stopped
        assert asking.wanted
    assert playground.cancelled == ["me/list"]
