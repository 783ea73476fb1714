"""Answers that are still coming when the person clears or opens another run; models that only echo, slowly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import write_splits

from .conftest import PROGRAM, App, settle

FAKE = Path(__file__).parents[1] / "unit" / "runs" / "playground_fake.py"
ECHOING = f"""
from functools import partial
import sys
from studio.runs import playgrounds
from studio.runs.playground import Playground
playgrounds.PlaygroundPool = partial(
    playgrounds.PlaygroundPool, make=lambda path: Playground(path, command=[sys.executable, {str(FAKE)!r}])
)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("studio")
    server = App(folder / "workspace", folder / "server.log", program=ECHOING + PROGRAM)
    server.start()
    yield server
    server.stop()


def tuned_run(app: App, name: str) -> RunFolder:
    """A run that has ended, as far as the screens can tell."""
    run = RunFolder.create(Workspace.open(app.workspace), name)
    recipe = Recipe(name=name, task="chat")
    recipe.training.sample_prompts = ["Where is my parcel?", "Can I return it?"]
    recipe.save(run.recipe_path)
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    write_splits(run, Splits(train=[{"row": 0, "messages": messages}]))  # type: ignore[typeddict-item]
    run.model_dir.mkdir()
    (run.model_dir / "tailor.json").write_text("{}")
    run.change_state(state="finished")
    return run


def ask(page: Any, question: str) -> None:
    page.fill("#ts-ask textarea", question)
    page.keyboard.press("Enter")


def open_compare(page: Any, app: App, run: RunFolder) -> None:
    page.goto(f"{app.url}?run={run.id}&step=5")
    page.wait_for_selector("#ts-ask:visible")
    settle(page)


@pytest.mark.parametrize("how", ["#ts-chat-clear", "#ts-blind input"])
def test_a_conversation_that_is_cleared_during_an_answer_stays_empty(page: Any, app: App, how: str) -> None:
    run = tuned_run(app, "clearing")
    open_compare(page, app, run)
    ask(page, "slowly")
    page.wait_for_selector("#ts-panes >> text=slowly3")
    page.click(how)
    page.wait_for_selector("#ts-panes .ts-nothing")
    page.wait_for_timeout(1500)
    assert "slowly" not in page.inner_text("#ts-panes"), "the ended answer does not come back"
    page.wait_for_selector("#ts-chat-stop", state="hidden")
    ask(page, "hi")
    page.wait_for_selector("#ts-panes >> text=hi0 hi1")
    page.wait_for_selector("#ts-chat-stop", state="hidden")
    assert "slowly" not in page.inner_text("#ts-panes")


def test_a_conversation_is_there_after_another_step_and_a_reload(page: Any, app: App) -> None:
    run = tuned_run(app, "kept")
    open_compare(page, app, run)
    ask(page, "hi")
    page.wait_for_selector("#ts-panes >> text=hi0 hi1")
    page.wait_for_selector("#ts-chat-stop", state="hidden")
    page.click(".ts-journey button[data-step='5']")
    page.wait_for_selector("#ts-export-merged:visible")
    settle(page)
    page.click(".ts-journey button[data-step='4']")
    page.wait_for_selector("#ts-panes >> text=hi0 hi1")
    settle(page)
    ask(page, "slowly")
    page.wait_for_selector("#ts-panes >> text=slowly2")
    page.reload()
    page.wait_for_selector("#ts-panes >> text=hi0 hi1")
    page.wait_for_selector("#ts-panes >> text=was left before both had answered")
    settle(page)
    page.click("#ts-chat-retry")
    page.wait_for_selector("#ts-panes >> text=slowly1")
    page.click("#ts-chat-clear")
    page.wait_for_selector("#ts-panes .ts-nothing")
    page.reload()
    page.wait_for_selector("#ts-ask:visible")
    settle(page)
    page.wait_for_selector("#ts-panes .ts-nothing")
    assert "slowly" not in page.inner_text("#ts-panes")


def test_an_answer_does_not_follow_into_another_run(page: Any, app: App) -> None:
    first, second = tuned_run(app, "first"), tuned_run(app, "second")
    open_compare(page, app, second)
    open_compare(page, app, first)
    ask(page, "slowly")
    page.wait_for_selector("#ts-panes >> text=slowly3")
    page.click(f"#ts-run-list [data-open='{second.id}']")
    page.wait_for_selector(f".ts-journey[data-run='{second.id}']:not([data-busy])")
    page.click(".ts-journey button[data-step='4']")
    page.wait_for_selector("#ts-ask:visible")
    page.wait_for_selector("#ts-panes .ts-nothing")
    settle(page)
    page.wait_for_timeout(1500)
    assert "slowly" not in page.inner_text("#ts-panes")
    ask(page, "hi")
    page.wait_for_selector("#ts-panes >> text=hi0 hi1")
    assert "slowly" not in page.inner_text("#ts-panes")


def test_the_runs_own_sample_questions_are_asked_in_one_go(page: Any, app: App) -> None:
    run = tuned_run(app, "samples")
    open_compare(page, app, run)
    page.get_by_role("tab", name="Prompt list").click()
    page.get_by_label("The run's sample questions").click()
    page.click("#ts-list-start")
    page.wait_for_selector("#ts-list-table >> text=All 2 answered.")
    page.wait_for_function("document.querySelector('#ts-list-table').innerText.includes('WHERE IS MY PARCEL?')")
    page.wait_for_selector("#ts-list-download:visible")
