"""What the Train step says: coach, status, progress, answers so far, log, and the end of a run. No UI toolkit here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.runs.state import ACTIVE, ENDED, RunState
from studio.ui.views.html import Safe, join, plural, tag
from studio.ui.views.quantities import duration, gigabytes

LOG_LINES = 200
LEVELS = {"good": "✓", "caution": "△", "stop": "✕"}
CHECKPOINTS_SHOWN = 5
TITLES = {
    "draft": "Not started yet.",
    "queued": "Waiting for its turn.",
    "starting": "Getting ready.",
    "training": "Learning.",
    "evaluating": "Writing the report card on rows it has never seen.",
    "finished": "Finished.",
    "stopped": "Stopped. The best checkpoint is kept.",
    "failed": "The run failed.",
    "interrupted": "The run was cut off.",
}

PAUSED = "Paused. Everything is kept."
UNBEGUN = "Stopped before the first step."
BEFORE_THE_END = {"stopped": "Stopped by you.", "early": "Ended early: no more progress."}
LACKED_MEMORY = {"out_of_memory", "killed"}
"""Codes of errors that a smaller batch may mend."""


@dataclass(frozen=True)
class Buttons:
    """Which buttons are there."""

    pause: bool = False
    stop: bool = False
    resume: bool = False
    retry: bool = False
    cancel: bool = False
    compare: bool = False
    again: bool = False


def buttons(state: RunState, requested: str, tuned: bool, checkpoint: bool = False) -> Buttons:
    """What can be done with a run now.

    Args:
        requested: What the person asked for already ("pause", "stop" or "").
        tuned: Whether the folder holds a tuned model.
        checkpoint: Whether there is one to go on from.
    """
    going = state.state in {"starting", "training"}
    return Buttons(
        pause=going and not requested,
        stop=(going and requested != "stop") or (state.state == "stopped" and checkpoint and not tuned),
        resume=state.state in {"interrupted", "failed", "stopped"},
        retry=state.state in {"failed", "interrupted"} and state.error.get("code") in LACKED_MEMORY,
        cancel=state.state == "queued",
        compare=tuned and state.state in {"finished", "stopped"},
        again=state.state == "failed",
    )


def coach(notes: Sequence[dict[str, Any]], state: RunState, tuned: bool, verdict: str = "") -> Safe:
    """The line of words above the curve: the verdict at the end, else the newest thing the coach said."""
    if state.state == "failed":
        title = state.error.get("title") or "The run failed"
        return _line("stop", title.rstrip(".") + ".", _told(state) or state.message)
    if state.state == "interrupted":
        message = _told(state) or state.message or "Resume goes on from the last checkpoint."
        return _line("caution", TITLES["interrupted"], message.removeprefix("The run was cut off. "))
    if state.state == "stopped" and not tuned:
        return _line("", state.message or PAUSED)
    if _ended_before(state):
        return _line("", state.message or _words(state, {}, "", 0), verdict)
    if state.state in {"finished", "stopped"}:
        if not verdict and state.message and state.message.rstrip(".") != TITLES[state.state].rstrip("."):
            return _line("good", state.message)
        return _line("good", TITLES[state.state], verdict)
    if notes and state.state in ACTIVE:
        note = notes[-1]
        return _line(str(note.get("level", "good")), str(note.get("text", "")))
    return _line("", TITLES.get(state.state, ""))


def _ended_before(state: RunState) -> bool:
    """Whether the run has its tuned model and yet did not go all the way."""
    return state.state == "finished" and (state.outcome in {"stopped", "early"} or 0 < state.step < state.total_steps)


def _told(state: RunState) -> str:
    return " ".join(filter(None, (state.error.get("what_happened"), state.error.get("what_to_do"))))


def _line(level: str, first: str, rest: str = "") -> Safe:
    mark = tag("span", LEVELS[level], class_=f"ts-mark ts-{level}", aria_hidden="true") if level in LEVELS else None
    return tag(
        "p", mark, tag("strong", first), " " if rest else None, tag("span", rest) if rest else None,
        class_=f"ts-coach ts-coach-{level if level in LEVELS else 'plain'}", role="status",
    )  # fmt: skip


def status(
    state: RunState,
    event: dict[str, Any],
    latest: dict[str, float],
    tuned: bool,
    requested: str = "",
    before: int = 0,
    best: Sequence[float] | None = None,
) -> Safe:
    """Progress bar, words, and the figures beside the curve. ``before`` counts the runs that go before a waiting one;
    ``best`` is the step and the validation loss of the checkpoint that is kept."""
    total = int(event.get("total_steps") or state.total_steps or 0)
    step = int(max(state.step, latest.get("step", 0), event.get("step") or 0))
    if total:
        step = min(step, total)
    if _ended_before(state):
        step = state.step
    share = 1.0 if state.state == "finished" and not _ended_before(state) else step / total if total else 0.0
    words = (
        (PAUSED if step else UNBEGUN)
        if state.state == "stopped" and not tuned
        else _words(state, event, requested, before)
    )
    figures = []
    if state.state in {"starting", "training"} and event.get("seconds_left") is not None and step:
        figures.append(("Time left", duration(float(event["seconds_left"])).removeprefix("about ")))
    elif state.started and state.state in ENDED:
        took = state.seconds or (state.ended or state.updated) - state.started
        figures.append(("Took", duration(max(0.0, took)).removeprefix("about ")))
    if total:
        figures.append(("Step", f"{step:,} of {total:,}"))
    if latest.get("epoch"):
        figures.append(("Passes", f"{latest['epoch']:.1f}"))
    if latest.get("tokens_per_second"):
        figures.append(("Speed", f"{latest['tokens_per_second']:,.0f} tokens/s"))
    if latest.get("memory_gib"):
        figures.append(("Memory", gigabytes(latest["memory_gib"])))
    if best and state.state == "finished":
        figures.append((f"Validation loss at step {best[0]:,.0f}, kept", f"{best[1]:.3f}"))
    elif latest.get("validation_loss") is not None:
        figures.append(("Validation loss", f"{latest['validation_loss']:.3f}"))
        if best:
            figures.append((f"Best so far, step {best[0]:,.0f}", f"{best[1]:.3f}"))
    bar = tag(
        "div", tag("div", class_="ts-bar-fill", style=f"width:{share * 100:.1f}%"), class_="ts-bar", role="progressbar",
        aria_label="Progress", aria_valuemin=0, aria_valuemax=100, aria_valuenow=round(share * 100),
    )  # fmt: skip
    items = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures]
    safe_to_close = (
        tag("p", "Closing this page is safe. The run goes on, and this address finds it again.", class_="ts-hint")
        if state.state in ACTIVE or state.state == "queued"
        else None
    )
    return tag(
        "div", tag("p", words, class_="ts-status-words"), bar, tag("dl", join(*items), class_="ts-figures"), safe_to_close,
        class_=f"ts-status ts-status-{state.state}",
    )  # fmt: skip


def _words(state: RunState, event: dict[str, Any], requested: str, before: int) -> str:
    if state.state == "queued":
        if before:
            return f"Waiting: {plural(before, 'run')} before it. It starts by itself when its turn has come."
        return "Next in the queue. It starts by itself when the device is free."
    if requested == "pause" and state.state in {"starting", "training"}:
        return "Pausing after this step or check. A checkpoint is written then."
    if requested == "stop" and state.state in {"starting", "training"}:
        return "Stopping after this step or check. The best checkpoint is kept and checked."
    if state.state in ACTIVE:
        return str(event.get("message") or state.message or TITLES[state.state])
    if _ended_before(state):
        return BEFORE_THE_END.get(state.outcome, "Ended before the last step.")
    return TITLES.get(state.state, "")


def answers(samples: Sequence[dict[str, Any]]) -> Safe:
    """Prompts as rows, checkpoints as columns: how the answers change while it learns. Untrusted text, escaped."""
    prompts: dict[str, dict[int, str]] = {}
    best, worse = None, False
    for sample in samples:
        step = sample.get("step")
        if isinstance(step, int):
            prompts.setdefault(str(sample.get("prompt", "")), {})[step] = str(sample.get("answer", ""))
            if sample.get("best"):
                best, worse = step, bool(sample.get("worse"))
    if not prompts:
        return tag(
            "p",
            "At every check the model answers the same few prompts. The first answers appear here.",
            class_="ts-nothing",
        )
    steps = _columns(sorted({step for answered in prompts.values() for step in answered}), best)
    rows = [
        tag(
            "tr",
            tag("th", tag("div", _clip(prompt, 300), class_="ts-cell"), scope="row"),
            *(
                tag(
                    "td",
                    tag("div", _clip(answered.get(step, ""), 600), class_="ts-cell"),
                    class_="ts-kept" if step == best else None,
                )
                for step in steps
            ),
        )
        for prompt, answered in prompts.items()
    ]
    head = tag("tr", tag("th", "Prompt", scope="col"), *(_column_head(step, step == best, worse) for step in steps))
    return tag(
        "div", tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-answers"),
        class_="ts-scroll", tabindex="0", role="region", aria_label="Answers so far",
    )  # fmt: skip


def _columns(steps: Sequence[int], best: int | None) -> list[int]:
    """The checkpoints there is room for: the first (before tuning), the last, the best, others spread evenly between."""
    if len(steps) <= CHECKPOINTS_SHOWN:
        return list(steps)
    last = len(steps) - 1
    spread = [steps[round(i * last / (CHECKPOINTS_SHOWN - 1))] for i in range(CHECKPOINTS_SHOWN)]
    if best is not None and best in steps and best not in spread:
        nearest = min(range(1, CHECKPOINTS_SHOWN - 1), key=lambda i: abs(spread[i] - best))
        spread[nearest] = best
    return spread


def _column_head(step: int, kept: bool, worse: bool) -> Safe:
    if step == 0:
        return tag("th", "Before tuning", scope="col", class_="ts-base")
    if not kept:
        return tag("th", f"Step {step:,}", scope="col", class_="ts-tuned")
    why = "The lowest validation loss so far. These weights are kept."
    if worse:
        why = "The lowest validation loss so far, and yet higher than before tuning."
    mark = tag("small", "△ kept, worse than before" if worse else "✓ best, kept", title=why)
    return tag("th", f"Step {step:,} ", mark, scope="col", class_="ts-tuned ts-kept")


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit].rstrip() + "…"


def log_tail(path: Path, lines: int = LOG_LINES, most_bytes: int = 256_000) -> Safe:
    """The last lines of the worker's log, escaped."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most_bytes))
            tail = file.read().decode("utf-8", "replace").rstrip("\n").split("\n")
    except OSError:
        tail = []
    if not any(tail):
        return tag("p", "What the training process prints appears here.", class_="ts-nothing")
    shown = [line.rstrip("\r").rsplit("\r", 1)[-1][:2000] for line in tail[-lines:]]
    return tag("pre", "\n".join(shown), class_="ts-log", tabindex="0", aria_label="Log of the training process")


def remarks(notes: Sequence[dict[str, Any]]) -> Safe:
    """Everything the coach said, the newest first."""
    if not notes:
        return Safe("")
    items = [
        tag(
            "li",
            tag(
                "span",
                LEVELS.get(str(note.get("level")), "·"),
                class_=f"ts-mark ts-{note.get('level', 'good')}",
                aria_hidden="true",
            ),
            f" Step {note.get('step', 0)}: {note.get('text', '')}",
        )
        for note in reversed(notes)
    ]
    return tag("ul", *items, class_="ts-remarks")
