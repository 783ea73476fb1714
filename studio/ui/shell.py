"""The frame around the six screens: where the person is, which run, what the address says, and how errors are shown.

A screen is a module of :mod:`studio.ui.steps` with

    def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView

It makes its components, hangs its own events on them (each handler wrapped in :func:`guarded`), and hands back what the
shell needs to fill it. To lead on to another step: ``shell.go_to(button.click(...), TRAIN)``.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.runs.folder import RunFolder
from studio.runs.state import ACTIVE
from studio.ui.context import StudioContext
from studio.ui.messages import as_shown, guarded, message_of, notify, warn
from studio.ui.pulse import QUIET, Pulse
from studio.ui.views import journey
from studio.ui.views.journey import COMPARE, DATA, EXPORT, MODEL, PREPARE, STEPS, TRAIN

__all__ = [
    "COMPARE", "DATA", "EXPORT", "MODEL", "PREPARE", "QUIET", "STEPS", "TRAIN", "Shell", "StepView", "guarded", "message_of", "notify",
]  # fmt: skip

log = logging.getLogger("studio.ui")


MAX_SESSIONS = 1000
"""Browser sessions whose last visit is remembered."""
GONE = "This run was deleted."


@dataclass(frozen=True)
class Visit:
    """Where a browser session is. ``turn`` grows with each visit; ``travel`` is the browser's number of the Back or Forward
    that led here, 0 when something else did."""

    turn: int = 0
    run_id: str | None = None
    step: int = DATA
    travel: int = 0


@dataclass
class StepView:
    """What a screen hands back.

    Attributes:
        outputs: Components that :attr:`refresh` fills, in its order.
        refresh: ``refresh(run_id)`` → one update per output. Called when the step is entered and when the run changes;
            ``run_id`` is None only on the first step.
        on_tick: ``on_tick(run_id, memory)`` → ``(memory, updates)`` with one update per :attr:`tick_outputs`, or None when
            nothing is new. Called about once a second while this step is on the screen. ``memory`` is a small dict that
            lives as long as the browser session ({} at first): an event offset, a run id.
        tick_outputs: Components that :attr:`on_tick` fills.
    """

    outputs: list[Any]
    refresh: Callable[[str | None], list[Any]]
    on_tick: Callable[[str | None, dict[str, Any]], tuple[dict[str, Any], list[Any]] | None] | None = None
    tick_outputs: list[Any] = field(default_factory=list)


class Shell:
    """Made once per page layout, before the steps; :meth:`finish` wires it when all steps are there."""

    def __init__(self, studio: StudioContext, run_id: gr.State) -> None:
        self.studio = studio
        self.run_id = run_id
        self.step = gr.State(DATA)
        self.timer = gr.Timer(3.0)
        self.header = gr.HTML(
            journey.header(journey.journey(None), DATA, None),
            elem_id="ts-journey",
            js_on_load=_HEADER_JS,
            apply_default_css=False,
        )
        self.walkthrough: gr.Walkthrough | None = None
        self.views: list[StepView] = []
        self._counter = itertools.count(int(time.time()))  # greater than those a page has seen from the server before
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._leads: list[tuple[Any, int | None]] = []
        self.pulse = Pulse()
        self._refreshers: list[Any] = []

    # -- for the screens ----------------------------------------------------------------------------------------------

    def go_to(self, event: Any, step: int) -> None:
        """When ``event`` (what ``button.click(...)`` returned) has succeeded: show ``step``, filled from the run folder,
        and name it in the address. The run is the one in ``run_id`` by then."""
        self._leads.append((event, step))

    def open(self, event: Any) -> None:
        """When ``event`` has succeeded: show the run in ``run_id``; another one than before at the step where the person
        left it."""
        self._leads.append((event, None))

    def refresh(self, event: Any) -> None:
        """When ``event`` has succeeded: bring the row of steps up to date (a step became possible or done)."""
        self._refreshers.append(event)

    guarded = staticmethod(guarded)
    notify = staticmethod(notify)

    # -- wiring -------------------------------------------------------------------------------------------------------

    @property
    def frame(self) -> list[Any]:
        return [self.step, self.header, self.walkthrough, self.timer]

    @property
    def everything(self) -> list[Any]:
        return [*self.frame, *(component for view in self.views for component in view.outputs)]

    def finish(self, walkthrough: gr.Walkthrough, views: list[StepView]) -> None:
        """Hang the navigation on what the steps asked for; inside the Blocks context."""
        self.walkthrough, self.views = walkthrough, views
        anywhere = [self.run_id, *self.everything]
        # While a place is being filled a person may ask for the next one: each is heard, and the newest wins.
        heard: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
        for event, step in self._leads:
            if step is None:
                event.success(self._show_run, [self.run_id], anywhere, **heard)
            else:
                event.success(self._shower(step), [self.run_id], [*self.frame, *views[step].outputs], **heard)
        for event in self._refreshers:
            event.success(self._refreshed_row, [self.run_id, self.step], [self.header], **QUIET)
        self.header.select(self._pressed, [self.run_id], anywhere, **heard)
        for index, view in enumerate(views):
            if view.on_tick is not None:
                self.pulse.add(view.on_tick, view.tick_outputs, index)
        self.pulse.finish(self)

    def load(self, blocks: gr.Blocks) -> None:
        """When the page opens: the run and step of the address."""
        blocks.load(self._restore, None, [self.run_id, *self.everything], **QUIET)
        self.pulse.load(blocks)

    def _restore(self, request: gr.Request) -> Iterator[list[Any]]:
        wanted = dict(request.query_params)
        run_id, step = wanted.get("run"), wanted.get("step", "")
        if run_id:
            try:
                self.studio.run(run_id)
            except StudioError as error:
                warn(error)
        yield from self._go(run_id, int(step) - 1 if step.isdecimal() else None, request)

    def _show_run(self, run_id: str | None, request: gr.Request) -> Iterator[list[Any]]:
        before = self._visits.get(str(request.session_hash), Visit())
        yield from self._go(run_id, before.step if run_id and run_id == before.run_id else None, request, GONE)

    def _go(
        self, run_id: str | None, step: int | None, request: gr.Request, missing: str = "", travel: int = 0
    ) -> Iterator[list[Any]]:
        """The run to show, then the updates for :attr:`everything`. Where there is no such run (any more): the start page,
        and ``missing`` is told."""
        run = self._run(run_id)
        if run_id and run is None and missing:
            notify(missing)
        shown = run.id if run else None
        for updates in self.show(shown, step, request, travel):
            yield [shown, *updates] if updates else [gr.skip()] * (1 + len(self.everything))

    def show(self, run_id: str | None, step: int | None, request: gr.Request, travel: int = 0) -> Iterator[list[Any]]:
        """Updates for :attr:`everything`: at once the frame, then the one step that is shown; the others stay. An answer
        that nobody waits for any more is an empty list."""
        run = self._run(run_id)
        step = journey.landing(run, step)
        before = sum(len(view.outputs) for view in self.views[:step])
        after = sum(len(view.outputs) for view in self.views[step + 1 :])
        for entered in self._entering(run, step, request, travel):
            if entered is None:
                yield []
            else:
                frame, filled = entered
                yield [*frame, *[gr.skip()] * before, *filled, *[gr.skip()] * after]

    def _shower(self, step: int) -> Callable[..., Iterator[list[Any]]]:
        """A handler that leads to one step."""

        def show_one(run_id: str | None, request: gr.Request) -> Iterator[list[Any]]:
            run, unchanged = self._run(run_id), [gr.skip()] * (len(self.frame) + len(self.views[step].outputs))
            if run_id and run is None:
                notify(GONE)  # the next tick leads to the start page
                yield unchanged
            elif self._possible(run, step):
                for entered in self._entering(run, step, request):
                    yield [*entered[0], *entered[1]] if entered else unchanged
            else:
                yield unchanged

        return show_one

    def _pressed(self, run_id: str | None, event: gr.EventData, request: gr.Request) -> Iterator[list[Any]]:
        """A step in the row was pressed, or the browser's own Back or Forward."""
        wish = event._data if isinstance(event._data, dict) else {}
        step = wish.get("step") if isinstance(wish.get("step"), int) else None
        if "run" in wish:
            travel = wish.get("travel")
            yield from self._go(str(wish["run"] or ""), step, request, GONE, travel if isinstance(travel, int) else 0)
        elif run_id and self._run(run_id) is None:
            yield from self._go(run_id, None, request, GONE)
        elif step is not None and 0 <= step < len(STEPS) and self._possible(self._run(run_id), step):
            yield from self._go(run_id, step, request)
        else:
            yield [gr.skip()] * (1 + len(self.everything))

    @staticmethod
    def _possible(run: RunFolder | None, step: int) -> bool:
        """Whether the step can be shown; if not, the reason is told (a phone has no hover)."""
        why_not = journey.journey(run)[step].why_not
        if why_not:
            notify(f"{STEPS[step]}: {why_not}")
        return not why_not

    def _entering(
        self, run: RunFolder | None, step: int, request: gr.Request, travel: int = 0
    ) -> Iterator[tuple[list[Any], list[Any]] | None]:
        """First the frame with a sign of work going on, then the filled step.

        A person does not wait for a slow step: when they have gone elsewhere meanwhile, the late answer is None.
        """
        view, session = self.views[step], str(request.session_hash)
        if 0 < travel < self._visits.get(session, Visit()).travel:
            yield None  # Back was pressed twice, and the second was heard first
            return
        turn = next(self._counter)
        self._visits[session] = visit = Visit(turn, run.id if run else None, step, travel)
        self._visits.move_to_end(session)
        while len(self._visits) > MAX_SESSIONS:
            self._visits.popitem(last=False)
        if run is not None:
            yield self._frame(run, visit, busy=True), [gr.skip()] * len(view.outputs)
        filled = self._filled(view, run.id if run else None, lambda: self.turn(session) in (0, turn))
        if self.turn(session) in (0, turn):
            yield self._frame(run, visit), filled
        else:
            yield None
        for problem in self.studio.take_news():
            warn(problem)

    def turn(self, session: str) -> int:
        """A number that grows with each visit of a browser session; 0 when it is not known."""
        return self._visits.get(session, Visit()).turn

    def row(self, run_id: str | None, step: int, request: gr.Request) -> str | None:
        """The row of steps as it is now; None for a page that is on its way elsewhere. When the run is gone (deleted in
        another browser), it tells the page to leave."""
        run, visit = self._run(run_id), self._visits.get(str(request.session_hash), Visit())
        if visit.turn and (visit.run_id, visit.step) != (run_id, step):
            return None
        return journey.header(
            journey.journey(run), step, run_id, visit=visit.turn, travel=visit.travel, gone=bool(run_id) and run is None
        )

    def _refreshed_row(self, run_id: str | None, step: int, request: gr.Request) -> Any:
        row = self.row(run_id, step, request)
        return gr.skip() if row is None else row

    def _frame(self, run: RunFolder | None, visit: Visit, busy: bool = False) -> list[Any]:
        step = visit.step
        state = run.state() if run else None
        if run and state and state.state == "draft" and state.step_of_journey != step:
            self._remember(run, step)
            state = run.state()
        live = bool(state and (state.state in ACTIVE or state.state == "queued"))
        pace = 1.0 if step == TRAIN and live else 3.0
        row = journey.header(journey.journey(run, state), step, run.id if run else None, busy, visit.turn, visit.travel)
        return [step, row, gr.Walkthrough(selected=step), gr.Timer(pace)]

    def _remember(self, run: RunFolder, step: int) -> None:
        try:
            self.studio.draft(run.id).visit(step)
        except (StudioError, OSError):
            log.warning("Could not note step %s of %s", step, run.id)

    def _filled(self, view: StepView, run_id: str | None, still_wanted: Callable[[], bool]) -> list[Any]:
        try:
            updates = list(view.refresh(run_id))
            if len(updates) != len(view.outputs):
                raise ValueError(f"{len(updates)} updates for {len(view.outputs)} outputs")
            return updates
        except Exception as error:  # noqa: BLE001  the step is shown all the same, with the reason on top
            if still_wanted():
                gr.Warning(as_shown(error, "refresh").message, duration=None)
            return [gr.skip()] * len(view.outputs)

    def _run(self, run_id: str | None) -> RunFolder | None:
        if not run_id:
            return None
        try:
            return self.studio.run(run_id)
        except StudioError:
            return None


