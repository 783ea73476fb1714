"""Text as keys and as excerpts: what counts as "the same text", and how untrusted text is shown in a sentence.

One definition of sameness serves duplicates, conflicts and splits, so that what a check calls a duplicate is also what a
split keeps together.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from studio.data.types import Example

_NOT_WORD = re.compile(r"[\W_]+")
_ASCII = "".join(c if c.isalnum() else " " for c in map(chr, range(128)))


def normalise(text: str) -> str:
    """Case, punctuation, width and spacing taken away: ``"Where's  MY lamp?!"`` → ``"where s my lamp"``.

    Text without any letter or digit (an emoji, "???") stays itself, so that unlike things are not called the same.
    """
    if text.isascii():
        key = " ".join(text.lower().translate(_ASCII).split())
    else:
        key = _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return key or text.strip()


def prompt_of(example: Example) -> str:
    """What the model is asked: the person's turns of a conversation, or the text of a labelled row."""
    if "messages" in example:
        return "\n".join(m["content"] for m in example["messages"] if m["role"] == "user")
    return example.get("text", "")


def target_of(example: Example) -> str:
    """What the model should say: the assistant's turns, or the label."""
    if "messages" in example:
        return "\n".join(m["content"] for m in example["messages"] if m["role"] == "assistant")
    return example.get("label", "")


def whole_of(example: Example) -> str:
    """All of an example as one string, speakers kept apart."""
    if "messages" in example:
        return "\x1f".join(f"{m['role']}\x1e{m['content']}" for m in example["messages"])
    return f"{example.get('text', '')}\x1f{example.get('label', '')}"


def cell_text(value: Any) -> str:
    """A cell of a table as text: empty for nothing, lines for a list of strings, JSON for other nested values."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if value != value else repr(value)
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def excerpt(text: str, length: int = 120) -> str:
    """One line of at most ``length`` characters, control characters taken out."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: length * 4]).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def quoted(name: str) -> str:
    """A column or file name inside a sentence."""
    return f"“{excerpt(name, 40)}”"


def listed(names: list[str], limit: int = 5) -> str:
    """Names in a sentence: “a”, “b” and 3 more."""
    shown = [quoted(n) for n in names[:limit]]
    if len(names) > limit:
        return ", ".join(shown) + f" and {len(names) - limit} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def plural(count: int, one: str, many: str = "") -> str:
    """``plural(1, "row")`` → "1 row"; ``plural(2000, "row")`` → "2,000 rows"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
