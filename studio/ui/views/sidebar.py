"""The list of runs as HTML: a state dot with its word, the name, the last losses as a small line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.workspace import Workspace
from studio.runs.events import read_events
from studio.runs.folder import RunFolder
from studio.runs.state import ACTIVE, RunState
from studio.ui.views.html import Safe, clip, join, tag

WORDS = {
    "draft": ("○", "draft"),
    "queued": ("◔", "waiting"),
    "starting": ("●", "starting"),
    "training": ("●", "training"),
    "evaluating": ("●", "measuring"),
    "finished": ("✓", "finished"),
    "paused": ("‖", "paused"),
    "stopped": ("■", "stopped"),
    "kept": ("✓", "stopped"),
    "failed": ("✕", "failed"),
    "interrupted": ("!", "cut off"),
}
POINTS = 40


@dataclass(frozen=True)
class RunEntry:
    """One line of the list. ``losses`` are at most :data:`POINTS` values of the training loss, oldest first; ``word`` is
    the key of what is said of its state, where that is not the state itself."""

    id: str
    name: str
    state: str
    created: float = 0.0
    losses: tuple[float, ...] = ()
    word: str = ""


class RunList:
    """Reads the workspace's runs; remembers what did not change, so that a look at 200 runs costs 200 ``stat`` calls."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._known: dict[str, tuple[tuple[float, ...], RunEntry]] = {}
        self._curves: dict[str, tuple[int, list[float]]] = {}

    def entries(self) -> list[RunEntry]:
        """Every run, the newest first."""
        found: dict[str, tuple[tuple[float, ...], RunEntry]] = {}
        try:
            folders = [p for p in self.workspace.runs_dir.iterdir() if p.is_dir() and p.name[0] != "."]
        except OSError:
            return []
        for path in folders:
            stamp = (_stamp(path / "state.json"), _stamp(path / "events.jsonl"), _stamp(path / "recipe.yaml"))
            if not stamp[0]:
                continue
            before = self._known.get(path.name)
            if before and before[0] == stamp and before[1].state not in ACTIVE:
                found[path.name] = before
            else:
                found[path.name] = (stamp, self._read(path))
        self._known = found
        self._curves = {name: curve for name, curve in self._curves.items() if name in found}
        return sorted((entry for _, entry in found.values()), key=lambda e: (-e.created, e.id))

    def _read(self, path: Path) -> RunEntry:
        run = RunFolder(path)
        state = run.state()
        return RunEntry(run.id, run.name(), state.state, state.created, self._losses(run), _word(state))

    def _losses(self, run: RunFolder) -> tuple[float, ...]:
        offset, losses = self._curves.get(run.id, (0, []))
        if offset and _size(run.events_path) < offset:
            offset, losses = 0, []
        events, offset = read_events(run.events_path, offset)
        for event in events:
            loss = event.get("loss")
            if event.get("kind") == "metric" and isinstance(loss, (int, float)) and math.isfinite(loss):
                losses.append(float(loss))
        if len(losses) > 4 * POINTS:
            losses = thin(losses, 2 * POINTS)
        self._curves[run.id] = (offset, losses)
        return tuple(thin(losses, POINTS))


def _word(state: RunState) -> str:
    if state.state == "stopped" and state.step:
        return "paused"
    return "kept" if state.state == "finished" and state.outcome == "stopped" else state.state


def _stamp(path: Path) -> float:
    try:
        status = path.stat()
    except OSError:
        return 0.0
    return float(status.st_mtime_ns) + status.st_size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def thin(values: Sequence[float], count: int) -> list[float]:
    """At most ``count`` values spread evenly, the first and the last among them."""
    if len(values) <= count:
        return list(values)
    last = len(values) - 1
    return [values[round(i * last / (count - 1))] for i in range(count)]


def sparkline(losses: Sequence[float], width: int = 56, height: int = 16) -> Safe | None:
    """A small falling (or rising) line; None with fewer than two points."""
    if len(losses) < 2:
        return None
    low, high = min(losses), max(losses)
    spread = (high - low) or 1.0
    points = " ".join(
        f"{1 + i * (width - 2) / (len(losses) - 1):.1f},{1 + (high - loss) / spread * (height - 2):.1f}"
        for i, loss in enumerate(losses)
    )
    return tag(
        "svg", tag("polyline", points=points), viewBox=f"0 0 {width} {height}", width=width, height=height,
        class_="ts-spark", role="img", aria_label=f"Loss from {losses[0]:.2f} to {losses[-1]:.2f}",
    )  # fmt: skip


def run_list(entries: Sequence[RunEntry], current: str | None) -> Safe:
    """The list; pressing a line opens the run, "⋯" opens its small menu (rename, delete with a second question)."""
    if not entries:
        return tag("div", tag("p", "Your runs appear here.", class_="ts-quiet"), class_="ts-runs")
    return tag(
        "ul", join(*(_line(entry, entry.id == current) for entry in entries)), class_="ts-runs", aria_label="Runs"
    )


def _line(entry: RunEntry, here: bool) -> Safe:
    sign, word = WORDS.get(entry.word or entry.state, ("?", entry.state))
    name = clip(entry.name, 60)
    return tag(
        "li",
        tag(
            "button",
            tag("span", sign, class_=f"ts-dot ts-state-{entry.state}", aria_hidden="true"),
            tag("span", tag("span", name, class_="ts-run-name"), tag("span", word, sparkline(entry.losses), class_="ts-run-state"), class_="ts-run-text"),
            type="button",
            class_="ts-run",
            data_open=entry.id,
            aria_current="true" if here else None,
            title=clip(entry.name, 200),
        ),
        tag("button", "⋯", type="button", class_="ts-run-more", data_menu=entry.id, data_name=name, aria_label=f"More for {name}",
            data_active=entry.state in ACTIVE),
        class_="ts-here" if here else None,
    )  # fmt: skip
