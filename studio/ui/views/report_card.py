"""The report card beside a comparison: verdict, error bars, notes, the numbers as a table. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.inference.types import SIDES
from studio.ui.views.html import Safe, join, plural, tag
from studio.ui.views.sides import TITLES
from studio.ui.views.terms import explained
from studio.ui.views.votes import tally_line


def report_card(report: dict[str, Any] | None, counts: dict[str, int] | None = None) -> Safe:
    """Verdict, at most five lines with error bars, notes, and the numbers as a table."""
    head = tag("h3", "Report card")
    if not report:
        return tag("aside", head, tag("p", "This run has no report card.", class_="ts-nothing"), class_="ts-report")
    metrics = list((report.get("metrics") or {}).values())[:5]
    rows = report.get("rows") or 0
    lines = [_metric(metric) for metric in metrics]
    notes = report.get("notes") or []
    return tag(
        "aside",
        head,
        tag("p", report.get("verdict") or "", class_="ts-report-verdict"),
        tag("p", legend(), class_="ts-legend") if lines else None,
        *lines,
        tag("p", f"Measured on {plural(int(rows), 'row')} the model never learned from. Bars: 95 % intervals.", class_="ts-hint")
        if lines
        else None,
        tally_line(counts or {}),
        tag("details", tag("summary", "Notes"), tag("ul", *(tag("li", note) for note in notes)), class_="ts-more") if notes else None,
        tag("details", tag("summary", "Show the numbers as a table"), _table(metrics), class_="ts-more") if lines else None,
        class_="ts-report",
        aria_label="Report card",
    )  # fmt: skip


def legend() -> Safe:
    return join(tag("span", "● base", class_="ts-base"), "  ", tag("span", "● tuned", class_="ts-tuned"))


def _metric(metric: dict[str, Any]) -> Safe:
    base, tuned = metric.get("base") or {}, metric.get("tuned") or {}
    better = "higher is better" if metric.get("higher_is_better") else "lower is better"
    title = str(metric.get("title", ""))
    return tag(
        "div",
        tag("div", tag("span", explained(title)), tag("small", better), class_="ts-metric-title"),
        tag(
            "div",
            error_bars(base, tuned, title),
            tag("span", figure(base.get("value")), class_="ts-base"),
            tag("span", " → "),
            tag("strong", figure(tuned.get("value")), class_="ts-tuned"),
            class_="ts-metric-values",
        ),
        class_="ts-metric",
    )


def error_bars(base: dict[str, Any], tuned: dict[str, Any], title: str = "") -> Safe:
    """Two intervals on one scale, base above tuned, as a small SVG."""
    known = [entry for entry in (base, tuned) if isinstance(entry.get("value"), (int, float))]
    if not known:
        return Safe("")
    ends = [
        float(e[k] if isinstance(e.get(k), (int, float)) else e["value"])
        for e in known
        for k in ("low", "value", "high")
    ]
    low, high = min(ends), max(ends)
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)
    width, pad = 120.0, 7.0

    def x(value: float) -> str:
        return f"{pad + (value - low) / (high - low) * (width - 2 * pad):.1f}"

    marks = []
    for row, (entry, style) in enumerate(((base, "ts-base"), (tuned, "ts-tuned"))):
        value = entry.get("value")
        if not isinstance(value, (int, float)):
            continue
        y = 8 + row * 12
        if isinstance(entry.get("low"), (int, float)) and isinstance(entry.get("high"), (int, float)):
            left, right = x(entry["low"]), x(entry["high"])
            marks.append(f'<path class="{style}" d="M{left} {y}H{right}M{left} {y - 3}v6M{right} {y - 3}v6"/>')
        marks.append(f'<circle class="{style}" cx="{x(value)}" cy="{y}" r="3.6"/>')
    said = f"{title}: base {figure(base.get('value'))}, tuned {figure(tuned.get('value'))}"
    return Safe(
        f'<svg class="ts-bars" viewBox="0 0 {width:.0f} 28" role="img" aria-label="{tag("i", said)[3:-4]}">{"".join(marks)}</svg>'
    )


def figure(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _table(metrics: Sequence[dict[str, Any]]) -> Safe:
    rows = []
    for metric in metrics:
        cells = [tag("th", metric.get("title", ""), scope="row")]
        for side in SIDES:
            entry = metric.get(side) or {}
            cells.append(
                tag("td", f"{figure(entry.get('value'))} ({figure(entry.get('low'))} to {figure(entry.get('high'))})")
            )
        rows.append(tag("tr", *cells))
    head = tag("tr", tag("th", ""), *(tag("th", TITLES[side], scope="col", class_=f"ts-{side}") for side in SIDES))
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-table"),
        class_="ts-scroll",
        tabindex="0",
    )
