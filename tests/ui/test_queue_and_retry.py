"""Runs that wait, and runs that did not fit: what the person sees and what one click does."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import psutil
import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.draft import Draft
from studio.runs.folder import RunFolder
from studio.runs.state import RunState
from studio.training.checkpoints import checkpoint_path, mark_complete

from .conftest import App, settle, wait_until


def started_draft(app: App, **training: Any) -> RunFolder:
    draft = Draft.from_sample(Workspace.open(app.workspace), "support_chat.jsonl")
    assert not draft.update("training", training)
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
    page.wait_for_selector("#ts-receipt .ts-receipt")
    settle(page)
    page.click("#ts-start")
    page.wait_for_selector("#ts-cancel:visible")
    assert app.state(run.id)["state"] == "queued"
    page.wait_for_selector("#ts-status >> text=/wait|queue|turn/i")
    settle(page)
    page.click("#ts-cancel")
    page.wait_for_selector("#ts-start:visible")
    assert app.state(run.id)["state"] == "draft"


def test_a_worker_that_the_system_kills_is_explained_and_offers_less(page: Any, app: App) -> None:
    """As an ordinary computer does when memory runs out: no error, the process is simply gone."""
    run = started_draft(
        app, epochs=100.0, early_stopping_patience=0
    )  # neither this run nor its retry may come to an end by itself
    before = Recipe.load(run.recipe_path).training
    run.change_state(state="queued", queued_at=time.time())
    page.goto(f"{app.url}?run={run.id}&step=4")
    page.wait_for_selector("#ts-pause:visible")
    wait_until(page, lambda: run.state().taken_up)
    psutil.Process(run.state().pid).kill()
    page.wait_for_selector("#ts-coach >> text=most often because memory ran out")
    page.wait_for_selector("#ts-coach >> text=retry with a smaller batch")
    assert app.state(run.id)["error"]["code"] == "killed"
    page.wait_for_selector("#ts-resume:visible")
    page.click("#ts-retry")
    page.wait_for_function("id => new URL(location.href).searchParams.get('run') !== id", arg=run.id)
    new = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    after = Recipe.load(app.workspace / "runs" / new / "recipe.yaml").training
    assert (after.batch_size, after.gradient_accumulation_steps) == (
        before.batch_size // 2,
        before.gradient_accumulation_steps * 2,
    )
    page.click("#ts-stop")
    page.wait_for_selector("#ts-resume:visible, #ts-to-compare:visible", timeout=600_000)


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
    page.wait_for_function("id => new URL(location.href).searchParams.get('run') !== id", arg=run.id)
    new = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    after = Recipe.load(app.workspace / "runs" / new / "recipe.yaml").training
    assert (after.batch_size, after.gradient_accumulation_steps) == (
        before.batch_size // 2,
        before.gradient_accumulation_steps * 2,
    )
    assert app.state(new)["state"] == "queued"
    page.click("#ts-cancel")
    page.wait_for_selector("#ts-start:visible")


def test_what_became_of_a_run_is_said_as_it_was(page: Any, app: App) -> None:
    """Paused, ended by the person, failed: each in words of its own, with what can be done then."""
    run = started_draft(app)
    checkpoint = checkpoint_path(run.checkpoints_dir, 157)
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("weights")
    mark_complete(checkpoint, {"step": 157})
    state = RunState(
        state="stopped", message="Paused at step 157. Resume goes on from there.", step=157, total_steps=525,
        created=time.time(), started=time.time() - 25, ended=time.time(), seconds=45,
    )  # fmt: skip
    run.write_state(state)
    page.goto(f"{app.url}?run={run.id}&step=4")
    page.wait_for_selector("#ts-stop:visible")
    page.wait_for_selector("#ts-resume:visible")
    page.wait_for_selector(".ts-here .ts-run-state >> text=paused")

    with run.events_path.open("w") as events:
        for step, loss in ((0, 3.0), (140, 2.55), (157, 2.58)):
            events.write(json.dumps({"kind": "metric", "step": step, "validation_loss": loss}) + "\n")
    run.model_dir.mkdir()
    (run.model_dir / "tailor.json").write_text("{}")
    message = "Stopped by you at step 157 of 525. The weights of step 140, the best, were kept."
    run.write_state(replace(state, state="finished", outcome="stopped", message=message))
    page.wait_for_selector(f"#ts-coach >> text={message}")
    told = page.inner_text("#ts-status")
    assert "45 s" in told
    assert "Validation loss at step 140, kept" in told
    assert "2.550" in told
    assert "2.580" not in told
    assert page.get_attribute("#ts-status [role=progressbar]", "aria-valuenow") == "30"
    page.wait_for_selector("#ts-to-compare:visible")
    page.wait_for_selector("#ts-stop", state="hidden")
    settle(page)

    run.model_dir.joinpath("tailor.json").unlink()
    run.events_path.unlink()
    error = {"title": "The base cannot be fetched", "what_happened": "There is no internet.", "what_to_do": "Choose a base that is on this machine."}  # fmt: skip
    run.write_state(RunState(state="failed", message="The base cannot be fetched.", error=error, created=time.time()))
    page.wait_for_selector("#ts-chart .lc-empty >> text=failed before its first step")
    page.click("#ts-again")
    page.wait_for_function("id => new URL(location.href).searchParams.get('run') !== id", arg=run.id)
    page.wait_for_selector("#ts-start:visible")
    assert page.evaluate("new URL(location.href).searchParams.get('step')") == "3"
