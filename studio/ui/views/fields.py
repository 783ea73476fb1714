"""The inputs of a form as their declarations describe them: kind, small print, placeholder. No UI toolkit here."""

from __future__ import annotations

import re
from typing import Any, Literal

from studio.core.options import OptionInfo, bounds_in_words
from studio.ui.views.quantities import short

_EDGE = re.compile(r"__+|(?<!\w)_|_(?!\w)", re.ASCII)
"""Underscores that Gradio takes for emphasis; those inside a name (``q_proj``) are left alone."""
WidgetKind = Literal["flag", "choice", "slider", "number", "lines", "text"]


def widget_kind(info: OptionInfo) -> WidgetKind:
    """Which sort of input a setting takes. A slider cannot be empty, so a computed number is typed."""
    if info.kind == "bool":
        return "flag"
    if info.kind == "choice":
        return "choice"
    if info.kind == "list":
        return "lines"
    if info.kind == "float" and not info.optional and info.minimum is not None and (info.maximum or 99) <= 1:
        return "slider"
    return "number" if info.kind in {"int", "float"} else "text"


def is_computed(info: OptionInfo, chosen: Any) -> bool:
    """Whether the value is left to the studio."""
    return info.optional and chosen in (None, "")


def field_note(info: OptionInfo, reason: str = "", problem: str = "", caution: str = "") -> str:
    """The small print under a field: the problem or caution first, then what it does, its term, and why it has its value."""
    parts = [info.help.rstrip()]
    if info.term:
        parts.append(f"*{info.term}*")
    bounds = limits(info)
    if bounds:
        parts.append(bounds)
    note = " · ".join(parts)
    if reason:
        value, colon, why = reason.partition(": ")
        note += f" · **Automatic: {plain(value)}**, {plain(why)}." if colon else f" · **Automatic:** {plain(reason)}."
    if problem:
        return f"**✕ {plain(problem)}** {note}"
    return f"**△ {plain(caution)}** {note}" if caution else note


def plain(text: str) -> str:
    """Text that reads as it is in the small print of a field.

    Gradio escapes HTML there and then looks for ``*…*``, ``_…_``, `` `…` `` and ``[…](…)``; it knows no backslashes, so the
    marks that would count give way to signs that look the same, and a bracket is parted from the next without a gap.
    """
    shown = text.replace("*", "\u2217").replace("`", "\u02cb").replace("](", "]\u2060(")
    return _EDGE.sub(lambda found: "\u02cd" * len(found[0]), shown)


def limits(info: OptionInfo) -> str:
    """``1 to 512 tokens``; ``more than 0, up to 1`` where 0 is refused."""
    if info.kind not in {"int", "float"}:
        return ""
    unit = f" {info.unit}" if info.unit else ""
    low, high = info.minimum, info.maximum
    if low is None or high is None or high >= 2**31 - 1:
        return info.unit
    return f"{bounds_in_words(short(low), short(high), info)}{unit}"


def placeholder(info: OptionInfo, computed: Any) -> str:
    """What an empty input shows: the value the studio computed."""
    if not info.optional:
        return ""
    return f"auto: {short(computed)}" if computed is not None else "auto"
