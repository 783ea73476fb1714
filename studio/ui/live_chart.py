"""The live curve: Plotly inside one ``gr.HTML``, fed by its own small requests and never redrawn as a whole.

Why not ``gr.Plot``: it rebuilds its node at every update, and zoom and hover die with it. Here the browser asks
``server.points`` for what is new since its cursor (:mod:`studio.ui.views.chart` answers) and extends the traces. It
asks only while the chart can be seen, once a second while the run goes on and rarely afterwards. It needs nothing from
the page's session, so a reload, a second browser or a restarted server simply go on.

Plotly comes from the installed ``plotly`` package; that one file is the only thing made public.
"""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from studio.core.errors import StudioError
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.state import ENDED
from studio.ui.views.chart import watch
from studio.ui.views.terms import words_line

EMPTY = "The curve starts here about 5 seconds after you press Start."
_EMPTY_IN = {
    "draft": EMPTY,
    "queued": "The curve starts here once it is this run's turn.",
    "finished": "This run has no curve.",
    "stopped": "No curve yet: the run was stopped before its first step.",
    "failed": "No curve: the run failed before its first step.",
    "interrupted": "No curve yet: the run was cut off before its first step.",
}
"""What stands in the place of the curve while there is none; of a run that is going on, that it will come."""
_EMPTY_SOON = "The curve starts here with the first step, as soon as the base is loaded."
CURVE_WORDS = ("loss", "training loss", "validation loss", "best checkpoint")
PANEL_WORDS = ("learning rate", "gradient norm", "throughput")
"""The words of the two pictures that the glossary explains; in the pictures themselves none can be pointed at."""
_WAIT_MS = {"active": 1_000, "draft": 3_000, "ended": 15_000}


def plotly_path() -> Path:
    """The ``plotly.min.js`` of the installed package, found without importing it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise StudioError("The chart library is missing", "The package plotly is not installed.", "Install it again.")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


def build(workspace: Workspace, *, panels: bool = False, elem_id: str | None = None) -> gr.HTML:
    """The chart as a component; its value is ``{"run": id}`` (see :func:`value`).

    Args:
        panels: The small panels (learning rate, gradient norm, speed, memory) instead of the loss curve.
    """
    script = plotly_path()
    gr.set_static_paths([script])

    def points(request: dict[str, Any]) -> dict[str, Any]:
        return answer(workspace, request)

    def numbers(request: dict[str, Any]) -> dict[str, Any]:
        return table(workspace, request)

    points.__name__, numbers.__name__ = "points", "numbers"
    here = files(__package__)
    template = here.joinpath("live_chart.html").read_text(encoding="utf-8").replace("@empty@", EMPTY)
    template = template.replace("@script@", quote(f"gradio_api/file={script.as_posix()}", safe="/=:"))
    template = template.replace("@words@", words_line(*(PANEL_WORDS if panels else CURVE_WORDS)))
    return gr.HTML(
        value={"run": ""},
        html_template=template.replace("@panels@", str(panels).lower()),
        css_template=here.joinpath("live_chart.css").read_text(encoding="utf-8"),
        js_on_load=here.joinpath("live_chart.js").read_text(encoding="utf-8"),
        server_functions=[points, numbers],
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["ts-live-chart", "ts-live-panels" if panels else "ts-live-curve"],
    )


def value(run_id: str | None, round_: float = 0) -> dict[str, Any]:
    """What to set the component to. ``round_`` changes when the run starts anew, so that the chart asks at once."""
    return {"run": run_id or "", "round": round_}


def answer(workspace: Workspace, request: Any) -> dict[str, Any]:
    """What the browser gets; never raises: an unknown run is an empty chart."""
    run = _run(workspace, request)
    if run is None:
        return {"run": "", "series": {}, "full": True, "cursor": None, "generation": 0, "wait_ms": _WAIT_MS["draft"]}
    state = run.state()
    kind = "ended" if state.state in ENDED else "draft" if state.state == "draft" else "active"
    found = watch(run.events_path).answer(request)
    empty = _EMPTY_IN.get(state.state, _EMPTY_SOON)
    return {**found, "run": run.id, "state": state.state, "empty": empty, "wait_ms": _WAIT_MS[kind]}


def table(workspace: Workspace, request: Any) -> dict[str, Any]:
    run = _run(workspace, request)
    return {"rows": watch(run.events_path).numbers() if run else []}


def _run(workspace: Workspace, request: Any) -> RunFolder | None:
    name = request.get("run") if isinstance(request, dict) else None
    if not isinstance(name, str) or not name:
        return None
    try:
        return RunFolder.open(workspace, name)
    except StudioError:
        return None
