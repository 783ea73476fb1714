"""Safe HTML in Python: whatever came from a person or a file is escaped before it reaches the page.

The one rule: text goes through :func:`text` (or is put together by :func:`tag`, which does it), and never through
an f-string. :class:`Safe` marks what is already HTML.
"""

from __future__ import annotations

import html as _html
import re
from typing import Any

# Control characters, and marks that turn the direction of writing around (a name could pretend to be another).
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Safe(str):
    """A string that is HTML already: markup this program wrote, never text that came from outside."""

    __slots__ = ()


def clip(value: Any, limit: int = 300) -> str:
    """``value`` as text of at most ``limit`` characters, hidden characters shown as "�"."""
    plain = value if isinstance(value, str) else "" if value is None else str(value)
    shown = plain[: limit + 1]
    shown = _HIDDEN.sub("\ufffd", shown)
    return shown if len(plain) <= limit else shown[:limit].rstrip() + "…"


def text(value: Any, limit: int | None = None) -> Safe:
    """Escaped text. What is :class:`Safe` stays as it is."""
    if isinstance(value, Safe):
        return value
    return Safe(_html.escape(clip(value, limit or 100_000), quote=True))


def tag(name: str, *children: Any, **attributes: Any) -> Safe:
    """One element. Children that are not :class:`Safe` are escaped; ``class_`` is ``class``, ``data_run`` ``data-run``;
    None and False leave an attribute out."""
    parts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{text(value)}"')
    if name in {"br", "img", "input", "hr"}:
        return Safe(f"<{name}{''.join(parts)}>")
    return Safe(f"<{name}{''.join(parts)}>{join(*children)}</{name}>")


def join(*children: Any) -> Safe:
    """Children after one another, what is not HTML escaped; None is left out."""
    return Safe("".join(text(child) for child in children if child is not None))


def number(value: int | float) -> str:
    """``1234567`` → ``1,234,567``."""
    return f"{value:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``plural(1, "row")`` → ``1 row``; ``plural(840, "row")`` → ``840 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
