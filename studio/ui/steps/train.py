"""Step 4, Train: watch the run, pause, stop, resume. Everything shown is read from the run folder, so that any browser
that opens the address sees the same; nothing here trains anything."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import gradio as gr

from studio.core.errors import RunError
from studio.runs.folder import RunFolder
from studio.runs.state import ACTIVE, RunState
from studio.training.checkpoints import read_memory
from studio.ui import live_chart
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.shell import COMPARE, MODEL, QUIET, TRAIN, Shell, StepView
from studio.ui.views import train as words
from studio.ui.views.chart import RunWatch, watch
from studio.ui.views.journey import has_model


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    return TrainStep(studio, run_id, shell).view()


class TrainStep:
    """The screen; components only, no one's state."""

    def __init__(self, studio: StudioContext, run_id: gr.State, shell: Shell) -> None:
        self.studio, self.run_id, self.shell = studio, run_id, shell
        self._lay_out()
        self._wire()

    def _lay_out(self) -> None:
        self.coach = html(elem_id="ts-coach")
        with gr.Row(elem_classes=["ts-train"]):
            with gr.Column(scale=3, min_width=320):
                self.chart = live_chart.build(self.studio.workspace, elem_id="ts-chart")
            with gr.Column(scale=1, min_width=230):
                self.status = html(elem_id="ts-status")
                self.pause = gr.Button("Pause", size="md", elem_id="ts-pause", visible=False)
                self.stop = gr.Button("Stop and keep the best", size="md", elem_id="ts-stop", visible=False)
                self.resume = gr.Button("Resume", variant="primary", size="md", elem_id="ts-resume", visible=False)
                self.retry = gr.Button(
                    "Retry with smaller batch", variant="primary", size="md", elem_id="ts-retry", visible=False
                )
                self.again = gr.Button("New run from this one", size="md", elem_id="ts-again", visible=False)
                self.cancel = gr.Button("Cancel", size="md", elem_id="ts-cancel", visible=False)
                self.compare = gr.Button(
                    "Compare →", variant="primary", size="md", elem_id="ts-to-compare", visible=False
                )
        with gr.Tabs(elem_id="ts-train-tabs"):
            with gr.Tab("Answers so far"):
                self.answers = html(elem_id="ts-answers")
            with gr.Tab("Details"):
                self.panels = live_chart.build(self.studio.workspace, panels=True, elem_id="ts-panels")
                self.remarks = html(elem_id="ts-remarks")
            with gr.Tab("Log"):
                self.log = html(elem_id="ts-log")

    @property
    def ticking(self) -> list[Any]:
        return [
            self.coach, self.status, self.pause, self.stop, self.resume, self.retry, self.cancel, self.compare,
            self.again, self.answers, self.remarks, self.log,
        ]  # fmt: skip

    def _wire(self) -> None:
        guarded, charts = self.shell.guarded, [self.chart, self.panels]
        shown = [*charts, *self.ticking]
        for button, action in (
            (self.pause, self._pause),
            (self.stop, self._stop),
            (self.resume, self._resume),
        ):
            event = button.click(guarded(action), [self.run_id], shown, **QUIET)
            self.shell.refresh(event)
        self.shell.open(self.cancel.click(guarded(self._cancel), [self.run_id], None, **QUIET))
        retried = self.retry.click(guarded(self._retry), [self.run_id], [self.run_id], **QUIET)
        self.shell.go_to(retried, TRAIN)
        copied = self.again.click(guarded(self._again), [self.run_id], [self.run_id], **QUIET)
        self.shell.go_to(copied, MODEL)
        self.shell.go_to(self.compare.click(guarded(lambda: None), None, None, **QUIET), COMPARE)

    def view(self) -> StepView:
        return StepView(
            [self.chart, self.panels, *self.ticking],
            self._refresh,
            self._tick,
            [self.chart, self.panels, *self.ticking],
        )

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _refresh(self, run_id: str | None) -> list[Any]:
        if not run_id:
            return (
                [live_chart.value(None)] * 2
                + [""] * 2
                + [gr.update(visible=False)] * len(fields(words.Buttons))
                + [""] * 3
            )
        run = self.studio.run(run_id)
        state = run.state()
        return [*self._charts(run, state), *self._shown(run, state)]

    def _charts(self, run: RunFolder, state: RunState) -> list[Any]:
        return [live_chart.value(run.id, state.started or 0)] * 2

    def _shown(self, run: RunFolder, state: RunState) -> list[Any]:
        seen = watch(run.events_path)
        seen.refresh()
        report = run.report() if state.state in {"finished", "stopped"} else None
        tuned = has_model(run)
        requested = run.requested() if state.state in ACTIVE else ""
        may = words.buttons(state, requested, tuned, state.state == "stopped" and _has_checkpoint(run))
        flags = [may.pause, may.stop, may.resume, may.retry, may.cancel, may.compare, may.again]
        return [
            words.coach(seen.notes, state, tuned, str((report or {}).get("verdict", ""))),
            words.status(state, seen.status, seen.latest, tuned, requested, self._before(run, state), seen.best),
            *(gr.update(visible=flag) for flag in flags),
            words.answers(seen.samples),
            words.remarks(seen.notes),
            words.log_tail(run.log_path),
        ]

    def _before(self, run: RunFolder, state: RunState) -> int:
        """How many runs go before this one."""
        return (self.studio.launcher.queue.position(run) or 0) if state.state == "queued" else 0

    def _tick(self, run_id: str | None, memory: dict[str, Any]) -> tuple[dict[str, Any], list[Any]] | None:
        if not run_id:
            return None
        run = self.studio.run(run_id)
        seen: RunWatch = watch(run.events_path)
        state = run.state()
        size = run.log_path.stat().st_size if run.log_path.is_file() else 0
        place = self._before(run, state)
        signature = [run_id, state.state, state.updated, seen.refresh(), size, run.requested(), place, has_model(run)]
        # An answer may reach the page before an older one, which then takes its place: what is new is told a second time.
        again = memory.get("train") == signature
        if again and memory.get("told_again"):
            return None
        old = memory.get("train") or [None] * len(signature)
        shown = self._shown(run, state)
        # Coach, figures and buttons are sent each time, for what a button's press is answered with is not remembered here;
        # the long texts only when they changed.
        last = 2 + len(fields(words.Buttons))
        parts = [shown[:last], *([value] for value in shown[last:])]
        hashes = [hash(str(part)) for part in parts]
        known = memory.get("parts") or [None] * len(parts)
        updates = [
            value if index == 0 or again or hashes[index] != known[index] else gr.skip()
            for index, part in enumerate(parts)
            for value in part
        ]
        charts = self._charts(run, state) if old[:2] != signature[:2] else [gr.skip()] * 2
        return {**memory, "train": signature, "parts": hashes, "told_again": again}, [*charts, *updates]

    # -- what the person does -----------------------------------------------------------------------------------------

    def _pause(self, run_id: str) -> list[Any]:
        self.studio.launcher.pause(self.studio.run(run_id))
        return self._refresh(run_id)

    def _stop(self, run_id: str) -> list[Any]:
        self.studio.launcher.stop(self.studio.run(run_id))
        return self._refresh(run_id)

    def _resume(self, run_id: str) -> list[Any]:
        self.studio.launcher.resume(self.studio.run(run_id))
        return self._refresh(run_id)

    def _cancel(self, run_id: str) -> None:
        if not self.studio.launcher.cancel(self.studio.run(run_id)):
            raise RunError("This run is no longer waiting", "It has been started meanwhile.", "Use Stop to end it.")

    def _again(self, run_id: str) -> str:
        from studio.runs.draft import Draft

        return Draft.copy_of(self.studio.workspace, run_id).run.id

    def _retry(self, run_id: str) -> str:
        return self.studio.launcher.retry_smaller(self.studio.run(run_id)).id


def _has_checkpoint(run: RunFolder) -> bool:
    return any(read_memory(path) is not None for path in run.checkpoints_dir.glob("checkpoint-*"))
