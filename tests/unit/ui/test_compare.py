"""The Compare step without a browser, with a playground process whose models echo."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.playground import Playground
from studio.runs.playgrounds import PlaygroundPool
from studio.runs.splits import write_splits
from studio.ui import asking, prompt_list
from studio.ui.context import StudioContext
from studio.ui.shell import Shell
from studio.ui.steps.compare import CompareStep

ECHO = [sys.executable, str(Path(__file__).parents[1] / "runs" / "playground_fake.py")]
ME = SimpleNamespace(session_hash="me")
PATIENCE_S = 120.0
"""How long a process or a thread may be held up."""


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[StudioContext]:
    workspace = Workspace.open(tmp_path)
    pool = PlaygroundPool(workspace, make=lambda path: Playground(path, command=ECHO))
    yield StudioContext(workspace, _playgrounds=pool)
    pool.close()


@pytest.fixture
def places() -> dict[str, int]:
    """The number of each browser session's last navigation."""
    return {"me": 1}


@pytest.fixture
def step(studio: StudioContext, places: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> CompareStep:
    monkeypatch.setattr(Shell, "turn", lambda self, session: places[session])
    with gr.Blocks():
        run_id = gr.State(None)
        return CompareStep(studio, run_id, Shell(studio, run_id))


def a_run(studio: StudioContext, name: str, sample_prompts: tuple[str, ...] = ()) -> RunFolder:
    run = RunFolder.create(studio.workspace, name)
    recipe = Recipe(name=name, task="chat")
    recipe.training.sample_prompts = list(sample_prompts)
    recipe.save(run.recipe_path)
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": "a"}] for text in ("one", "two")]
    write_splits(run, Splits(train=[{"row": n, "messages": row} for n, row in enumerate(rows)]))  # type: ignore[typeddict-item]
    return run


def settings(step: CompareStep, **changed: Any) -> list[Any]:
    return [changed.get(c.elem_id.rsplit("-", 1)[-1], c.value) for c in step.form.components]


def ask(step: CompareStep, run: RunFolder, text: str, turns: Any = (), blind: bool = False) -> Iterator[list[Any]]:
    return step._ask(run.id, list(turns), blind, text, "", ME, *settings(step))  # type: ignore[arg-type]


def turns_of(updates: list[list[Any]]) -> Any:
    """The conversation as the last update that told it."""
    return [u[0] for u in updates if isinstance(u[0], list)][-1]


def is_skip(update: list[Any]) -> bool:
    return all(part == gr.skip() for part in update)


@pytest.fixture
def slow(step: CompareStep, studio: StudioContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An answer that does not end by itself, some words of it seen."""
    monkeypatch.setattr(asking, "WAIT_S", PATIENCE_S)
    run, seen = a_run(studio, "a"), []

    def stream() -> None:
        for updates in ask(step, run, "hold"):
            seen.append(updates)

    thread = threading.Thread(target=stream)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not (seen and "hold0" in str(seen[-1][1])):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield SimpleNamespace(run=run, seen=seen, thread=thread)
    step.asking.drop("me")
    thread.join()


@pytest.mark.parametrize("how", ["clear", "change the question"])
def test_clearing_during_an_answer_ends_it_and_it_does_not_come_back(
    step: CompareStep, slow: SimpleNamespace, how: str
) -> None:
    if how == "clear":
        cleared = step._clear(slow.run.id, False, ME)  # type: ignore[arg-type]
    else:
        cleared = step._edit(slow.run.id, turns_of(slow.seen), False, ME)  # type: ignore[arg-type]
        assert cleared[2] == "hold", "the question is back in its box"
    shown = len(slow.seen)
    assert cleared[0] == []
    slow.thread.join(timeout=PATIENCE_S)
    assert not slow.thread.is_alive()
    assert len(slow.seen) == shown, "nothing was shown after the pane was empty"
    assert is_skip(slow.seen[-1])
    assert "hold0" in str(slow.seen[-2][1])
    said = turns_of(list(ask(step, slow.run, "hi")))
    assert [turn.user for turn in said] == ["hi"]
    assert said[0].base.text == "hi0 hi1 "


def test_an_answer_does_not_follow_the_person_into_another_run(
    step: CompareStep, slow: SimpleNamespace, studio: StudioContext, places: dict[str, int]
) -> None:
    other = a_run(studio, "b")
    places["me"] += 1
    step._refresh(other.id)
    slow.thread.join(timeout=PATIENCE_S)
    assert not slow.thread.is_alive()
    assert is_skip(slow.seen[-1])
    # A conversation that came along all the same is not gone on with.
    said = turns_of(list(ask(step, other, "hi", turns_of(slow.seen))))
    assert [(turn.user, turn.run_id) for turn in said] == [("hi", other.id)]


def shown_again(step: CompareStep, run: RunFolder) -> SimpleNamespace:
    """The screen of somebody who comes to it, from another step, another browser or after a reload."""
    updates = dict(zip(step.outputs, step._refresh(run.id), strict=True))
    return SimpleNamespace(
        turns=updates[step.turns], panes=str(updates[step.panes]), blind=updates[step.blind],
        may_vote=updates[step.voting]["visible"],
    )  # fmt: skip


def test_a_conversation_is_there_again_and_goes_on(step: CompareStep, studio: StudioContext) -> None:
    run, other = a_run(studio, "a"), a_run(studio, "b")
    first = turns_of(list(ask(step, run, "hi")))
    said = shown_again(step, run)
    assert said.turns == first
    assert "hi0 hi1" in said.panes
    assert shown_again(step, other).turns == []
    list(ask(step, run, "ho", said.turns))
    assert [turn.user for turn in shown_again(step, run).turns] == ["hi", "ho"]
    step._clear(run.id, False, ME)  # type: ignore[arg-type]
    assert shown_again(step, run).turns == []
    run.conversation_path.write_text('{"turns": [3, {"user": 4}, {"user": "torn", "base": 1, "vote": []}]}')
    assert [turn.user for turn in shown_again(step, run).turns] == ["torn"]


def test_blind_answers_stay_blind_when_they_are_shown_again(step: CompareStep, studio: StudioContext) -> None:
    run = a_run(studio, "a")
    list(ask(step, run, "hi", blind=True))
    said = shown_again(step, run)
    assert (said.blind, said.may_vote) == (True, True)
    for telling in ("Base", "Tuned", "adapter", "tokens"):
        assert telling not in said.panes
    step._vote("B", run.id, said.turns)
    said = shown_again(step, run)
    assert (said.blind, said.may_vote, said.turns[0].vote) == (True, False, "B")
    assert "B was" in said.panes


def test_a_question_that_was_left_is_shown_and_can_be_asked_again(
    step: CompareStep, slow: SimpleNamespace, places: dict[str, int]
) -> None:
    assert [turn.user for turn in shown_again(step, slow.run).turns] == ["hold"], "from the first moment on"
    places["me"] += 1
    step._refresh(slow.run.id)
    slow.thread.join(timeout=PATIENCE_S)
    said = shown_again(step, slow.run)
    assert [(turn.user, turn.left_open, turn.answered) for turn in said.turns] == [("hold", True, False)]
    assert "hold0" in said.panes, "what had been said is kept"
    assert "“Ask again” asks this once more" in said.panes
    assert "ts-caret" not in said.panes
    places["me"] += 1
    again = step._again(slow.run.id, said.turns, False, "", ME, *settings(step))  # type: ignore[arg-type]
    assert [turn.user for turn in next(iter(again))[0]] == ["hold"]
    again.close()  # type: ignore[attr-defined]


def test_asking_again_rolls_other_dice_unless_a_seed_was_typed(step: CompareStep, studio: StudioContext) -> None:
    run = a_run(studio, "a")

    def again(turns: Any, **changed: Any) -> Any:
        return turns_of(list(step._again(run.id, turns, False, "", ME, *settings(step, **changed))))  # type: ignore[arg-type]

    first = turns_of(list(ask(step, run, "hi")))
    assert first[0].sampling["seed"] == 42
    second = again(first)
    third = again(second)
    seeds = {turns[0].sampling["seed"] for turns in (first, second, third)}
    assert len(seeds) == 3
    assert f"seed {third[0].sampling['seed']}" in shown_again(step, run).panes
    repeated = again(third, seed=str(second[0].sampling["seed"]))
    assert repeated[0].sampling["seed"] == second[0].sampling["seed"]


def test_a_vote_is_kept_with_the_settings_of_the_answer_and_in_its_own_run(
    step: CompareStep, studio: StudioContext
) -> None:
    run, other = a_run(studio, "a"), a_run(studio, "b")
    asked = step._ask(run.id, [], True, "hi", "", ME, *settings(step, temperature=0.25))  # type: ignore[arg-type]
    turns = turns_of(list(asked))
    step._vote("A", other.id, turns)
    assert not other.feedback_path.exists()
    voted = step._vote("A", run.id, turns)
    record = json.loads(run.feedback_path.read_text())
    assert record["sampling"]["temperature"] == 0.25
    assert voted[0][0].vote == "A"


def test_the_runs_sample_questions_are_those_of_its_recipe(step: CompareStep, studio: StudioContext) -> None:
    run = a_run(studio, "a", ("Where is my parcel?", " ", "Can I return it?"))
    shown = list(step.prompts._run(run.id, prompt_list.SAMPLES, "", "", ME, *settings(step)))  # type: ignore[arg-type]
    assert "All 2 answered." in str(shown[-1][3])
    table = Path(shown[-1][2]["value"]).read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in table] == ["prompt", "Where is my parcel?", "Can I return it?"]
    offered = [value for _, value in step.prompts.source.choices]
    assert prompt_list.SAMPLES in offered


def test_a_run_without_sample_questions_of_its_own_asks_those_of_its_rows(studio: StudioContext) -> None:
    run = a_run(studio, "a")
    assert [row["prompt"] for row in prompt_list.sample_questions(run, run.recipe())] == ["one", "two"]
    write_splits(run, Splits(train=[]))
    with pytest.raises(RunError, match="nothing to ask"):
        prompt_list.sample_questions(run, run.recipe())
