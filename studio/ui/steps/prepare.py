"""Stands in for a screen that is not written yet (development only; goes away)."""

import gradio as gr

from studio.ui.shell import StepView


def build(studio, run_id, shell):
    return StepView(outputs=[gr.HTML("Not written yet.")], refresh=lambda run: [gr.skip()])
