"""Rows as the model reads them: the exact text with the learned part underlined, and the lengths in tokens. No UI toolkit
here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.ui.views.html import Safe, clip, join, number, plural, tag

if TYPE_CHECKING:
    from studio.data.render import Segment
    from studio.data.stats import Bin


def histogram(bins: Sequence[Bin]) -> Safe:
    """Lengths as bars; those over the limit are marked; the numbers stand below on demand."""
    if not bins:
        return tag("p", "Lengths are counted when the base model is on this machine.", class_="ts-empty")
    rows = [tag("tr", tag("td", _span(one)), tag("td", number(one.count))) for one in bins if one.count]
    over = sum(one.count for one in bins if one.over)
    return tag(
        "figure",
        _bars(bins),
        tag("p", f"{plural(over, 'row is', 'rows are')} over the limit and would be cut (red).", class_="ts-quiet")
        if over
        else None,
        tag(
            "figcaption",
            tag("span", number(bins[0].start)),
            tag("span", "tokens a row"),
            tag("span", number(bins[-1].end - 1)),
        ),
        tag(
            "details",
            tag("summary", "Show the numbers"),
            tag(
                "table",
                tag("thead", tag("tr", tag("th", "Tokens", scope="col"), tag("th", "Rows", scope="col"))),
                tag("tbody", join(*rows)),
                class_="ts-rowtable ts-narrow",
            ),
        ),
        class_="ts-histogram",
    )


def _bars(bins: Sequence[Bin]) -> Safe:
    top = max(b.count for b in bins) or 1
    width, height, gap = 640, 150, 2
    step = width / len(bins)
    bars = []
    for index, one in enumerate(bins):
        tall = max(round(height * one.count / top, 1), 1.5) if one.count else 0
        bars.append(
            tag(
                "rect", tag("title", f"{_span(one)} tokens: {plural(one.count, 'row')}"),
                x=round(index * step + gap / 2, 1), y=round(height - tall, 1), width=round(step - gap, 1), height=tall,
                class_="ts-length-cut" if one.over else "ts-length",
            )
        )  # fmt: skip
    return tag(
        "svg", join(*bars), tag("line", x1=0, x2=width, y1=height, y2=height, class_="ts-axis"),
        viewBox=f"0 0 {width} {height + 2}", preserveAspectRatio="none", role="img",
        aria_label=f"Token lengths from {bins[0].start} to {bins[-1].end - 1}",
    )  # fmt: skip


def _span(one: Bin) -> str:
    return number(one.start) if one.end - 1 == one.start else f"{number(one.start)}–{number(one.end - 1)}"


def model_view(segments: Sequence[Segment], index: int, total: int, max_length: int | None) -> Safe:
    """One training row exactly as the model reads it. ``segments`` have ``text``, ``learned`` and ``cut``."""
    if not total:
        return tag("p", "A row appears here when there is one to learn from.", class_="ts-empty")
    spans, budget = [], 12_000
    for segment in segments:
        if budget <= 0:
            spans.append(tag("span", "… (the rest is not shown)", class_="ts-quiet"))
            break
        kind = "ts-cut" if segment.cut else "ts-learned" if segment.learned else "ts-context"
        spans.append(tag("span", clip(segment.text, budget), class_=kind))
        budget -= len(segment.text)
    cut = any(segment.cut for segment in segments)
    return tag(
        "div",
        tag(
            "div",
            tag("span", f"Training row {number(index + 1)} of {number(total)}", class_="ts-quiet", aria_live="polite"),
            tag(
                "span",
                tag("button", "←", type="button", data_turn="-1", aria_label="Previous row", title="Previous row"),
                tag("button", "→", type="button", data_turn="1", aria_label="Next row", title="Next row"),
                class_="ts-pager-buttons",
            ),
            class_="ts-pager",
        ),
        tag("pre", join(*spans), class_="ts-model-text", tabindex="0"),
        tag(
            "p",
            tag("span", "Underlined", class_="ts-learned"),
            " is what the model learns to say; the rest it only reads.",
            tag("span", f" Struck out is cut: the limit is {number(max_length or 0)} tokens.") if cut else None,
            class_="ts-quiet",
        ),
        class_="ts-model-view",
    )
