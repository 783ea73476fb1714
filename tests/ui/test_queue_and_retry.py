"""Runs that wait, and runs that did not fit: what the person sees and what one click does."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.draft import Draft
from studio.runs.folder import RunFolder
from studio.runs.state import RunState

from .conftest import App


def started_draft(app: App) -> RunFolder:
    draft = Draft.from_sample(Workspace.open(app.workspace), "support_chat.jsonl")
    draft.freeze()
    return draft.run


@pytest.fixture
def busy(app: App) -> Any:
    """A run that holds the device for as long as the test lasts: its worker is this very process."""
    run = started_draft(app)
    me = psutil.Process()
    run.write_state(
        RunState(
            state="training", pid=me.pid, pid_started=processes.started_at(me.pid), created=time.time(), total_steps=9
        )
    )
    yield run
    run.write_state(RunState(state="stopped", created=time.time()))


def test_a_second_run_waits_says_so_and_can_be_called_back(page: Any, app: App, busy: RunFolder) -> None:
    run = Draft.from_sample(Workspace.open(app.workspace), "support_chat.jsonl").run
    page.goto(f"{app.url}?run={run.id}&step=3")
    page.wait_for_selector("#ts-receipt .ts-receipt", timeout=60_000)
    page.click("#ts-start")
    page.wait_for_selector("#ts-cancel:visible", timeout=60_000)
    assert app.state(run.id)["state"] == "queued"
    page.wait_for_selector("#ts-status >> text=/wait|queue|turn/i")
    page.click("#ts-cancel")
    page.wait_for_selector("#ts-start:visible", timeout=60_000)
    assert app.state(run.id)["state"] == "draft"


def test_a_worker_that_the_system_kills_is_explained_and_offers_less(page: Any, app: App) -> None:
    """As an ordinary computer does when memory runs out: no error, the process is simply gone."""
    run = started_draft(app)
    before = Recipe.load(run.recipe_path).training
    run.change_state(state="queued", queued_at=time.time())
    page.goto(f"{app.url}?run={run.id}&step=4")
    page.wait_for_selector("#ts-pause:visible", timeout=60_000)
    deadline = time.monotonic() + 60
    while not (state := run.state()).taken_up:
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)
    psutil.Process(state.pid).kill()
    page.wait_for_selector("#ts-coach >> text=most often because memory ran out", timeout=60_000)
    assert "retry with a smaller batch" in page.inner_text("#ts-coach")
    assert app.state(run.id)["error"]["code"] == "killed"
    page.wait_for_selector("#ts-resume:visible")
    page.click("#ts-retry")
    page.wait_for_function("id => new URL(location.href).searchParams.get('run') !== id", arg=run.id, timeout=60_000)
    new = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    after = Recipe.load(app.workspace / "runs" / new / "recipe.yaml").training
    assert (after.batch_size, after.gradient_accumulation_steps) == (
        before.batch_size // 2,
        before.gradient_accumulation_steps * 2,
    )
    page.click("#ts-stop")
    page.wait_for_selector("#ts-resume:visible, #ts-to-compare:visible", timeout=120_000)


def test_out_of_memory_is_explained_and_one_click_retries_with_less(page: Any, app: App, busy: RunFolder) -> None:
    run = started_draft(app)
    before = Recipe.load(run.recipe_path).training
    error = {
        "title": "There was not enough memory",
        "what_happened": "The batch did not fit.",
        "what_to_do": "Retry with a smaller batch.",
        "code": "out_of_memory",
    }
    run.write_state(
        RunState(
            state="failed",
            message="There was not enough memory.",
            error=error,
            created=time.time(),
            started=time.time(),
        )
    )
    page.goto(f"{app.url}?run={run.id}&step=4")
    page.wait_for_selector("text=There was not enough memory")
    page.click("#ts-retry")
    page.wait_for_function("id => new URL(location.href).searchParams.get('run') !== id", arg=run.id, timeout=60_000)
    new = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    after = Recipe.load(app.workspace / "runs" / new / "recipe.yaml").training
    assert (after.batch_size, after.gradient_accumulation_steps) == (
        before.batch_size // 2,
        before.gradient_accumulation_steps * 2,
    )
    assert app.state(new)["state"] == "queued"
    page.click("#ts-cancel")
