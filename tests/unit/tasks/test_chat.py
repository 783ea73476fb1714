"""The chat task's own judgement: what is usable, what is asked, what a system prompt does."""

import pytest

from studio.core.recipe import DataOptions
from studio.tasks.chat import ChatTask

task = ChatTask()


def row(*turns, number=0):
    return {"row": number, "messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize(
    ("turns", "usable"),
    [
        ([("user", "Hi"), ("assistant", "Hello")], True),
        ([("system", "Be kind"), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")], True),
        ([("user", "Hi")], False),
        ([("assistant", "Hello")], False),
        ([("assistant", "Hello"), ("user", "Hi")], False),
        ([("user", "  "), ("assistant", "Hello")], False),
        ([("user", "Hi"), ("assistant", "\n")], False),
        ([], False),
    ],
)
def test_a_row_is_usable_when_somebody_asks_and_the_assistant_answers(turns, usable):
    assert bool(task.usable([row(*turns)])) is usable


def test_the_system_prompt_goes_before_conversations_that_have_none():
    plain, own = row(("user", "a"), ("assistant", "b")), row(("system", "mine"), ("user", "a"), ("assistant", "b"))
    prepared = task.prepare([plain, own], DataOptions(system_prompt=" Be brief. "))
    assert [example["messages"][0]["content"] for example in prepared] == ["Be brief.", "mine"]
    assert plain["messages"][0]["role"] == "user", "the original stays as it was"


def test_prompts_are_distinct_first_questions():
    rows = [
        row(("user", "a"), ("assistant", "x"), ("user", "later")),
        row(("user", "a")),
        row(("user", " ")),
        row(("user", "b")),
    ]
    assert task.prompts(rows, 5) == ["a", "b"]
    assert task.prompts(rows, 1) == ["a"]


def test_the_group_key_is_all_that_the_person_said():
    assert task.group_key(row(("user", "a"), ("assistant", "x"), ("user", "b"))) == "a\nb"
