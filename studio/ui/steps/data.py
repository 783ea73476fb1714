"""Step 1: bring data in, see what was understood of it, change what was guessed wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.assets import SAMPLES, assets_dir
from studio.core.errors import StudioError
from studio.core.options import describe
from studio.core.recipe import DataOptions
from studio.data.formats import EXTENSIONS
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.messages import warn
from studio.ui.shell import DATA, PREPARE, QUIET, Shell, StepView, guarded, notify
from studio.ui.views import data as view
from studio.ui.views.fields import field_note, plain

if TYPE_CHECKING:
    from studio.data.first_row import FirstRow
    from studio.runs.draft import Draft

log = logging.getLogger("studio.ui")

ROLE_SLOTS = 10
"""Dropdowns for column roles; a task that has more roles shows its first ones."""
NONE = "(none)"
FIRST_ROW = next(info for info in describe(DataOptions) if info.name == "first_row")


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    with gr.Column(elem_classes="ts-page ts-first") as first:
        html(view.welcome((assets_dir() / "logo.svg").read_text(encoding="utf-8")))
        drop = gr.File(
            file_count="multiple",
            file_types=list(EXTENSIONS),
            label="Files",
            show_label=False,
            elem_id="ts-drop",
            height=168,
        )
        samples = html(view.gallery(SAMPLES), elem_id="ts-samples", js_on_load=_SAMPLES_JS)
        with gr.Accordion("Or paste text, or name a data set of the Hub", open=False, elem_id="ts-other-ways"):
            pasted = gr.Textbox(
                label="Pasted rows", lines=6, max_lines=14, elem_id="ts-pasted",
                placeholder="Rows copied from a spreadsheet, JSON lines, or “Q: …” and “A: …” lines.",
            )  # fmt: skip
            read_pasted = gr.Button("Read this text", size="sm", elem_id="ts-read-pasted")
            with gr.Row(equal_height=True):
                hub_id = gr.Textbox(
                    label="Data set on the Hugging Face Hub",
                    placeholder="owner/name",
                    max_lines=1,
                    scale=3,
                    elem_id="ts-hub",
                )
                read_hub = gr.Button("Load from the Hub", size="sm", scale=1, elem_id="ts-read-hub")
    with gr.Column(elem_classes="ts-page", visible=False) as loaded:
        locked = html(view.locked(), visible=False)
        lead = html(elem_id="ts-understood")
        change = gr.Button("Change", size="sm", elem_id="ts-change", elem_classes="ts-inline")
        with gr.Column(visible=False, elem_id="ts-change-panel", elem_classes="ts-panel") as panel:
            task = gr.Radio(label="What should the model learn?", choices=[], elem_id="ts-task")
            first_row = gr.Radio(
                label=FIRST_ROW.title, info=field_note(FIRST_ROW), elem_id="ts-first-row",
                choices=[(words, value) for value, words in FIRST_ROW.labels.items()],
            )  # fmt: skip
            with gr.Row(elem_classes="ts-roles"):
                slots = [gr.Dropdown(visible=False, min_width=220) for _ in range(ROLE_SLOTS)]
            system = gr.Textbox(
                label="Instruction before every conversation", lines=2, max_lines=6, elem_id="ts-system",
                info="Put before each conversation that has none of its own (system prompt). Leave empty for none.",
            )  # fmt: skip
            use = gr.Button("Use these", variant="primary", size="sm", elem_id="ts-use", elem_classes="ts-inline")
        start = gr.State(0)
        rows = html(elem_id="ts-rows", js_on_load=_PAGER_JS)
        with gr.Row(elem_classes="ts-foot"):
            again = gr.Button("New run from this one", visible=False, elem_id="ts-copy")
            forward = gr.Button("Next: check the data →", variant="primary", elem_id="ts-next-data")

    screen = _Screen(studio)
    outputs = [
        first,
        loaded,
        locked,
        lead,
        change,
        panel,
        task,
        *slots,
        system,
        start,
        rows,
        again,
        forward,
        pasted,
        hub_id,
        first_row,
    ]

    uploaded = drop.upload(guarded(screen.from_files), drop, [run_id, drop], **QUIET)
    uploaded.failure(lambda: None, None, drop, **QUIET)  # the invitation to drop files comes back
    for event in (
        uploaded,
        samples.select(guarded(screen.from_sample), None, run_id, trigger_mode="once", **QUIET),
        read_pasted.click(guarded(screen.from_text), pasted, run_id, **QUIET),
        read_hub.click(guarded(screen.from_hub), hub_id, run_id, **{**QUIET, "show_progress": "minimal"}),
        hub_id.submit(guarded(screen.from_hub), hub_id, run_id, **{**QUIET, "show_progress": "minimal"}),
        again.click(guarded(screen.copy), run_id, run_id, **QUIET),
    ):
        shell.go_to(event, DATA)
    open_panel = gr.State(False)
    change.click(lambda shown: (not shown, gr.Column(visible=not shown)), open_panel, [open_panel, panel], **QUIET)
    guessed = task.input(
        guarded(screen.set_task), [run_id, task], [lead, *slots, system, start, rows, forward], **QUIET
    )
    retaken = first_row.input(
        guarded(screen.set_first_row),
        [run_id, first_row],
        [lead, *slots, system, start, rows, forward, first_row],
        **QUIET,
    )
    used = use.click(
        guarded(screen.set_roles), [run_id, system, *slots], [lead, *slots, system, start, rows, forward], **QUIET
    )
    shell.refresh(guessed)
    shell.refresh(retaken)
    shell.refresh(used)
    rows.select(guarded(screen.turn), run_id, [start, rows], **QUIET)
    shell.go_to(forward.click(guarded(screen.ready), run_id, None, **QUIET), PREPARE)
    return StepView(outputs=outputs, refresh=screen.refresh)


class _Screen:
    """The handlers; they look into the run's folder each time and keep nothing."""

    def __init__(self, studio: StudioContext) -> None:
        self.studio = studio

    # -- ways in ------------------------------------------------------------------------------------------------------

    def from_files(self, paths: list[str] | str | None) -> tuple[str, None]:
        from studio.runs.draft import Draft

        files = [Path(p) for p in ([paths] if isinstance(paths, str) else paths or [])]
        draft = Draft.from_files(self.studio.workspace, files, [p.name for p in files])
        return draft.run.id, None

    def from_sample(self, event: gr.EventData) -> str:
        from studio.runs.draft import Draft

        name = event._data.get("sample") if isinstance(event._data, dict) else None
        return Draft.from_sample(self.studio.workspace, str(name)).run.id

    def from_text(self, pasted: str) -> str:
        from studio.runs.draft import Draft

        if not (pasted or "").strip():
            raise StudioError("There is nothing to read", "The box is empty.", "Paste some rows into it first.")
        return Draft.from_text(self.studio.workspace, pasted).run.id

    def from_hub(self, dataset_id: str) -> str:
        from studio.runs.draft import Draft

        if not (dataset_id or "").strip():
            raise StudioError("No data set is named", "The box is empty.", "Write its name as owner/name.")
        return Draft.from_hub(self.studio.workspace, dataset_id.strip()).run.id

    def copy(self, run_id: str) -> str:
        from studio.runs.draft import Draft

        return Draft.copy_of(self.studio.workspace, run_id).run.id

    # -- what is shown ------------------------------------------------------------------------------------------------

    def refresh(self, run_id: str | None) -> list[Any]:
        if run_id is None:
            # What is pasted stays: a quick person has pasted before the page has been told that there is no run.
            return [gr.Column(visible=True), gr.Column(visible=False), *[gr.skip()] * (ROLE_SLOTS + 13)]
        draft = self.studio.draft(run_id)
        open_ = draft.is_open
        lead, *parts = self._parts(draft)
        *middle, forward = parts
        return [
            gr.Column(visible=False),
            gr.Column(visible=True),
            gr.HTML(visible=not open_),
            lead,
            gr.Button(visible=open_),
            gr.Column(visible=open_ and bool(self._problem(draft))),
            gr.Radio(choices=self._tasks(), value=draft.recipe().task),
            *middle,
            gr.Button(visible=not open_),
            forward,
            "",
            "",
            self._first_row(draft),
        ]

    def _parts(self, draft: Draft) -> list[Any]:
        """lead, role slots, system prompt, first row, table, next button."""
        recipe, table = draft.recipe(), draft.table()
        problem = self._problem(draft)
        lead = view.understood(draft.sentence(), table.files, table.notes, bool(problem))
        slots = self._slots(draft.task.role_titles, recipe.data.roles, table.columns)
        system = gr.Textbox(value=recipe.data.system_prompt or "", visible=draft.task.playground == "chat")
        return [lead, *slots, system, 0, self._rows(draft, 0), gr.Button(interactive=not problem)]

    @staticmethod
    def _problem(draft: Draft) -> str:
        """Why these columns cannot be used for this task, or an empty string."""
        try:
            examples = draft.task.examples(draft.table(), draft.recipe().data.roles)
        except StudioError as error:
            return str(error)
        return "" if draft.task.usable(examples) else "No row can be used."

    @staticmethod
    def _slots(
        titles: dict[str, str], roles: dict[str, Any], columns: list[str], problems: dict[str, str] | None = None
    ) -> list[Any]:
        wanted = list(titles.items())
        slots: list[Any] = []
        for index in range(ROLE_SLOTS):
            if index >= len(wanted):
                slots.append(gr.Dropdown(visible=False, value=None, choices=[]))
                continue
            role, title = wanted[index]
            value = roles.get(role)
            choices = [(NONE, "")] + [(name[:80] or "(no name)", name) for name in columns]
            problem = (problems or {}).get(role)
            slots.append(
                gr.Dropdown(
                    label=title, choices=choices, value=value if value in columns else "", visible=True,
                    info=f"**✕ {plain(problem)}**" if problem else "",
                    elem_classes=["ts-field", "ts-field-wrong"] if problem else ["ts-field"],
                )
            )  # fmt: skip
        return slots

    def _rows(self, draft: Draft, start: int) -> str:
        table = draft.table()
        start = min(max(0, start), max(0, (len(table) - 1) // view.PAGE_ROWS * view.PAGE_ROWS))
        return view.table_page(
            table.columns,
            table.page(start, view.PAGE_ROWS),
            start=start,
            total=len(table),
            used_as=view.roles_by_column(draft.recipe().data.roles, draft.task.role_titles),
        )

    @staticmethod
    def _first_row(draft: Draft) -> gr.Radio:
        first_row = draft.first_row()
        return gr.Radio(value=first_row, visible=first_row is not None)

    @staticmethod
    def _tasks() -> list[tuple[str, str]]:
        from studio.tasks.base import registry

        return [(f"{task.title}: {task.description}", name) for name, task in registry().items()]

    # -- changes ------------------------------------------------------------------------------------------------------

    def turn(self, run_id: str, event: gr.EventData) -> tuple[int, str]:
        wanted = event._data.get("start") if isinstance(event._data, dict) else 0
        start = wanted if isinstance(wanted, int) else 0
        return start, self._rows(self.studio.draft(run_id), start)

    def set_task(self, run_id: str, name: str) -> list[Any]:
        draft = self.studio.draft(run_id)
        draft.set_task(name)
        return self._parts(draft)

    def set_first_row(self, run_id: str, first_row: FirstRow) -> list[Any]:
        draft = self.studio.draft(run_id)
        try:
            draft.set_first_row(first_row)
        except StudioError as error:
            warn(error)
        return [*self._parts(draft), self._first_row(draft)]

    def set_roles(self, run_id: str, system: str, *columns: str | None) -> list[Any]:
        from studio.data.roles import used_twice

        draft = self.studio.draft(run_id)
        roles = {
            role: column for role, column in zip(draft.task.role_titles, columns, strict=False) if column
        }  # fmt: skip
        titles = draft.task.role_titles
        twice = used_twice(roles)
        if twice:
            problems = {role: self._taken(role, roles, titles) for role in twice}
            slots = self._slots(titles, roles, draft.table().columns, problems)
            return [gr.skip(), *slots, *[gr.skip()] * 4]
        before = draft.recipe()
        draft.set_roles(roles)
        if draft.task.playground == "chat":
            draft.set_system_prompt(system)
        if draft.recipe() == before:
            notify("Nothing has changed: these are used already.")
        else:
            notify("From now on these are used.")
        return self._parts(draft)

    @staticmethod
    def _taken(role: str, roles: dict[str, Any], titles: dict[str, str]) -> str:
        other = next(r for r in roles if roles[r] == roles[role])
        return f"This column is chosen for “{titles[other]}” already. Choose another one here or there."

    def ready(self, run_id: str) -> None:
        """Before the next step: the columns must be usable."""
        draft = self.studio.draft(run_id)
        problem = self._problem(draft) if draft.is_open else ""
        if problem:
            raise StudioError("The columns need a look", problem, "Press Change and choose what each column is.")


_SAMPLES_JS = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('button[data-sample]');
  if (!card || card.getAttribute('aria-busy') === 'true') return;
  card.setAttribute('aria-busy', 'true');
  window.setTimeout(() => card.removeAttribute('aria-busy'), 4000);
  trigger('select', {sample: card.dataset.sample});
});
"""

_PAGER_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-start]');
  if (button && !button.disabled) trigger('select', {start: Number(button.dataset.start)});
});
"""
