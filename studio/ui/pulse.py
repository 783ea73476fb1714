"""The one timer of the page. Each tick is one small request that asks every part that is on the screen "anything new?".

A part answers from the run folder (a time stamp, a byte offset) and says None when there is nothing; then nothing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.errors import StudioError

if TYPE_CHECKING:
    from studio.ui.shell import Shell

log = logging.getLogger("studio.ui")

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
"""Keywords for every event that needs no progress bar: ``button.click(fn, …, **QUIET)``."""

OnTick = Callable[[str | None, dict[str, Any]], tuple[dict[str, Any], list[Any]] | None]


class Pulse:
    """Made by the shell; parts are added, then :meth:`finish` hangs them all on one tick."""

    def __init__(self) -> None:
        self._parts: list[tuple[OnTick, list[Any], int | None]] = []

    def add(self, on_tick: OnTick, outputs: list[Any], step: int | None = None) -> None:
        """Ask ``on_tick(run_id, memory)`` at each tick; with ``step``, only while that step is on the screen.

        It answers ``(memory, one update per output)``, or None when nothing is new.
        """
        self._parts.append((on_tick, outputs, step))

    def finish(self, shell: Shell) -> None:
        self.shell = shell
        self.memory = gr.State({})
        self._outputs = [self.memory, shell.header, *(c for _, outputs, _ in self._parts for c in outputs)]
        inputs = [shell.run_id, shell.step, self.memory]
        shell.timer.tick(self._tick, inputs, self._outputs, queue=False, **QUIET)
        shell.header.change(self._tick, inputs, self._outputs, queue=False, **QUIET)

    def load(self, blocks: gr.Blocks) -> None:
        """The first tick, when the page opens."""
        blocks.load(self._tick, [self.shell.run_id, self.shell.step, self.memory], self._outputs, queue=False, **QUIET)

    def _tick(self, run_id: str | None, step: int, memory: dict[str, Any], request: gr.Request) -> Any:
        session = str(request.session_hash)
        turn = self.shell.turn(session)
        new, updates, changed = dict(memory), [], False
        for number, (on_tick, outputs, at) in enumerate(self._parts):
            answer = None
            if at is None or (at == step and run_id):
                answer = self._ask(on_tick, run_id, memory.get(str(number), {}))
            if answer is None:
                updates += [gr.skip()] * len(outputs)
            else:
                changed = True
                new[str(number)] = answer[0]
                updates += answer[1]
        row = self.shell.row(run_id, step, request) if run_id else None
        shown: Any = gr.skip()
        if row is not None and row != memory.get("row"):
            new["row"], shown, changed = row, row, True
        if not changed or self.shell.turn(session) != turn:
            return gr.skip()
        return [new, shown, *updates]

    @staticmethod
    def _ask(on_tick: OnTick, run_id: str | None, memory: dict[str, Any]) -> tuple[dict[str, Any], list[Any]] | None:
        try:
            return on_tick(run_id, memory)
        except StudioError:
            return None
        except Exception:
            log.exception("a tick failed")
            return None
