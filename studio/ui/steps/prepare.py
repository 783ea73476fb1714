"""Step 2: what was found in the rows and what to do about it, the split, and exactly what the model will see."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.errors import DataError, StudioError
from studio.core.options import describe
from studio.core.recipe import SplitOptions
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.shell import DATA, MODEL, QUIET, Shell, StepView, guarded, notify
from studio.ui.views import data as data_view
from studio.ui.views import findings as findings_view
from studio.ui.views import tokens
from studio.ui.views.fields import field_note
from studio.ui.views.html import tag
from studio.ui.views.split import clamped, split_bar

if TYPE_CHECKING:
    from studio.data.types import Finding
    from studio.runs.draft import Draft

LEFT = "left"
"""Under this name the run's folder remembers which findings the person left as they are."""
COLUMN = next(info for info in describe(SplitOptions) if info.name == "column")


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    with gr.Column(elem_classes="ts-page"):
        locked = html(data_view.locked(), visible=False)
        health = html(elem_id="ts-health")
        with gr.Row(elem_classes="ts-two"):
            with gr.Column(scale=3, min_width=320):
                findings = html(elem_id="ts-findings", js_on_load=_ACTIONS_JS)
            with gr.Column(scale=1, min_width=220):
                effect = html(elem_id="ts-effect", js_on_load=_ACTIONS_JS)
        html(tag("h2", "How the rows are divided", tag("small", "split"), class_="ts-heading"))
        split = html(elem_id="ts-split", js_on_load=_SPLIT_JS)
        with gr.Accordion("More about the split", open=False, elem_id="ts-split-more"), gr.Row(equal_height=True):
            column = gr.Dropdown(
                label=COLUMN.title, info=field_note(COLUMN), choices=[], elem_id="ts-split-column",
                elem_classes=["ts-field"], min_width=240,
            )  # fmt: skip
            seed = gr.Number(
                label="Shuffle number (seed)", info="The same number gives the same split.", precision=0, minimum=0,
                maximum=2**31 - 1, elem_id="ts-seed", elem_classes=["ts-field"], min_width=200,
            )  # fmt: skip
        html(tag("h2", "What the model will see", class_="ts-heading"))
        index = gr.State(0)
        seen = html(elem_id="ts-seen", js_on_load=_TURN_JS)
        html(tag("h2", "How long the rows are", tag("small", "tokens"), class_="ts-heading"))
        lengths = html(elem_id="ts-lengths")
        with gr.Row(elem_classes="ts-foot"):
            back = gr.Button("← Back to the data", elem_id="ts-back-data")
            forward = gr.Button("Next: choose a model →", variant="primary", elem_id="ts-next-prepare")

    screen = _Screen(studio)
    rows = [health, findings, effect, split, index, seen, lengths, forward]
    for component in (findings, effect):
        acted = component.select(guarded(screen.act), run_id, rows, **QUIET)
        shell.refresh(acted)
    split.select(guarded(screen.set_shares), run_id, rows, trigger_mode="multiple", **QUIET)
    column.input(guarded(screen.set_column), [run_id, column], [*rows, column], **QUIET)
    gr.on([seed.submit, seed.blur], guarded(screen.set_seed), [run_id, seed], rows, **QUIET)
    seen.select(guarded(screen.turn), [run_id, index], [index, seen], trigger_mode="always_last", **QUIET)
    shell.go_to(back.click(lambda: None, **QUIET), DATA)
    shell.go_to(forward.click(guarded(screen.ready), run_id, None, **QUIET), MODEL)
    return StepView(outputs=[locked, *rows, column, seed], refresh=screen.refresh)


