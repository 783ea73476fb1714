"""What the Train step tells at each tick: what a person can press must never depend on the order in which answers arrive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder
from studio.ui.context import StudioContext
from studio.ui.shell import Shell
from studio.ui.steps.train import TrainStep


@pytest.fixture
def step(tmp_path: Path) -> TrainStep:
    with gr.Blocks():
        run_id, studio = gr.State(None), StudioContext(Workspace.open(tmp_path))
        return TrainStep(studio, run_id, Shell(studio, run_id))


@pytest.fixture
def run(step: TrainStep) -> RunFolder:
    """One that is going on; this very process is its worker."""
    made = RunFolder.create(step.studio.workspace, "a")
    Recipe(name="a").save(made.recipe_path)
    me = os.getpid()
    made.change_state(state="training", total_steps=9, pid=me, pid_started=processes.started_at(me))
    return made


def told(step: TrainStep, updates: list[Any], component: Any) -> Any:
    return updates[[step.chart, step.panels, *step.ticking].index(component)]


def test_the_buttons_are_told_with_every_change(step: TrainStep, run: RunFolder) -> None:
    memory: dict[str, Any] = {}
    emit = EventWriter(run.events_path)
    for number in range(3):
        emit("metric", step=number, loss=2.0)
        answer = step._tick(run.id, memory)
        assert answer is not None
        memory, updates = answer
        assert told(step, updates, step.stop)["visible"] is True
        assert told(step, updates, step.resume)["visible"] is False
    emit.close()


def test_what_is_new_is_told_twice_and_then_no_more(step: TrainStep, run: RunFolder) -> None:
    first = step._tick(run.id, {})
    assert first is not None
    second = step._tick(run.id, first[0])
    assert second is not None
    assert second[1][2:] == first[1][2:], "an older answer that came between the two leaves no trace"
    assert step._tick(run.id, second[0]) is None
