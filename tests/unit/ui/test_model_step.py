"""The Model step's answers to what a person does in quick succession."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.core import hardware
from studio.core.workspace import Workspace
from studio.runs.draft import Draft
from studio.ui.context import StudioContext
from studio.ui.shell import Shell
from studio.ui.steps import model
from studio.ui.steps.model import ModelStep


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(40)))
    return Draft.from_files(Workspace.open(tmp_path), [tmp_path / "rows.csv"])


@pytest.fixture
def step(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> ModelStep:
    with gr.Blocks():
        run_id = gr.State(None)
        studio = StudioContext(draft.workspace)
        made = ModelStep(studio, run_id, Shell(studio, run_id))
    monkeypatch.setattr(made.measurements, "want", made.measurements.of)
    # What fits, and what counts as quick succession, must not depend on the machine.
    laptop = hardware.Hardware("cpu", 2, 16.0, 12.0, (), cpu_bf16=False)
    monkeypatch.setattr(hardware, "detect", lambda: laptop)
    monkeypatch.setattr(hardware, "free_disk_gib", lambda path: 100.0)
    monkeypatch.setattr(model, "AT_ONCE_S", float("inf"))
    return made


def typed(step: ModelStep, **values: str) -> list[Any]:
    """What all fields hold, some of them as typed."""
    blank = [component.value for component in step.form.components]
    names = [field.info.name for field in step.form.fields]
    return [values.get(name, value) for name, value in zip(names, blank, strict=True)]


def start(step: ModelStep, updates: list[Any]) -> Any:
    return updates[step.changing.index(step.start)]


def test_start_waits_until_every_setting_is_mended(step: ModelStep, draft: Draft) -> None:
    wrong = step._edit("training.epochs", draft.run.id, "", False, *typed(step, epochs="-3", learning_rate="7"))
    assert start(step, wrong)["interactive"] is False
    assert "mend 2 settings first" in wrong[step.changing.index(step.receipt)]
    mended = step._edit("training.epochs", draft.run.id, "", False, *typed(step, epochs="2"))
    assert start(step, mended)["interactive"] is True
    assert "fits" in mended[step.changing.index(step.receipt)]


def test_a_measurement_that_ends_does_not_make_a_wrong_setting_fit(step: ModelStep, draft: Draft) -> None:
    now = step._round(draft.run.id)
    *_, receipt = step._measured(now, draft.run.id, "", False, *typed(step, epochs="-3"))
    assert "mend 1 setting first" in receipt
    assert "mend 1 setting first" in step._cards_again(draft.run.id, "", False, *typed(step, epochs="-3"))


def test_an_older_answer_does_not_mark_what_is_mended_by_now(
    step: ModelStep, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer: list[list[Any]] = []
    compute = step._updates

    def slowly(*given: Any, **named: Any) -> list[Any]:
        monkeypatch.setattr(step, "_updates", compute)
        newer.append(step._edit("training.epochs", draft.run.id, "", False, *typed(step, epochs="2")))
        return compute(*given, **named)

    monkeypatch.setattr(step, "_updates", slowly)
    older = step._edit("training.epochs", draft.run.id, "", False, *typed(step, epochs="-3"))
    assert older == [gr.skip()] * len(step.changing)
    assert start(step, newer[0])["interactive"] is True


def test_an_event_that_was_overtaken_on_the_way_does_not_take_back_what_the_other_told(
    step: ModelStep, draft: Draft
) -> None:
    step._edit("method.rank", draft.run.id, "", False, *typed(step, learning_rate="7", rank="0"))
    late = step._edit("training.learning_rate", draft.run.id, "", False, *typed(step, learning_rate="7"))
    assert "mend 2 settings first" in late[step.changing.index(step.receipt)]


def test_a_preset_forgets_what_was_typed_before(step: ModelStep, draft: Draft) -> None:
    step._edit("training.epochs", draft.run.id, "", False, *typed(step, epochs="-3"))
    step._preset("quick", draft.run.id, "", False)
    after = step._edit("method.rank", draft.run.id, "", False, *typed(step, rank="8"))
    assert start(step, after)["interactive"] is True


def test_a_field_left_while_a_preset_is_put_in_does_not_bring_back_what_it_replaced(
    step: ModelStep, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, receipt = draft.run.id, step.changing.index(step.receipt)
    few = step._edit("training.epochs", run, "", False, *typed(step, epochs="0.001"))
    assert "0.001 passes" in few[receipt]
    begun, left, update = threading.Event(), threading.Event(), Draft.update

    def slowly(self: Draft, section: str, values: dict[str, Any]) -> Any:
        begun.set()
        left.wait(1)  # long enough for the other, were it let in
        return update(self, section, values)

    monkeypatch.setattr(Draft, "update", slowly)
    with ThreadPoolExecutor() as pool:
        preset = pool.submit(step._preset, "quick", run, "", False)
        assert begun.wait(120)
        other = pool.submit(step._edit, "method.rank", run, "", False, *typed(step, epochs="0.001"))
        other.add_done_callback(lambda _: left.set())
        shown = [preset.result(), other.result()]
    assert all("0.001 passes" not in updates[receipt] for updates in shown)