class _Screen:
    """The handlers; they look into the run's folder each time and keep nothing."""

    def __init__(self, studio: StudioContext) -> None:
        self.studio = studio

    # -- what is shown ------------------------------------------------------------------------------------------------

    def refresh(self, run_id: str | None) -> list[Any]:
        if run_id is None:
            return [gr.skip()] * 11
        draft = self.studio.draft(run_id)
        options = draft.recipe().data.split
        return [
            gr.HTML(visible=not draft.is_open),
            *self._rows(draft),
            self._column(draft),
            gr.Number(value=options.seed, interactive=draft.is_open),
        ]

    @staticmethod
    def _column(draft: Draft, problem: str = "") -> gr.Dropdown:
        """The column that counts; beside it why the one just chosen cannot."""
        return gr.Dropdown(
            choices=[("(none)", "")] + [(name[:80], name) for name in draft.table().columns],
            value=draft.split_column() or "", interactive=draft.is_open, info=field_note(COLUMN, problem=problem),
            elem_classes=["ts-field", "ts-field-wrong"] if problem else ["ts-field"],
        )  # fmt: skip

    def _rows(self, draft: Draft, preview_of: str = "") -> list[Any]:
        """health, findings, effect, split, index, seen, lengths, next."""
        findings = draft.findings()
        rows_in, rows_out = draft.counts()
        changes = draft.preview(preview_of) if preview_of else []
        open_ = draft.is_open
        return [
            tag("p", findings_view.health(self._unleft(draft, findings), rows_out), class_="ts-lead"),
            findings_view.cards(
                findings, left=self._left(draft), preview_of=preview_of, preview=changes, can_change=open_
            ),
            findings_view.effect(rows_in, rows_out, draft.recipe().data.fixes, self._titles(), open_),
            *self._divided(draft),
            self._lengths(draft),
            gr.Button(interactive=rows_out > 0),
        ]

    def _unleft(self, draft: Draft, findings: list[Finding]) -> list[Finding]:
        left = self._left(draft)
        return [f for f in findings if f.check not in left]

    def _left(self, draft: Draft) -> list[str]:
        left = self.studio.recall(draft.run, LEFT, [])
        return [str(check) for check in left] if isinstance(left, list) else []

    @staticmethod
    def _titles() -> dict[str, str]:
        """Fix id → its words, for the undo list."""
        from studio.data.clean import ALL

        return {fix.id: fix.title for fix in ALL.values()}

    def _divided(self, draft: Draft) -> list[Any]:
        """split bar, index, what the model sees."""
        options = draft.recipe().data.split
        shares = {"train": options.train, "validation": options.validation, "test": options.test}
        try:
            splits = draft.splits()
        except DataError as error:
            message = tag("p", f"{error.what_happened} {error.what_to_do}", class_="ts-empty")
            return [message, 0, tokens.model_view([], 0, 0, None)]
        own = draft.split_column() is not None
        if own:
            shares = {name: float(size) for name, size in splits.sizes().items()}
        bar = split_bar(shares, splits.sizes(), splits.notes, draft.is_open and not own, str(time.monotonic_ns()))
        return [bar, 0, self._seen(draft, 0)]

    def _seen(self, draft: Draft, index: int) -> str:
        total = len(draft.splits().train)
        if not total:
            return tokens.model_view([], 0, 0, None)
        return tokens.model_view(draft.segments(index), index, total, draft.max_length())

    def _lengths(self, draft: Draft) -> str:
        from studio.data.stats import histogram

        return tokens.histogram(histogram(draft.token_lengths() or [], draft.max_length()))

    # -- changes ------------------------------------------------------------------------------------------------------

    def act(self, run_id: str, event: gr.EventData) -> list[Any]:
        """A button on a card or in the undo list was pressed."""
        wish = event._data if isinstance(event._data, dict) else {}
        check, fix = str(wish.get("check", "")), str(wish.get("fix", ""))
        draft = self.studio.draft(run_id)
        match wish.get("action"):
            case "preview":
                skipped = [gr.skip()] * 6
                findings = draft.findings()
                changes = draft.preview(fix) if fix else []
                cards = findings_view.cards(findings, left=self._left(draft), preview_of=fix, preview=changes)
                return [gr.skip(), cards, *skipped]
            case "fix":
                draft.apply(check, fix)
            case "undo":
                index = wish.get("index")
                if not draft.undo(index if isinstance(index, int) else -1, fix):
                    notify(
                        "The list of fixes has changed meanwhile: this one was undone already, or another window was faster. "
                        "Here is the list as it is now."
                    )
            case "leave":
                self.studio.remember(draft.run, LEFT, sorted({*self._left(draft), check}))
            case "unleave":
                self.studio.remember(draft.run, LEFT, [c for c in self._left(draft) if c != check])
        return self._rows(draft)

    def set_shares(self, run_id: str, event: gr.EventData) -> list[Any]:
        wish = event._data if isinstance(event._data, dict) else {}
        first, second = clamped(int(wish.get("train", 80)), int(wish.get("validation", 90)))
        try:
            return self._set(run_id, train=first / 100, validation=(second - first) / 100, test=(100 - second) / 100)
        except StudioError as error:  # the bar goes back to what counts
            notify(str(error))
            return [*[gr.skip()] * 3, *self._divided(self.studio.draft(run_id)), *[gr.skip()] * 2]

    def set_column(self, run_id: str, column: str | None) -> list[Any]:
        """The findings change too: what is held back must not be among what is learned."""
        draft = self.studio.draft(run_id)
        problems = draft.set_split(column=column or "")
        if problems:
            return [*[gr.skip()] * 8, self._column(draft, " ".join(p.message for p in problems))]
        return [*self._rows(draft), self._column(draft)]

    def set_seed(self, run_id: str, seed: float | None) -> list[Any]:
        draft = self.studio.draft(run_id)
        if seed is None or int(seed) == draft.recipe().data.split.seed:
            return [gr.skip()] * 8
        return self._set(run_id, seed=int(seed))

    def _set(self, run_id: str, **fields: Any) -> list[Any]:
        draft = self.studio.draft(run_id)
        limit, before = draft.max_length(), draft.split_findings()
        problems = draft.set_split(**fields)
        if problems:
            raise StudioError(
                "The split stays as it was", " ".join(p.message for p in problems), "Choose other values."
            )
        if (draft.max_length(), draft.split_findings()) != (
            limit,
            before,
        ):  # they follow from the rows that are learned from
            return self._rows(draft)
        return [*[gr.skip()] * 3, *self._divided(draft), *[gr.skip()] * 2]

    def turn(self, run_id: str, index: int, event: gr.EventData) -> list[Any]:
        wish = event._data if isinstance(event._data, dict) else {}
        draft = self.studio.draft(run_id)
        total = len(draft.splits().train)
        if not total:
            return [gr.skip(), gr.skip()]
        index = (index + int(wish.get("turn", 1))) % total
        return [index, self._seen(draft, index)]

    def ready(self, run_id: str) -> None:
        """Before the next step: there must be rows to learn from."""
        draft = self.studio.draft(run_id)
        if draft.is_open:
            draft.splits()


