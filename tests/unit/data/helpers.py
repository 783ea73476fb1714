"""Short ways to write examples."""

from __future__ import annotations

from studio.data.types import Example


def pair(row: int, question: str, answer: str) -> Example:
    messages = [("user", question), ("assistant", answer)]
    return {"row": row, "messages": [{"role": role, "content": text} for role, text in messages if text]}  # type: ignore[typeddict-item]


def label(row: int, text: str, name: str) -> Example:
    return {"row": row, "text": text, "label": name}
