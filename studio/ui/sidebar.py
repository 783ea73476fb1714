"""The list of runs on the left: state, name, last losses; new, rename, delete."""

from __future__ import annotations

import gradio as gr

from studio.ui.context import StudioContext
from studio.ui.shell import QUIET, Shell, guarded


class Sidebar:
    def __init__(self, studio: StudioContext, run_id: gr.State) -> None:
        self.studio, self.run_id = studio, run_id
        with gr.Sidebar(open=True, width=264, elem_id="ts-sidebar"):
            self.new = gr.Button("New run", elem_id="ts-new-run", size="sm")

    def finish(self, shell: Shell) -> None:
        event = self.new.click(guarded(lambda: None), None, self.run_id, **QUIET)
        shell.open(event)
