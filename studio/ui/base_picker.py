"""Finding a base model and picking it: search, cards, and any folder or Hub id: part of the Model step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from studio.core import hardware
from studio.core.errors import ModelError, StudioError
from studio.ui.context import StudioContext
from studio.ui.snapshot import Snapshot
from studio.ui.views import model as words
from studio.ui.views.html import Safe

FIRST = 6
"""Cards shown before "Show all"."""
_PICK_JS = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('button[data-base]');
  if (card) trigger('select', {base: card.dataset.base});
});
element.addEventListener('keydown', (event) => {
  const cards = [...element.querySelectorAll('button[data-base]')], at = cards.indexOf(document.activeElement);
  const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (at < 0 || !by) return;
  event.preventDefault();
  cards[(at + by + cards.length) % cards.length].focus();
});
"""


class BasePicker:
    """The components, made inside the layout of the step, which says what happens when a base is picked."""

    def __init__(self, studio: StudioContext) -> None:
        self.studio = studio
        with gr.Row(elem_classes=["ts-card-tools"]):
            self.search = gr.Textbox(
                placeholder="Find a base: name, size, licence, language", show_label=False, label="Find a base",
                container=False, scale=3, elem_id="ts-base-search",
            )  # fmt: skip
            self.all = gr.Checkbox(
                label="Show all", value=False, container=False, scale=1, min_width=120, elem_id="ts-base-all"
            )
        self.cards = gr.HTML("", elem_id="ts-bases", apply_default_css=False, js_on_load=_PICK_JS)
        with gr.Accordion("Another model", open=False, elem_id="ts-other-base"), gr.Row():
            self.other = gr.Textbox(
                label="Folder on this machine, or Hub id", placeholder="/models/my-model or owner/name", max_lines=1,
                info="Safetensors only; code that comes with a model is never run.", scale=4, elem_id="ts-other-base-id",
            )  # fmt: skip
            self.use = gr.Button("Use this model", scale=1, min_width=140)

    @property
    def looking(self) -> list[Any]:
        """What narrows the cards down."""
        return [self.search, self.all]

    def reset(self, is_open: bool) -> list[Any]:
        """One update per component of :attr:`looking`, for a run that has just been opened."""
        return [gr.update(value="", visible=is_open), gr.update(value=False, visible=is_open)]

    def shown(self, snapshot: Snapshot, typed: str, show_all: bool, wrong: int = 0) -> Safe:
        """The cards: those that match what was typed, the best first, and the chosen one in any case.

        Args:
            wrong: How many settings must be mended before the run can start.
        """
        from studio.models.catalogue import find, suggested
        from studio.models.cautions import speaks
        from studio.models.fetch import is_local
        from studio.tasks import base as tasks

        workspace, chosen = self.studio.workspace, snapshot.recipe.base.id
        language = snapshot.language
        offers = suggested(tasks.get(snapshot.recipe.task).bases, hardware.detect(), language=language)
        suits = offers and offers[0][1] != "won't fit" and speaks(offers[0][0], language) is not False
        best = offers[0][0].id if suits else ""
        if all(card.id != chosen for card, _, _ in offers):
            try:
                verdict = snapshot.estimate.verdict if snapshot.estimate else "fits"
                offers = [(find(chosen, workspace), verdict, ""), *offers]
            except StudioError:
                pass
        if not snapshot.open:
            offers = [offer for offer in offers if offer[0].id == chosen]
        found = words.matching(offers, typed or "")
        if not (typed or show_all):
            found = found[:FIRST] + [offer for offer in found[FIRST:] if offer[0].id == chosen]
        local = {card.id for card, _, _ in found if is_local(card, workspace)}
        return words.cards(
            found, chosen, suggested=best, estimate=snapshot.estimate, local=local, language=language, wrong=wrong
        )


def picked(event: gr.EventData) -> str:
    """The id on the card that was pressed."""
    base = event._data.get("base") if isinstance(event._data, dict) else None
    return str(base or "")


def named(typed: str) -> str:
    """The base that was typed: a folder as its full path, anything else as it is.

    Raises:
        ModelError: nothing was typed.
    """
    typed = (typed or "").strip()
    if not typed:
        raise ModelError("No model is named", "The box is empty.", "Type a folder or a Hub id, such as owner/name.")
    folder = Path(typed).expanduser()
    return str(folder.resolve()) if folder.is_dir() else typed
