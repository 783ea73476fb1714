"""Step 6, Export: take the model, by purpose. Files are made in a process of their own and checked before they are
offered; only the one finished file is ever handed to the browser."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from studio.core.errors import ExportError, StudioError
from studio.core.recipe import Recipe
from studio.runs.folder import RunFolder
from studio.ui.components import downloadable, html
from studio.ui.context import StudioContext
from studio.ui.shell import QUIET, Shell, StepView
from studio.ui.views import export as words
from studio.ui.views.export import PURPOSES, Purpose


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    return ExportStep(studio, run_id, shell).view()


class ExportStep:
    """The screen; components only, no one's state."""

    def __init__(self, studio: StudioContext, run_id: gr.State, shell: Shell) -> None:
        self.studio, self.run_id, self.shell = studio, run_id, shell
        html('<h2 class="ts-heading">What do you want the model for?<small>export</small></h2>')
        self.cards: dict[str, Any] = {}
        self.makers: dict[str, gr.Button] = {}
        self.downloads: dict[str, gr.DownloadButton] = {}
        with gr.Row(elem_classes=["ts-exports"]):
            for purpose in PURPOSES:
                with gr.Column(min_width=270, elem_classes=["ts-export-column"]):
                    self.cards[purpose.kind] = html(elem_id=f"ts-export-{purpose.kind}")
                    self.makers[purpose.kind] = gr.Button("Make the file", size="md", elem_id=f"ts-make-{purpose.kind}")
                    self.downloads[purpose.kind] = gr.DownloadButton(
                        "Download", variant="primary", size="md", visible=False, elem_id=f"ts-download-{purpose.kind}"
                    )
        for purpose in PURPOSES:
            event = self.makers[purpose.kind].click(
                shell.guarded(partial(self._make, purpose)), [run_id], self._of(purpose), **QUIET
            )
            shell.refresh(event)

    def _of(self, purpose: Purpose) -> list[Any]:
        return [self.cards[purpose.kind], self.makers[purpose.kind], self.downloads[purpose.kind]]

    @property
    def outputs(self) -> list[Any]:
        return [component for purpose in PURPOSES for component in self._of(purpose)]

    def view(self) -> StepView:
        return StepView(self.outputs, self._refresh, self._tick, self.outputs)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _refresh(self, run_id: str | None) -> list[Any]:
        if not run_id:
            return [gr.skip()] * len(self.outputs)
        run = self.studio.run(run_id)
        recipe = run.recipe()
        return [update for purpose in PURPOSES for update in self._shown(run, recipe, purpose)]

    def _shown(self, run: RunFolder, recipe: Recipe, purpose: Purpose) -> list[Any]:
        reason = words.why_not(purpose, recipe) or self._not_offered(recipe, purpose)
        state = {} if reason else self._state(run, purpose)
        now = state.get("state", "none")
        expected, with_base = (None, False) if reason else _expected(run, purpose)
        ready = now == "ready" and bool(state.get("path")) and Path(state["path"]).is_file()
        return [
            words.card(purpose, state, reason, expected, with_base=with_base),
            gr.update(
                value=words.button_label(state), visible=not reason, interactive=now != "working",
                variant="secondary" if ready else "primary",
            ),
            gr.update(visible=ready, value=downloadable(Path(state["path"])) if ready else None),
        ]  # fmt: skip

    def _not_offered(self, recipe: Recipe, purpose: Purpose) -> str:
        from studio.tasks import base as tasks

        return "" if purpose.kind in tasks.get(recipe.task).exports else "This task does not offer it."

    def _state(self, run: RunFolder, purpose: Purpose) -> dict[str, Any]:
        from studio.runs.exports import export_state

        return dict(export_state(run, purpose.kind))

    def _tick(self, run_id: str | None, memory: dict[str, Any]) -> tuple[dict[str, Any], list[Any]] | None:
        if not run_id:
            return None
        run = self.studio.run(run_id)
        recipe = run.recipe()
        states = [run_id, *({} if words.why_not(p, recipe) else self._state(run, p) for p in PURPOSES)]
        if memory.get("exports") == states:
            return None
        return {**memory, "exports": states}, self._refresh(run_id)

    # -- what the person does -----------------------------------------------------------------------------------------

    def _make(self, purpose: Purpose, run_id: str) -> list[Any]:
        from studio.runs.exports import start_export

        run = self.studio.run(run_id)
        recipe = run.recipe()
        reason = words.why_not(purpose, recipe)
        if reason:
            raise ExportError("This cannot be made", reason, "Choose another purpose.")
        start_export(run, purpose.kind)
        return self._shown(run, recipe, purpose)


def _expected(run: RunFolder, purpose: Purpose) -> tuple[int | None, bool]:
    """About how many bytes the file will have, and whether the base lies in it; nothing where that cannot be told."""
    from studio.export.sizes import packs_base, zip_size
    from studio.export.source import Source

    try:
        source = Source.open(run.path)
        return zip_size(source, purpose.kind), packs_base(source, purpose.kind)
    except (StudioError, OSError):
        return None, False  # making it tells why
