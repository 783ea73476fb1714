"""The first step as it is laid out."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from studio.core.workspace import Workspace
from studio.data.load import load_files
from studio.runs.draft import Draft
from studio.ui.context import StudioContext
from studio.ui.shell import Shell
from studio.ui.steps import data


def test_every_file_that_can_be_read_can_be_chosen(tmp_path: Path) -> None:
    with gr.Blocks() as page:
        run_id = gr.State(None)
        studio = StudioContext(Workspace.open(tmp_path))
        data.build(studio, run_id, Shell(studio, run_id))
    drop = next(block for block in page.blocks.values() if isinstance(block, gr.File))
    for name in ("rows.tab", "rows.csv.gz"):
        assert any(name.endswith(kind) for kind in drop.file_types or ())
    sheet = tmp_path / "rows.tab"
    sheet.write_text("question\tanswer\na\tb\nc\td\n")
    assert len(load_files([sheet])) == 2


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(12)))
    return Draft.from_files(Workspace.open(tmp_path), [tmp_path / "rows.csv"])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(data, "notify", messages.append)
    return messages


def test_one_column_for_two_things_is_refused_at_the_field(draft: Draft, told: list[str]) -> None:
    screen = data._Screen(StudioContext(draft.workspace))
    chosen = ["answer" if role in ("user", "assistant") else "" for role in draft.task.role_titles]
    before = draft.recipe()
    _, *rest = screen.set_roles(draft.run.id, "", *chosen)
    wrong = [slot for slot in rest if isinstance(slot, gr.Dropdown) and "ts-field-wrong" in slot.elem_classes]
    assert len(wrong) == 1
    assert "chosen for" in str(wrong[0].info)
    assert draft.recipe() == before
    assert told == []


def test_use_these_says_what_it_did(draft: Draft, told: list[str]) -> None:
    screen = data._Screen(StudioContext(draft.workspace))
    roles = draft.recipe().data.roles
    chosen = [roles.get(role, "") for role in draft.task.role_titles]
    screen.set_roles(draft.run.id, "", *chosen)
    screen.set_roles(draft.run.id, "Be brief.", *chosen)
    assert [message.split(":")[0] for message in told] == ["Nothing has changed", "From now on these are used."]


def test_the_start_page_that_is_told_late_takes_nothing_back_that_was_pasted_meanwhile(draft: Draft) -> None:
    with gr.Blocks():
        run_id = gr.State(None)
        studio = StudioContext(draft.workspace)
        step = data.build(studio, run_id, Shell(studio, run_id))
    boxes = [
        i for i, component in enumerate(step.outputs) if getattr(component, "elem_id", "") in {"ts-pasted", "ts-hub"}
    ]
    assert len(boxes) == 2
    start, opened = step.refresh(None), step.refresh(draft.run.id)
    assert len(start) == len(opened) == len(step.outputs)
    assert [start[i] for i in boxes] == [gr.skip()] * 2
    assert [opened[i] for i in boxes] == ["", ""], "what was read is cleared"
