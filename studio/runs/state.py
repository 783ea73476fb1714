"""The state of a run, as ``state.json`` holds it: the stages of a run's life, and what of a damaged file is believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from studio.runs import processes

State = Literal["draft", "queued", "starting", "training", "evaluating", "finished", "stopped", "failed", "interrupted"]
ACTIVE: frozenset[str] = frozenset({"starting", "training", "evaluating"})
ENDED: frozenset[str] = frozenset({"finished", "stopped", "failed", "interrupted"})
STATES: frozenset[str] = ACTIVE | ENDED | {"draft", "queued"}


@dataclass(frozen=True)
class RunState:
    """What ``state.json`` holds.

    ``pid`` and ``pid_started`` (:func:`studio.runs.processes.started_at`) name the worker beyond reuse of its number, from
    the moment it is started; once it has imported everything and has taken the run up itself, ``taken_up`` says so.
    ``message`` is a sentence for the person. ``best_step`` names the best checkpoint so far.
    ``seconds`` is how long workers have been at it in all, pauses left out; ``outcome`` says how a run with a tuned model
    came to its end (see :class:`studio.training.types.TrainResult`).
    """

    state: State = "draft"
    message: str = ""
    updated: float = 0.0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    pid_started: float | None = None
    step: int = 0
    total_steps: int = 0
    best_step: int | None = None
    queued_at: float | None = None
    step_of_journey: int = 0
    error: dict[str, str] = field(default_factory=dict)
    taken_up: bool = False
    seconds: float = 0.0
    outcome: str = ""


def parse_state(values: dict[str, Any] | None) -> RunState | None:
    """The state that ``values`` tell, or None when they tell none. A single damaged value counts as not written: one
    broken run must not take the list of all runs with it."""
    if values is None or not isinstance(values.get("state"), str) or values["state"] not in STATES:
        return None
    return RunState(**{k: v for k, v in values.items() if k in _FIELDS and _FIELDS[k](v)})


def worker_alive(state: RunState) -> bool:
    """Whether the process that the state names is still that process."""
    if processes.alive(state.pid, state.pid_started):
        return True
    # "starting" is written just before there is a process, and one that dies on the way is soon followed by another.
    waiting = state.state == "starting" and not state.taken_up
    return waiting and abs(time.time() - state.updated) < 30


def is_time(value: Any) -> TypeGuard[float]:
    """Whether ``value`` can be seconds since the epoch."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "state": lambda value: isinstance(value, str),
    "message": lambda value: isinstance(value, str),
    "updated": is_time,
    "created": is_time,
    "started": _or_none(is_time),
    "ended": _or_none(is_time),
    "pid": _or_none(lambda value: _is_count(value) and 0 < value < 2**31),
    "pid_started": _or_none(is_time),
    "step": _is_count,
    "total_steps": _is_count,
    "best_step": _or_none(_is_count),
    "queued_at": _or_none(is_time),
    "step_of_journey": _is_count,
    "error": lambda value: isinstance(value, dict) and all(isinstance(v, str) for v in value.values()),
    "taken_up": lambda value: isinstance(value, bool),
    "seconds": is_time,
    "outcome": lambda value: isinstance(value, str),
}
"""What each field of ``state.json`` must be like to be believed."""
