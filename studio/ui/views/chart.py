"""A run's events as curves: read forward from a byte offset, kept once per run for every browser that looks at it.

The chart in the browser asks "what is new since my cursor?" once a second. The answer is either a few new points, or,
for a page that has just been opened, the whole curve thinned to at most :data:`POINTS` points a line. The event log is
never read twice, and a curve of 100,000 steps costs a few megabytes here and a few kilobytes on the wire.
"""

from __future__ import annotations

import json
import os
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tsdownsample import MinMaxLTTBDownsampler

POINTS = 1_000
"""Most points of one line sent to a browser."""
METRICS = ("loss", "validation_loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_gib")
_HEAD_BYTES = 256
_KEPT_RUNS = 16
_KEPT_SAMPLES = 600
_KEPT_NOTES = 100


@dataclass
class Series:
    """One metric over the steps; steps only ever rise."""

    steps: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: float, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)

    def cut(self, step: float) -> None:
        """Forget the points at or after ``step``."""
        end = bisect_left(self.steps, step)
        del self.steps[end:], self.values[end:]

    def since(self, start: int) -> list[list[float]]:
        return [list(self.steps[start:]), list(self.values[start:])]

    def thinned(self, limit: int = POINTS, span: tuple[float, float] | None = None) -> list[list[float]]:
        """At most ``limit`` points that keep peaks and shape, of the whole line or of the steps in ``span``."""
        low, high = 0, len(self.steps)
        if span:
            low = max(0, bisect_left(self.steps, span[0]) - 1)
            high = min(high, bisect_left(self.steps, span[1]) + 1)
        steps, values = np.array(self.steps[low:high]), np.array(self.values[low:high])
        if len(steps) > limit:
            kept = MinMaxLTTBDownsampler().downsample(steps, values, n_out=limit)
            steps, values = steps[kept], values[kept]
        return [steps.tolist(), values.tolist()]


