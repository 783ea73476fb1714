"""Blind votes: what is written down of one, and what they come to. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from studio.inference.types import SIDES
from studio.ui.views.conversation import Turn, Vote
from studio.ui.views.html import Safe, plural, tag


def record(turn: Turn, vote: Vote, time: float) -> dict[str, Any]:
    """One line of feedback.jsonl; ``winner`` is what the vote means once the names are known, ``sampling`` the settings
    the answers were drawn with."""
    sides = dict(zip("AB", turn.sides, strict=True))
    return {
        "v": 1,
        "kind": "vote",
        "time": round(time, 3),
        "prompt": turn.user,
        "answers": {side: turn.answer(side).text for side in SIDES},
        "identities": {side: turn.answer(side).identity for side in SIDES},
        "sides": sides,
        "vote": vote,
        "winner": sides.get(vote, vote),
        "sampling": turn.sampling,
    }


def tally(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    counts = {"tuned": 0, "base": 0, "tie": 0, "both_bad": 0}
    for line in records:
        winner = line.get("winner")
        if line.get("kind") == "vote" and winner in counts:
            counts[winner] += 1
    return counts


def tally_line(counts: dict[str, int]) -> Safe:
    total = sum(counts.values())
    if not total:
        return Safe("")
    parts = [
        f"tuned {counts['tuned']}",
        f"base {counts['base']}",
        f"tie {counts['tie']}",
        f"both bad {counts['both_bad']}",
    ]
    return tag(
        "p", tag("strong", f"{plural(total, 'blind vote')}: "), " · ".join(parts), class_="ts-tally", role="status"
    )
