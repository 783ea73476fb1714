"""Short ways to write examples."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from studio.data.types import Example, Table


def pair(row: int, question: str, answer: str) -> Example:
    messages = [("user", question), ("assistant", answer)]
    return {"row": row, "messages": [{"role": role, "content": text} for role, text in messages if text]}  # type: ignore[typeddict-item]


def label(row: int, text: str, name: str) -> Example:
    return {"row": row, "text": text, "label": name}


def table(rows: list[dict[str, Any]]) -> Table:
    return Table(pa.Table.from_pylist(rows))


def pairs(user: str, assistant: str, count: int = 12, **more: Any) -> Table:
    asked = "Where is lamp number {} that I ordered from you last week?"
    answered = "Lamp {} is on its way and will be with you by tomorrow noon."
    return table([{user: asked.format(i), assistant: answered.format(i), **more} for i in range(count)])
