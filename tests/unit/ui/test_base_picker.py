"""Which cards are shown, and what a pick or a typed name means."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.core import hardware
from studio.core.errors import ModelError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.models.catalogue import catalogue, embedded
from studio.ui.base_picker import FIRST, BasePicker, named, picked
from studio.ui.snapshot import Snapshot

LAST = next(card.id for card in reversed(catalogue()) if "chat" in card.tasks)


@pytest.fixture
def picker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BasePicker:
    laptop = hardware.Hardware("cpu", 2, 16.0, 12.0, (), cpu_bf16=False)
    monkeypatch.setattr(hardware, "detect", lambda: laptop)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    with gr.Blocks():
        return BasePicker(SimpleNamespace(workspace=Workspace.open(tmp_path)))  # type: ignore[arg-type]


def ids(
    picker: BasePicker, chosen: str = "", typed: str = "", show_all: bool = False, is_open: bool = True
) -> list[str]:
    recipe = Recipe.model_validate({"base": {"id": chosen or embedded().id}})
    markup = picker.shown(Snapshot(recipe, is_open), typed, show_all)
    return re.findall(r'data-base="([^"]*)"', markup)


def test_a_few_cards_first_and_all_on_demand(picker: BasePicker) -> None:
    assert len(ids(picker)) == FIRST
    assert len(ids(picker, show_all=True)) == sum("chat" in card.tasks for card in catalogue())


def test_the_chosen_base_is_among_the_few(picker: BasePicker) -> None:
    few = ids(picker)
    unseen = next(id_ for id_ in ids(picker, show_all=True) if id_ not in few)
    assert ids(picker, chosen=unseen) == [*few, unseen]


def test_what_is_typed_narrows_the_cards_down(picker: BasePicker) -> None:
    assert ids(picker, typed=LAST) == [LAST]
    assert ids(picker, typed="no such base at all") == []


def test_a_started_run_shows_its_base_only(picker: BasePicker) -> None:
    assert ids(picker, chosen=LAST, show_all=True, is_open=False) == [LAST]


def test_a_chosen_base_that_is_no_longer_there_does_no_harm(picker: BasePicker, tmp_path: Path) -> None:
    assert len(ids(picker, chosen=str(tmp_path / "gone"))) == FIRST


def test_the_suggestion_knows_the_language_of_the_rows_and_the_embedded_base_stays(picker: BasePicker) -> None:
    markup = picker.shown(Snapshot(Recipe(), True, language="Arabic"), "", False)
    first, *_, last = re.findall(r"<button.*?</button>", markup, re.DOTALL)
    assert "Suggested" in first
    assert "Knows Arabic." in first
    assert f'data-base="{embedded().id}"' in last
    assert "English only; your rows are in Arabic." in last
    assert "Suggested" not in last


@pytest.mark.parametrize(("data", "base"), [({"base": "gpt2"}, "gpt2"), ({}, ""), ({"base": None}, ""), ("odd", "")])
def test_a_pick_is_the_id_on_the_card(data: Any, base: str) -> None:
    assert picked(SimpleNamespace(_data=data)) == base  # type: ignore[arg-type]


def test_a_typed_folder_becomes_its_full_path_and_an_id_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert named(" ./model ") == str(tmp_path / "model")
    assert named("owner/name") == "owner/name"


@pytest.mark.parametrize("typed", ["", "  ", None])
def test_nothing_typed_is_told(typed: Any) -> None:
    with pytest.raises(ModelError, match="No model is named"):
        named(typed)
