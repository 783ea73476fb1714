"""A conversation with both models: its turns as they grow, and how they stand side by side. No UI toolkit here.

What models and people wrote is escaped before it becomes markup.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from studio.inference.types import SIDES, Side
from studio.ui.views.html import Safe, plural, tag
from studio.ui.views.sides import TITLES

MOST_SEED = 1_000_000
"""Rolled seeds are short enough to be typed."""
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
    ``sampling`` are the run that was asked and the settings it answers with; ``typed_seed`` is what the settings said the
    seed is, which another roll of the dice leaves as it stands; ``left_open``: nobody waited until both had answered."""

    user: str
    base: Answer = field(default_factory=Answer)
    tuned: Answer = field(default_factory=Answer)
    left: Side = "base"
    hidden: bool = False
    vote: Vote | None = None
    run_id: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    typed_seed: int | None = None
    left_open: bool = False
    id: str = ""

    def answer(self, side: Side) -> Answer:
        return self.base if side == "base" else self.tuned

    @property
    def sides(self) -> tuple[Side, Side]:
        return ("base", "tuned") if self.left == "base" else ("tuned", "base")

    @property
    def answered(self) -> bool:
        return self.base.done and self.tuned.done and not self.left_open


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
    return Turn(
        user=user, left=left, hidden=blind, run_id=run_id, sampling=dict(sampling or {}),
        typed_seed=(sampling or {}).get("seed"), id=uuid.uuid4().hex,
    )  # fmt: skip


def with_other_dice(turn: Turn, last: Turn, dice: random.Random | None = None) -> Turn:
    """The question of ``last`` once more, with a fresh seed: the same one would give the same answers again. A seed that
    was typed since then is the person's wish, and stays."""
    if last.typed_seed is None or turn.typed_seed != last.typed_seed:
        return turn
    seed = (dice or random.SystemRandom()).randrange(MOST_SEED)
    return replace(turn, sampling={**turn.sampling, "seed": seed})


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
    """One model's own history: its own answers, not the other's; questions it never answered are passed over."""
    said = (system or "").strip()
    made = [{"role": "system", "content": said}] if said else []
    for n, turn in enumerate(turns, 1):
        if turn.left_open and not turn.answer(side).text and n < len(turns):
            continue
        made.append({"role": "user", "content": turn.user})
        if turn.answer(side).text or turn.answered:
            made.append({"role": "assistant", "content": turn.answer(side).text})
    return made


# -- as JSON ----------------------------------------------------------------------------------------------------------


def to_json(turn: Turn) -> dict[str, Any]:
    return asdict(turn)


def from_json(values: Any, run_id: str) -> Turn | None:
    """A turn as it was kept; None when it tells no question. Without both answers it is one that was left open."""
    if not isinstance(values, dict) or not isinstance(values.get("user"), str):
        return None
    base, tuned = (_answer_of(values.get(side)) for side in SIDES)
    sampling, seed = values.get("sampling"), values.get("typed_seed")
    return Turn(
        user=values["user"],
        base=replace(base, done=True),
        tuned=replace(tuned, done=True),
        left="tuned" if values.get("left") == "tuned" else "base",
        hidden=values.get("hidden") is True,
        vote=values["vote"] if values.get("vote") in get_args(Vote) else None,
        run_id=run_id,
        sampling=sampling if isinstance(sampling, dict) else {},
        typed_seed=seed if isinstance(seed, int) else None,
        left_open=not (base.done and tuned.done) or values.get("left_open") is True,
        id=str(values.get("id") or ""),
    )


def _answer_of(values: Any) -> Answer:
    if not isinstance(values, dict) or not isinstance(values.get("text"), str):
        return Answer()
    tokens, seconds = values.get("tokens"), values.get("seconds")
    return Answer(
        text=values["text"],
        done=values.get("done") is True,
        tokens=tokens if isinstance(tokens, int) else None,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        identity=str(values.get("identity") or ""),
    )


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


LEFT_OPEN = "The page was left before both had answered. “Ask again” asks this once more."


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
                tag("div", facts(answer, turn.sampling), class_="ts-answer-facts")
                if facts(answer) and not unknown
                else None,
                class_=f"ts-answer ts-{'blind' if unknown else side}",
                aria_label=name,
            )
        )
    return tag(
        "section",
        tag("div", tag("span", "You", class_="ts-visually-hidden"), turn.user, class_="ts-said"),
        tag("div", *shown, class_="ts-pair"),
        tag("p", LEFT_OPEN, class_="ts-hint", role="status") if turn.left_open else None,
        class_="ts-turn",
    )


def facts(answer: Answer, sampling: dict[str, Any] | None = None) -> str:
    """``42 tokens · 1.3 s · seed 42 · adapter off · seedling-5m``."""
    parts = []
    if answer.tokens:
        parts.append(plural(answer.tokens, "token"))
    if answer.seconds:
        parts.append(f"{answer.seconds:.1f} s")
    if sampling and sampling.get("seed") is not None:
        parts.append(f"seed {sampling['seed']}" if sampling.get("temperature") else "likeliest words")
    if answer.identity:
        parts.append(answer.identity)
    return " · ".join(parts)
