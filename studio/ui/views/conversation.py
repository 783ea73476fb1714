"""A conversation with both models: its turns as they grow, and how they stand side by side. No UI toolkit here.

What models and people wrote is escaped before it becomes markup.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from studio.inference.types import SIDES, Side
from studio.ui.views.html import Safe, plural, tag
from studio.ui.views.sides import TITLES

Vote = Literal["A", "B", "tie", "both_bad"]


@dataclass(frozen=True)
class Answer:
    """One model's answer, with the words of the process that gave it: which weights spoke."""

    text: str = ""
    done: bool = False
    tokens: int | None = None
    seconds: float | None = None
    identity: str = ""


@dataclass(frozen=True)
class Turn:
    """One question and both answers. ``left`` is what stands on the left, known or (``hidden``) not; ``run_id`` and
    ``sampling`` are the run that was asked and the settings it answers with."""

    user: str
    base: Answer = field(default_factory=Answer)
    tuned: Answer = field(default_factory=Answer)
    left: Side = "base"
    hidden: bool = False
    vote: Vote | None = None
    run_id: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)

    def answer(self, side: Side) -> Answer:
        return self.base if side == "base" else self.tuned

    @property
    def sides(self) -> tuple[Side, Side]:
        return ("base", "tuned") if self.left == "base" else ("tuned", "base")

    @property
    def answered(self) -> bool:
        return self.base.done and self.tuned.done


def new_turn(
    user: str,
    blind: bool,
    dice: random.Random | None = None,
    *,
    run_id: str = "",
    sampling: dict[str, Any] | None = None,
) -> Turn:
    """A question to be asked; blind ones stand on random sides."""
    left: Side = (dice or random.SystemRandom()).choice(SIDES) if blind else "base"
    return Turn(user=user, left=left, hidden=blind, run_id=run_id, sampling=dict(sampling or {}))


def with_chunk(turn: Turn, chunk: dict[str, Any]) -> Turn:
    """The turn as it is after what the playground said: ``base`` and ``tuned`` hold the whole text so far."""
    answers = {}
    for side in SIDES:
        answers[side] = Answer(
            text=str(chunk.get(side) or ""),
            done=bool(chunk.get(f"{side}_done")),
            tokens=_of(chunk.get("tokens"), side),
            seconds=_of(chunk.get("seconds"), side),
            identity=str(chunk.get(f"{side}_identity") or ""),
        )
    return replace(turn, base=answers["base"], tuned=answers["tuned"])


def ended(turn: Turn) -> Turn:
    """The turn when the stream has ended, stopped or not."""
    return replace(turn, base=replace(turn.base, done=True), tuned=replace(turn.tuned, done=True))


def _of(value: Any, side: Side) -> Any:
    """A number for both sides, or one for each."""
    return value.get(side) if isinstance(value, dict) else value


def messages(turns: Sequence[Turn], side: Side, system: str | None) -> list[dict[str, str]]:
    """One model's own history: its own answers, not the other's."""
    said = (system or "").strip()
    made = [{"role": "system", "content": said}] if said else []
    for turn in turns:
        made.append({"role": "user", "content": turn.user})
        if turn.answer(side).text or turn.answered:
            made.append({"role": "assistant", "content": turn.answer(side).text})
    return made


# -- as markup --------------------------------------------------------------------------------------------------------


def status_of(chunk: dict[str, Any]) -> str:
    """What the playground is busy with, or what it has to say of the question."""
    return str(chunk.get("status") or " ".join(chunk.get("notes") or []))


def panes(turns: Sequence[Turn], blind: bool, status: str = "") -> Safe:
    """Both panes: a question across, the two answers below it at the same height."""
    hidden = blind if not turns else turns[-1].hidden
    heads = ("A", "B") if hidden else ("Base · before tuning", "Tuned · after tuning")
    classes = ("ts-blind", "ts-blind") if hidden else ("ts-base", "ts-tuned")
    head = tag(
        "div",
        *(tag("span", name, class_=style) for name, style in zip(heads, classes, strict=True)),
        class_="ts-chat-heads",
    )
    if not turns:
        empty = (
            "Ask something. Both answer without their names; vote, and then see which was which."
            if blind
            else "Ask something your rows are about. Both models answer at once, with the same dice."
        )
        return tag("div", head, tag("p", empty, class_="ts-nothing"), class_="ts-chat")
    busy = tag("p", status, class_="ts-hint", role="status") if status else None
    return tag("div", head, *(_turn(turn) for turn in turns), busy, class_="ts-chat")


def _turn(turn: Turn) -> Safe:
    unknown = turn.hidden and turn.vote is None
    shown = []
    for letter, side in zip("AB", turn.sides, strict=True):
        answer = turn.answer(side)
        name = letter if unknown else f"{letter} was {TITLES[side].lower()}" if turn.hidden else TITLES[side]
        shown.append(
            tag(
                "article",
                tag("span", name, class_="ts-answer-name" if turn.hidden else "ts-visually-hidden"),
                tag("div", answer.text or ("" if not answer.done else "(no answer)"), class_="ts-answer-text"),
                tag("span", "", class_="ts-caret", aria_hidden="true") if not answer.done else None,
                tag("div", facts(answer), class_="ts-answer-facts") if facts(answer) and not unknown else None,
                class_=f"ts-answer ts-{'blind' if unknown else side}",
                aria_label=name,
            )
        )
    return tag(
        "section",
        tag("div", tag("span", "You", class_="ts-visually-hidden"), turn.user, class_="ts-said"),
        tag("div", *shown, class_="ts-pair"),
        class_="ts-turn",
    )


def facts(answer: Answer) -> str:
    """``42 tokens · 1.3 s · adapter off · seedling-5m``."""
    parts = []
    if answer.tokens:
        parts.append(plural(answer.tokens, "token"))
    if answer.seconds:
        parts.append(f"{answer.seconds:.1f} s")
    if answer.identity:
        parts.append(answer.identity)
    return " · ".join(parts)
