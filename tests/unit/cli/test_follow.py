"""Talking to both models from a terminal."""

from collections.abc import Iterator
from typing import Any

import pytest

from studio.cli import follow
from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import playground
from studio.runs.folder import RunFolder


class FakePlayground:
    asked: list[Any] = []

    def __init__(self, path: Any) -> None:
        self.asked.clear()

    def chat(self, base: Any, tuned: Any, sampling: Any) -> Iterator[dict[str, Any]]:
        self.asked.append([message["content"] for message in tuned])
        if base[-1]["content"] == "long":
            raise RunError("This message is too long", "It takes 4009 tokens.", "Shorten it.", code="too_long")
        if base[-1]["content"] == "broken":
            raise RunError("The playground ended", "It did.", "Try again.")
        yield {"base": "b", "tuned": "t"}

    def close(self) -> None:
        pass


@pytest.fixture
def run(tmp_path, monkeypatch):
    run = RunFolder.create(Workspace.open(tmp_path), "run")
    Recipe(task="chat").save(run.recipe_path)
    run.model_dir.mkdir()
    run.change_state(state="finished")
    monkeypatch.setattr(playground, "Playground", FakePlayground)
    return run


def test_a_message_that_is_too_long_does_not_end_the_conversation(run):
    follow.converse(run, iter(["one", "long", "two"]), {})
    assert FakePlayground.asked[-1] == ["one", "t", "two"]


def test_anything_else_does(run):
    with pytest.raises(RunError, match="ended"):
        follow.converse(run, iter(["broken", "two"]), {})
