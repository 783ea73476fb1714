"""Small parts that several screens use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from studio.ui.views.html import Safe


def html(value: str = "", **options: Any) -> gr.HTML:
    """Markup of our own making (see :mod:`studio.ui.views.html`), without Gradio's prose styles or click events."""
    options.setdefault("apply_default_css", False)
    options.setdefault("js_on_load", None)
    return gr.HTML(Safe(value), **options)


def heading(title: str, term: str = "") -> Safe:
    """A section's title, the field's own word in small print."""
    from studio.ui.views.html import tag

    return tag("h2", title, tag("small", term) if term else None, class_="ts-heading")


def downloadable(path: Path) -> str:
    """The value of a download button for a file outside the temporary folder: from now on this one file, and nothing
    beside it, is served from where it lies. (Any other file gradio would refuse, or copy into its cache at each look.)"""
    from gradio.data_classes import _StaticFiles

    file = path.resolve()
    if file not in _StaticFiles.all_paths:
        gr.set_static_paths([file])
    return str(file)