class RunWatch:
    """All that the screens show of one run's event log. Safe to use from several threads.

    ``generation`` changes when points that were already given out are no longer true: a resumed run that steps back
    to its checkpoint, or a log that was replaced.
    """

    def __init__(self, events_path: Path) -> None:
        self._path = events_path
        self._lock = threading.Lock()
        self._reset()
        self.generation = 0

    def _reset(self) -> None:
        self._offset = 0
        self._head = b""
        self.series = {name: Series() for name in METRICS}
        self._samples: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {}
        self.latest: dict[str, float] = {}
        self.last_time = 0.0
        self.count = 0

    def refresh(self) -> int:
        """Read what was written since the last look; returns the number of events seen so far."""
        with self._lock:
            self._read()
            return self.count

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                # A run may be deleted and another made under its name; the first event tells them apart.
                head = file.read(_HEAD_BYTES)
                size = file.seek(0, os.SEEK_END)
                if size < self._offset or not head.startswith(self._head):
                    self._reset()
                    self.generation += 1
                self._head = head
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # the writer is in the middle of this line
                    self._offset += len(line)
                    self._take(line)
        except FileNotFoundError:
            if self._offset:
                self._reset()
                self.generation += 1

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        self.count += 1
        self.last_time = event.get("time") or self.last_time
        match event.get("kind"):
            case "metric":
                self._metric(event)
            case "sample":
                self._samples = [*self._samples[-_KEPT_SAMPLES:], event]
            case "note":
                self.notes = [*self.notes[-_KEPT_NOTES:], event]
            case "status":
                self.status = {**self.status, **event}

    def _metric(self, event: dict[str, Any]) -> None:
        step = event.get("step")
        if not isinstance(step, (int, float)):
            return
        for name, series in self.series.items():
            value = event.get(name)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                continue
            if len(series) and step == series.steps[-1]:
                if value != series.values[-1]:
                    series.values[-1] = float(value)
                    self.generation += 1
                continue
            if len(series) and step < series.steps[-1]:
                self._step_back(step)
            series.add(float(step), float(value))
            self.latest[name] = float(value)
        self.latest["step"] = float(step)
        if isinstance(event.get("epoch"), (int, float)):
            self.latest["epoch"] = float(event["epoch"])

    def _step_back(self, step: float) -> None:
        """A resumed run goes over some steps again: the later account replaces the earlier one."""
        self.generation += 1
        for series in self.series.values():
            series.cut(step)
        self._samples = [s for s in self._samples if s.get("step", 0) < step]
        self.notes = [n for n in self.notes if n.get("step", 0) < step]

    # -- what the browser asks for ----------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """New points since the browser's cursor, or everything, thinned, when it has none or it no longer holds.

        Args:
            request: ``{"generation": int, "cursor": [int a metric], "fresh": bool, "span": [from, to]}``; whatever
                is missing or odd is read as "send everything".
        """
        with self._lock:
            self._read()
            cursor = request.get("cursor")
            follows = (
                not request.get("fresh")
                and request.get("generation") == self.generation
                and isinstance(cursor, list)
                and len(cursor) == len(METRICS)
                and all(
                    isinstance(n, int) and 0 <= n <= len(s) for n, s in zip(cursor, self.series.values(), strict=True)
                )
                and sum(len(s) - n for n, s in zip(cursor, self.series.values(), strict=True)) <= POINTS
            )
            if follows:
                new = {
                    name: series.since(start)
                    for (name, series), start in zip(self.series.items(), cursor or [], strict=True)
                    if len(series) > start
                }
            else:
                span = _span(request.get("span"))
                new = {name: series.thinned(span=span) for name, series in self.series.items() if len(series)}
            return {
                "generation": self.generation,
                "cursor": [len(series) for series in self.series.values()],
                "full": not follows,
                "series": new,
                "base": self._base(),
                "best": self._best(),
            }

    def _base(self) -> float | None:
        """The validation loss before the first step: what the base model does."""
        series = self.series["validation_loss"]
        return series.values[0] if len(series) and series.steps[0] == 0 else None

    def _best(self) -> list[float] | None:
        """The step and value of the lowest validation loss after the start."""
        series = self.series["validation_loss"]
        after = [(v, s) for s, v in zip(series.steps, series.values, strict=True) if s > 0]
        if not after:
            return None
        value, step = min(after)
        return [step, value]

    @property
    def best(self) -> list[float] | None:
        """The step and validation loss of the checkpoint whose weights are kept."""
        with self._lock:
            return self._best()

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The answers to the fixed prompts so far; ``best`` marks those of the checkpoint whose weights are kept, ``worse``
        those of one that is kept and yet worse than the base was."""
        with self._lock:
            best, base = self._best(), self._base()
            worse = best is not None and base is not None and best[1] > base
            kept = [best is not None and sample.get("step") == best[0] for sample in self._samples]
            return [
                {**sample, "best": mine, "worse": mine and worse}
                for sample, mine in zip(self._samples, kept, strict=True)
            ]

    def numbers(self, last: int = 100) -> list[dict[str, float | None]]:
        """The chart as rows: every check of the validation rows and the last training points, oldest first."""
        with self._lock:
            training = self.series["loss"]
            rows: dict[float, dict[str, float | None]] = {}
            for name, series in self.series.items():
                if name == "validation_loss":
                    chosen = range(max(0, len(series) - 1_000), len(series))
                else:
                    chosen = range(max(0, len(series) - last), len(series))
                for index in chosen:
                    rows.setdefault(series.steps[index], {})[name] = series.values[index]
            for step, row in rows.items():
                index = bisect_left(training.steps, step)
                if index < len(training) and training.steps[index] == step:
                    row["loss"] = training.values[index]
            return [{"step": step, **{n: rows[step].get(n) for n in METRICS}} for step in sorted(rows)]


def _span(value: Any) -> tuple[float, float] | None:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value):
        return min(value), max(value)
    return None


_watches: OrderedDict[Path, RunWatch] = OrderedDict()
_watches_lock = threading.Lock()


def watch(events_path: Path) -> RunWatch:
    """The one reader of this event log in this process; the least recently used ones are forgotten."""
    with _watches_lock:
        found = _watches.pop(events_path, None) or RunWatch(events_path)
        _watches[events_path] = found
        while len(_watches) > _KEPT_RUNS:
            _watches.popitem(last=False)
        return found
