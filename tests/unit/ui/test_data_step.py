"""The first step as it is laid out."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from studio.core.workspace import Workspace
from studio.data.load import load_files
from studio.ui.context import StudioContext
from studio.ui.shell import Shell
from studio.ui.steps import data


def test_every_file_that_can_be_read_can_be_chosen(tmp_path: Path) -> None:
    with gr.Blocks() as page:
        run_id = gr.State(None)
        studio = StudioContext(Workspace.open(tmp_path))
        data.build(studio, run_id, Shell(studio, run_id))
    drop = next(block for block in page.blocks.values() if isinstance(block, gr.File))
    for name in ("rows.tab", "rows.csv.gz"):
        assert any(name.endswith(kind) for kind in drop.file_types or ())
    sheet = tmp_path / "rows.tab"
    sheet.write_text("question\tanswer\na\tb\nc\td\n")
    assert len(load_files([sheet])) == 2
