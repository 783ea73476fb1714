"""The frame's own judgement: what the row of steps may say of a page that is on its way elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.core.workspace import Workspace
from studio.runs.draft import Draft
from studio.ui.context import StudioContext
from studio.ui.shell import DATA, MODEL, PREPARE, Shell, StepView

PAGE: Any = SimpleNamespace(session_hash="page")


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(40)))
    return Draft.from_files(Workspace.open(tmp_path), [tmp_path / "rows.csv"])


@pytest.fixture
def shell(draft: Draft) -> Shell:
    with gr.Blocks():
        made = Shell(StudioContext(draft.workspace), gr.State(None))
        made.views = [StepView([], lambda run_id: []) for _ in range(6)]
    return made


def test_the_row_of_a_page_that_is_on_its_way_elsewhere_is_not_told_as_the_new_place(
    shell: Shell, draft: Draft
) -> None:
    run = draft.run.id
    list(shell.show(run, DATA, PAGE))
    here = shell.row(run, DATA, PAGE)
    assert here
    assert 'data-current="0"' in here
    list(shell.show(run, PREPARE, PAGE, travel=1))
    assert shell.row(run, DATA, PAGE) is None, "asked by a tick that still had the old step"
    there = shell.row(run, PREPARE, PAGE)
    assert there
    assert 'data-current="1"' in there
    assert shell.row(run, MODEL, SimpleNamespace(session_hash="unknown")), "after a restart of the server"


def test_of_two_journeys_the_one_that_was_begun_last_is_shown(shell: Shell, draft: Draft) -> None:
    run = draft.run.id
    list(shell.show(run, PREPARE, PAGE, travel=2))
    assert list(shell.show(run, DATA, PAGE, travel=1)) == [[]]
    assert shell.row(run, PREPARE, PAGE)