_HEADER_JS = """
// The address names the run and the step; each place a person goes to is a page of the browser's history.
let seen = 0, asked = 0, waiting = false, leaving = false;
window.history.scrollRestoration = 'manual';
const place = (run, step) => {
  const url = new URL(window.location.href);
  if (run) { url.searchParams.set('run', run); url.searchParams.set('step', step); }
  else { url.searchParams.delete('run'); url.searchParams.delete('step'); }
  return url;
};
// To a place that the address names already, or that stands for one that is gone: no new page of the history.
const go = (run, step) => { asked += 1; waiting = true; trigger('select', {run, step, travel: asked}); };
const ask = () => {
  const wanted = new URLSearchParams(window.location.search), step = Number(wanted.get('step'));
  go(wanted.get('run') ?? '', step > 0 ? step - 1 : null);
};
const tell = () => {
  const row = element.querySelector('nav');
  const gone = row?.dataset.gone !== undefined;
  if (gone && !leaving) go(row.dataset.run, null);
  leaving = gone;
  const visit = Number(row?.dataset.visit ?? 0);
  // Gradio repeats the last message of an answer when it ends, which can be after the page has gone elsewhere.
  if (visit < seen && !waiting) ask();
  if (visit <= seen) return;
  const first = seen === 0;
  seen = visit;
  const run = row.dataset.run, url = place(run, String(Number(row.dataset.current) + 1));
  const travel = Number(row.dataset.travel ?? 0);
  if (travel && travel < asked) return;
  const travelled = waiting || travel > 0;
  waiting = false;
  document.title = run ? run + ' · Tailor Studio' : 'Tailor Studio';
  if (url.href !== window.location.href) {
    window.history[first || travelled ? 'replaceState' : 'pushState'](window.history.state, '', url);
  } else if (!travelled) return;
  if (!first) window.scrollTo({top: 0, behavior: 'instant'});
};
window.addEventListener('popstate', () => {
  const wanted = new URLSearchParams(window.location.search), row = element.querySelector('nav');
  const run = wanted.get('run') ?? '', step = Number(wanted.get('step'));
  if (!waiting && run === row?.dataset.run && (!run || step === Number(row.dataset.current) + 1)) return;
  ask();
});
watch('value', tell);
tell();
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-step]');
  if (button) trigger('select', {step: Number(button.dataset.step)});
});
"""
