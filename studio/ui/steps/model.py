"""Step 3, Model: choose a base, a preset and, for those who want, every setting; see what it needs; start."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from functools import partial
from typing import Any

import gradio as gr
from pydantic import ValidationError

from studio.core.errors import FieldProblem, RecipeError, RunError, StudioError
from studio.core.options import describe, problems_of
from studio.core.recipe import SECTIONS, TrainingOptions
from studio.ui import snapshot
from studio.ui.base_picker import BasePicker, named, picked
from studio.ui.components import heading, html
from studio.ui.context import StudioContext
from studio.ui.forms import SettingsForm
from studio.ui.measuring import Measurements
from studio.ui.shell import MODEL, QUIET, TRAIN, Shell, StepView
from studio.ui.snapshot import PRESETS
from studio.ui.views import model as words

AT_ONCE_S = 30.0
"""Fields left within this time of each other may reach the server in any order."""
PRESET_FIELD = next(info for info in describe(TrainingOptions) if info.name == "preset")


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    return ModelStep(studio, run_id, shell).view()


class ModelStep:
    """The screen; one per page layout, shared by all sessions, so it holds components and no one's choices."""

    def __init__(self, studio: StudioContext, run_id: gr.State, shell: Shell) -> None:
        self.studio, self.run_id, self.shell = studio, run_id, shell
        self.measurements = Measurements(studio)
        self._tickets, self._newest = itertools.count(), dict[str, int]()
        self._typed: dict[str, dict[str, tuple[float, Any]]] = {}
        self._changing: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self.form = SettingsForm(
            {name: model for name, model in SECTIONS.items() if name in {"method", "training"}},
            skip=("training.preset",),
        )
        self._lay_out()
        self._wire()

    # -- layout -------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.round = html(visible="hidden")
        html(heading("Which model do you start from?", "base model"))
        self.started = html(elem_classes=["ts-started"], visible=False)
        self.copy = gr.Button("New run from this one", visible=False, size="sm", elem_id="ts-model-copy")
        self.picker = BasePicker(self.studio)
        html(heading(f"{PRESET_FIELD.title}?", PRESET_FIELD.term))
        with gr.Row(elem_classes=["ts-presets"]):
            self.presets = {
                name: gr.Button(PRESET_FIELD.labels.get(name, name), elem_id=f"ts-preset-{name}", min_width=180)
                for name in PRESETS
            }
        self.form.simple()
        with gr.Accordion("Advanced", open=False, elem_id="ts-advanced"):
            self.form.advanced()
        with gr.Row(elem_id="ts-foot"):
            self.receipt = html(elem_id="ts-receipt")
            self.start = gr.Button(
                "Start tuning", variant="primary", size="md", elem_id="ts-start", scale=0, min_width=170
            )

    @property
    def changing(self) -> list[Any]:
        """What may change with any choice."""
        return [self.picker.cards, *self.presets.values(), *self.form.components, self.receipt, self.start]

    @property
    def outputs(self) -> list[Any]:
        return [self.round, self.started, self.copy, *self.picker.looking, *self.changing]

    @property
    def measured(self) -> list[Any]:
        """What a finished measurement changes; never the fields, in which the person may be typing."""
        return [self.picker.cards, *self.presets.values(), self.receipt]

    def _wire(self) -> None:
        guarded, picker, looking = self.shell.guarded, self.picker, self.picker.looking
        form = self.form.components
        self.round.change(guarded(self._measured), [self.round, self.run_id, *looking, *form], self.measured, **QUIET)
        # One event for both, so that of two looks in quick succession the last one is shown.
        gr.on(
            [picker.search.change, picker.all.input], guarded(self._cards_again), [self.run_id, *looking, *form],
            [picker.cards], trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        picker.cards.select(guarded(self._pick), [self.run_id, *looking], self.changing, **QUIET)
        for event in (picker.use.click, picker.other.submit):
            event(guarded(self._use_other), [self.run_id, picker.other, *looking], self.changing, **QUIET)
        for name, button in self.presets.items():
            button.click(guarded(partial(self._preset, name)), [self.run_id, *looking], self.changing, **QUIET)
        self.form.on_change(guarded(self._edit), [self.run_id, *looking], self.changing, **QUIET)
        checked = self.start.click(
            guarded(self._check), [self.run_id, *looking, *self.form.components], self.changing, **QUIET
        )
        begun = checked.success(guarded(self._start), [self.run_id, *self.form.components], [], **QUIET)
        self.shell.go_to(begun, TRAIN)
        copied = self.copy.click(guarded(self._copy), [self.run_id], [self.run_id], **QUIET)
        self.shell.go_to(copied, MODEL)

    def view(self) -> StepView:
        return StepView(self.outputs, self._refresh, self._tick, [self.round])

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _updates(
        self, run_id: str, words_typed: str, show_all: bool, *, fill: bool, problems: list[FieldProblem] | None = None
    ) -> list[Any]:
        """One update per component of :attr:`changing`. ``problems`` are those of values that were not taken."""
        now = snapshot.take(self.studio, run_id)
        measuring = self.measurements.of(run_id)
        if now.open and now.estimate is not None and not now.estimate.measured and not measuring.why_not:
            measuring = self.measurements.want(run_id)
        shown = [*(problems or []), *(p for p in now.problems if p.field not in {q.field for q in problems or []})]
        wrong = len({problem.field for problem in shown})
        form = self.form.filled if fill else self.form.marked
        unmeasured = measuring.going and not (now.estimate and now.estimate.measured)
        receipt = words.receipt(
            now.estimate, now.resolved, measuring=unmeasured, why_not=measuring.why_not,
            problems=self.form.elsewhere(shown), wrong=wrong, marked=self._titles(shown),
            cautions=self.form.elsewhere(now.cautions), far=self._titles(now.cautions),
        )  # fmt: skip
        presets = [
            gr.update(
                value=words.preset_label(PRESET_FIELD.labels.get(name, name), now.presets.get(name), unmeasured),
                variant="primary" if now.recipe.training.preset == name else "secondary",
                interactive=now.open,
            )
            for name in PRESETS
        ]
        cards = self.picker.shown(now, words_typed, show_all, wrong)
        start = gr.update(interactive=now.open and not wrong, visible=now.open)
        fields = form(now.recipe, now.resolved, shown, now.cautions)
        for update in fields:
            update["interactive"] = now.open
        return [cards, *presets, *fields, receipt, start]

    def _refresh(self, run_id: str | None) -> list[Any]:
        if not run_id:
            return [gr.skip()] * len(self.outputs)
        self._anew(run_id)
        self.measurements.of(run_id).why_not = ""
        measured = self._round(run_id)
        updates = self._updates(run_id, "", False, fill=True)
        is_open = self.studio.draft(run_id).is_open
        note = gr.update(value="" if is_open else words.started_note(), visible=not is_open)
        return [measured, note, gr.update(visible=not is_open), *self.picker.reset(is_open), *updates]

    def _tick(self, run_id: str | None, memory: dict[str, Any]) -> tuple[dict[str, Any], list[Any]] | None:
        """Only a counter, in a hidden part of the page; the redraw hangs on its change (a State does not tell of changes by a
        tick that goes past the queue)."""
        if not run_id:
            return None
        measured = self._round(run_id)
        return None if memory.get("measured") == measured else ({**memory, "measured": measured}, [measured])

    def _round(self, run_id: str) -> str:
        return f"{run_id} {self.measurements.of(run_id).round}"

    def _measured(self, measured: str, run_id: str | None, words_typed: str, show_all: bool, *values: Any) -> list[Any]:
        if not run_id or measured != self._round(run_id):
            return [gr.skip()] * len(self.measured)
        newest = self._newest.get(run_id)
        problems = self._unfit(run_id, self._believed(run_id, values))
        cards, *rest = self._updates(run_id, words_typed, show_all, fill=False, problems=problems)
        if self._newest.get(run_id) != newest:
            return [gr.skip()] * len(self.measured)  # the answer to what was done meanwhile knows the measurement too
        return [cards, *rest[: len(PRESETS)], rest[-2]]

    # -- what the person does -----------------------------------------------------------------------------------------

    def _cards_again(self, run_id: str | None, words_typed: str, show_all: bool, *values: Any) -> Any:
        if not run_id:
            return gr.skip()
        now = snapshot.take(self.studio, run_id)
        unfit = self._unfit(run_id, self._believed(run_id, values))
        wrong = len({problem.field for problem in [*unfit, *now.problems]})
        return self.picker.shown(now, words_typed, show_all, wrong)

    def _pick(self, run_id: str, words_typed: str, show_all: bool, event: gr.EventData) -> list[Any]:
        return self._choose(run_id, picked(event), words_typed, show_all)

    def _use_other(self, run_id: str, typed: str, words_typed: str, show_all: bool) -> list[Any]:
        return self._choose(run_id, named(typed), words_typed, show_all)

    def _ticket(self, run_id: str) -> int:
        """The number of what the person has just done. It is drawn and the draft changed under one lock, so that what the
        newest one shows has all the others in it: pressing a preset leaves a field at the same moment."""
        self._newest[run_id] = next(self._tickets)
        return self._newest[run_id]

    def _anew(self, run_id: str) -> None:
        """The fields are filled from the draft: what was typed before counts no more."""
        self._ticket(run_id)
        self._typed.pop(run_id, None)

    def _up_to_date(self, run_id: str, path: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the fields hold by now. An event knows its own field for certain."""
        self._typed.setdefault(run_id, {})[path] = (time.monotonic(), values[self.form.paths.index(path)])
        return self._believed(run_id, values)

    def _believed(self, run_id: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The fields as an event tells them, corrected: of those it does not come from it may have an older truth than the
        event of such a field that overtook it on the way."""
        now, typed = time.monotonic(), dict(self._typed.get(run_id, {}))
        return tuple(
            typed[path][1] if path in typed and now - typed[path][0] < AT_ONCE_S else value
            for path, value in zip(self.form.paths, values, strict=True)
        )

    def _choose(self, run_id: str, base_id: str, words_typed: str, show_all: bool) -> list[Any]:
        with self._changing[run_id]:
            self._anew(run_id)
            self.studio.draft(run_id).set_base(base_id)
        self.measurements.drop(run_id)
        self.measurements.of(run_id).why_not = ""
        return self._updates(run_id, words_typed, show_all, fill=True)

    def _preset(self, name: str, run_id: str, words_typed: str, show_all: bool) -> list[Any]:
        with self._changing[run_id]:
            self._anew(run_id)
            self.studio.draft(run_id).update("training", {**_cleared(), "preset": name})
        self.measurements.of(run_id).why_not = ""
        return self._updates(run_id, words_typed, show_all, fill=True)

    def _edit(self, path: str, run_id: str, words_typed: str, show_all: bool, *values: Any) -> list[Any]:
        with self._changing[run_id]:
            ticket = self._ticket(run_id)
            problems = self._save(run_id, self._up_to_date(run_id, path, values), only=path)
        self.measurements.of(run_id).why_not = ""
        updates = self._updates(run_id, words_typed, show_all, fill=False, problems=problems)
        # Fields left one soon after the other are worked on at once: an older one must not mark what is mended by now.
        return updates if self._newest[run_id] == ticket else [gr.skip()] * len(self.changing)

    def _save(self, run_id: str, values: tuple[Any, ...], only: str = "") -> list[FieldProblem]:
        """Put the form into the draft; what is wrong is not taken, and told.

        Args:
            only: The one field that is put in. Pressing a preset leaves a field too, and what stood in the others by then
                must not overwrite what the preset has just set.
        """
        draft = self.studio.draft(run_id)
        recipe, problems = draft.recipe(), []
        for section, fields in self.form.collect(values).items():
            owner = getattr(recipe, section)
            changed = {name: value for name, value in fields.items() if getattr(owner, name) != value}
            for name, value in changed.items():
                if only in {"", f"{section}.{name}"}:
                    problems += draft.update(section, {name: value})
                else:
                    problems += _problems(section, owner, {name: value})
        return problems

    def _unfit(self, run_id: str, values: tuple[Any, ...]) -> list[FieldProblem]:
        """What is wrong with values that stand in the form; nothing is put into the draft."""
        recipe = self.studio.draft(run_id).recipe()
        return [
            problem
            for section, fields in self.form.collect(values).items()
            for name, value in fields.items()
            if getattr(getattr(recipe, section), name) != value
            for problem in _problems(section, getattr(recipe, section), {name: value})
        ]

    def _check(self, run_id: str, words_typed: str, show_all: bool, *values: Any) -> list[Any]:
        if not self.studio.draft(run_id).is_open:
            return [gr.skip()] * len(self.changing)
        problems = self._save(run_id, values)
        return self._updates(run_id, words_typed, show_all, fill=False, problems=problems)

    def _start(self, run_id: str, *values: Any) -> None:
        draft = self.studio.draft(run_id)
        if not draft.is_open:
            return
        try:
            problems = self._save(run_id, values)
            if problems:
                raise RecipeError(problems)
            draft.freeze()
        except RecipeError as error:
            raise self._in_words(list(error.problems)) from None
        except RunError:
            if draft.is_open:
                raise
            return  # pressed twice, or started in another window: it is under way
        self.measurements.drop(run_id)
        self.studio.launcher.enqueue(draft.run)

    def _in_words(self, problems: list[FieldProblem]) -> StudioError:
        """The problems with the titles a person sees in place of the recipe's names."""
        titles = {field.path: field.info.title for field in self.form.fields}
        told = [f"{titles[p.field]}: {p.message}" if p.field in titles else p.message for p in problems]
        return StudioError(RecipeError(problems).title, " ".join(told), "Change what is marked, then start.")

    def _titles(self, problems: list[FieldProblem]) -> list[str]:
        """The fields at which problems stand, as a person sees them."""
        wrong = {problem.field for problem in problems}
        return [field.info.title for field in self.form.fields if field.path in wrong]

    def _copy(self, run_id: str) -> str:
        from studio.runs.draft import Draft

        return Draft.copy_of(self.studio.workspace, run_id).run.id


def _problems(section: str, owner: Any, values: dict[str, Any]) -> list[FieldProblem]:
    """What is wrong with values that are not taken yet."""
    try:
        SECTIONS[section].model_validate({**owner.model_dump(), **values})
    except ValidationError as error:
        return problems_of(error, SECTIONS[section], section)
    return []


def _cleared() -> dict[str, Any]:
    """What a preset decides, left open again."""
    from studio.models.suggest import PRESET_FIELDS

    return {info.name: info.default for info in describe(TrainingOptions) if info.name in PRESET_FIELDS}
