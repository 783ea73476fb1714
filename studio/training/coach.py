"""What the curve means, in words. Pure Python over the history of a run; no torch.

The coach looks at smoothed values, so that one noisy point does not change its mind, and says one thing at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Literal

Level = Literal["good", "caution", "stop"]
_FLAT = 0.005
"""A relative change smaller than this is no change."""


@dataclass(frozen=True)
class Note:
    code: str
    level: Level
    text: str
    step: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class History:
    """Points of a run: (step, loss) while learning, (step, loss) on the validation rows; step 0 is the base."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    gradient_norms: list[tuple[int, float]] = field(default_factory=list)

    @property
    def base(self) -> float | None:
        """The base's own validation loss."""
        return next((value for step, value in self.validation if step == 0 and math.isfinite(value)), None)

    def best(self) -> tuple[int, float] | None:
        """(step, validation loss) of the best check after step 0."""
        checked = [(step, value) for step, value in self.validation if step > 0 and math.isfinite(value)]
        return min(checked, key=lambda point: (point[1], point[0])) if checked else None


def review(history: History, *, total_steps: int, learning_rate: float) -> list[Note]:
    """What there is to say now, the most important first. Empty while it is too early to tell."""
    broken = diverged(history, learning_rate=learning_rate)
    if broken:
        return [broken]
    found = [
        _worse_than_base(history, total_steps),
        _overfitting(history),
        _spikes(history),
        _nothing_learnt(history, total_steps, learning_rate),
        _plateau(history),
        _falling(history),
    ]
    return [note for note in found if note]


def diverged(history: History, *, learning_rate: float) -> Note | None:
    """The run broke down: a loss that is not a number, or far above where it began and staying there."""
    advice = f"Start again with smaller steps (learning rate {learning_rate / 5:.1g})."
    for points in (history.losses[-1:], history.validation[-1:], history.gradient_norms[-1:]):
        for step, value in points:
            if not math.isfinite(value):
                return Note(
                    "diverged",
                    "stop",
                    f"The run broke down at step {step}: the loss is no longer a number. {advice}",
                    step,
                )
    losses = [value for _, value in history.losses]
    if len(losses) >= 10:
        start, now = median(losses[:5]), median(losses[-5:])
        if now > 2 * start + 1:
            step = history.losses[-1][0]
            text = f"The run broke down: the loss rose from {start:.2f} to {now:.2f} and stayed there. {advice}"
            return Note("diverged", "stop", text, step)
    return None


def _worse_than_base(history: History, total_steps: int) -> Note | None:
    """After a good part of the run no checkpoint is as good as the base was before the first step."""
    best, base = history.best(), history.base
    if best is None or base is None or best[1] <= base * (1 + _FLAT):
        return None
    step = history.validation[-1][0]
    if step < 0.3 * total_steps:
        return None
    text = (
        f"Still worse than before tuning: the validation loss is {best[1]:.2f} at its best and was {base:.2f} before the "
        "first step. Start again with a learning rate of a tenth or less (left empty, the suggested one is taken), or "
        "from another base."
    )
    return Note("worse_than_base", "caution", text, step)


def _overfitting(history: History) -> Note | None:
    """Validation rises since the best check while the training loss goes on falling."""
    best, checks = history.best(), [point for point in history.validation if point[0] > 0]
    if not best or len(checks) < 3:
        return None
    since = [value for step, value in checks if step > best[0]]
    if len(since) < 2 or min(since[-2:]) < best[1] * (1 + _FLAT):
        return None
    before, after = _mean_until(history.losses, best[0]), _recent(history.losses)
    if before is None or after is None or after > before * (1 - _FLAT):
        return None
    text = (
        f"Learning by heart since step {best[0]}: the training loss still falls, the validation loss rises. "
        f"The checkpoint of step {best[0]} is kept as the best."
    )
    return Note("overfitting", "caution", text, checks[-1][0])


def _spikes(history: History) -> Note | None:
    """Several points of the last stretch stand far above those before and after them."""
    points = history.losses[-40:]
    values = [value for _, value in points]
    if len(values) < 12:
        return None
    noise = median(abs(b - a) for a, b in pairwise(values))
    high = 0
    for i in range(4, len(values) - 2):
        before, after = median(values[i - 4 : i]), median(values[i + 1 : i + 4])
        high += values[i] > max(before, after) + max(6 * noise, 0.3 * before)
    if high < 2:
        return None
    text = "The loss jumps now and then. Smaller steps or larger batches make the run calmer."
    return Note("spikes", "caution", text, points[-1][0])


def _nothing_learnt(history: History, total_steps: int, learning_rate: float) -> Note | None:
    """A good part of the run is over and neither loss has moved."""
    if not history.losses or history.losses[-1][0] < max(10, 0.25 * total_steps) or len(history.losses) < 6:
        return None
    step = history.losses[-1][0]
    values = [value for _, value in history.losses]
    third = max(2, len(values) // 3)
    start, now = median(values[:third]), median(values[-third:])
    best, base = history.best(), history.base
    validation_moved = best is not None and base is not None and best[1] < base * (1 - 2 * _FLAT)
    if validation_moved or now < start * (1 - 4 * _FLAT) or start < 0.05:
        return None
    text = f"Hardly anything has been learnt so far. Larger steps may help (learning rate {learning_rate * 5:.1g})."
    return Note("nothing_learnt", "caution", text, step)


def _plateau(history: History) -> Note | None:
    """The last three checks brought nothing more."""
    checks = [point for point in history.validation if point[0] > 0]
    if len(checks) < 4:
        return None
    earlier, recent = min(value for _, value in checks[:-3]), min(value for _, value in checks[-3:])
    if recent < earlier * (1 - _FLAT):
        return None
    best = history.best()
    text = (
        f"The validation loss hardly falls any more. The best checkpoint so far is from step {best[0] if best else 0}."
    )
    return Note("plateau", "good", text, checks[-1][0])


def _falling(history: History) -> Note | None:
    """All is well."""
    checks = [point for point in history.validation if point[0] > 0]
    reference = history.base if history.base is not None else (checks[0][1] if len(checks) > 1 else None)
    if checks and reference is not None:
        step, value = checks[-1]
        previous = checks[-2][1] if len(checks) > 1 else reference
        if value < previous * (1 - _FLAT):
            return Note("learning", "good", "Learning well. The validation loss is still falling.", step)
        if value < reference * (1 - _FLAT):
            return Note("settling", "good", "Learning. The validation loss now falls only a little.", step)
        return None
    if len(history.losses) >= 6 and not history.validation:
        values = [value for _, value in history.losses]
        if median(values[-3:]) < median(values[:3]) * (1 - 2 * _FLAT):
            text = "The training loss is falling. Without validation rows nobody can tell whether it helps on new rows."
            return Note("learning_unwatched", "good", text, history.losses[-1][0])
    return None


def _mean_until(points: Sequence[tuple[int, float]], step: int) -> float | None:
    values = [value for at, value in points if at <= step][-5:]
    return sum(values) / len(values) if values else None


def _recent(points: Sequence[tuple[int, float]]) -> float | None:
    values = [value for _, value in points[-5:]]
    return sum(values) / len(values) if values else None