_ACTIONS_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (!button || button.getAttribute('aria-busy') === 'true') return;
  const {action, check, fix, index} = button.dataset;
  button.setAttribute('aria-busy', 'true');
  window.setTimeout(() => button.removeAttribute('aria-busy'), 4000);
  trigger('select', {action, check, fix, index: index === undefined ? undefined : Number(index)});
});
watch('value', () => element.querySelectorAll('[aria-busy]').forEach((b) => b.removeAttribute('aria-busy')));
"""

_SPLIT_JS = """
const read = () => {
  const [first, second] = element.querySelectorAll('input[type=range]');
  return [first, second];
};
element.addEventListener('input', (event) => {
  const [first, second] = read();
  const {least, most} = element.querySelector('.ts-split-bar').dataset;
  const between = (value, low, high) => Math.min(Math.max(value, low), high);
  let train = Number(first.value), end = Number(second.value);
  if (event.target === second) {
    end = between(end, 100 - Number(most), Math.min(100, train + Number(most)));
    train = between(train, Number(least), end);
  } else {
    train = between(train, Number(least), 100);
    end = between(end, Math.max(train, 100 - Number(most)), Math.min(100, train + Number(most)));
  }
  wish = {train, validation: end};
  mine = run();
  draw();
});
let wish = null, mine = null, waiting = 0, unanswered = 0;
const run = () => document.querySelector('.ts-journey')?.dataset.run;
const draw = () => {
  const [first, second] = read(), {train, validation: end} = wish;
  if (!first) return;
  first.value = train;
  second.value = end;
  [['train', train], ['validation', end - train], ['test', 100 - end]].forEach(([name, share]) => {
    element.querySelector('.ts-part.ts-part-' + name).style.width = share + '%';
    const told = element.querySelector('.ts-told-' + name);
    told.querySelector('.ts-percent').textContent = share + ' %';
    told.querySelector('.ts-count').textContent = '';
  });
};
// One move at a time is sent, for the server may hear two in any order; an answer that does not come is not waited for.
const send = () => {
  if (Date.now() < unanswered) { waiting = window.setTimeout(send, 50); return; }
  waiting = 0;
  if (!wish || mine !== run() || !read()[0]) return;
  unanswered = Date.now() + 10000;
  trigger('select', wish);
};
element.addEventListener('change', () => {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(send, 350);
});
watch('value', () => {
  unanswered = 0;
  // What was moved since then stands, and is sent; else the bar shows what counts.
  if (waiting && mine === run()) draw();
  else read().forEach((handle) => { if (handle) handle.value = handle.getAttribute('value'); });
});
"""

_TURN_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-turn]');
  if (button) trigger('select', {turn: Number(button.dataset.turn)});
});
"""
