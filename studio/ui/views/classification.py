"""Both models sorting texts: class probabilities as bars, confusion matrices as shaded tables. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.inference.types import SIDES, Side
from studio.ui.views.html import Safe, join, tag
from studio.ui.views.sides import TITLES

FEW_LABELS = 12
"""Up to as many, the confusion matrices are shown at once."""
MIX_UPS = 10


def probabilities(result: dict[str, Any] | None, most: int = 8) -> Safe:
    """Both models' class probabilities as bars, the tuned one's likeliest first."""
    if not result or not result.get("labels"):
        return tag(
            "p", "Type a text and both models say which label it gets, and how sure they are.", class_="ts-nothing"
        )
    labels = [str(label) for label in result["labels"]]
    order = sorted(range(len(labels)), key=lambda i: -result["tuned"][i])[:most]
    panes = []
    for side in SIDES:
        values = result[side]
        best = max(range(len(labels)), key=lambda i: values[i])
        bars = [
            tag(
                "div",
                tag("span", labels[i], class_="ts-prob-label"),
                tag(
                    "span",
                    tag("span", "", style=f"width:{max(0.0, min(1.0, values[i])) * 100:.1f}%"),
                    class_="ts-prob-bar",
                    aria_hidden="true",
                ),
                tag("span", f"{values[i] * 100:.0f} %", class_="ts-prob-value"),
                class_="ts-prob ts-prob-best" if i == best else "ts-prob",
            )
            for i in order
        ]
        identity = result.get(f"{side}_identity") or (result.get("identity") or {}).get(side, "")
        panes.append(
            tag(
                "article", tag("h4", f"{TITLES[side]}: {labels[best]}"), *bars, tag("div", identity, class_="ts-answer-facts") if identity else None,
                class_=f"ts-answer ts-{side}",
            )
        )  # fmt: skip
    return tag("div", *panes, class_="ts-pair", role="status")


def confusion(report: dict[str, Any] | None) -> Safe:
    """Both confusion matrices as tables whose cells are shaded by their share of the row. With many labels a page could not
    hold them: then the labels that are mixed up most come first, and the tables are folded away."""
    labels, matrices = (report or {}).get("labels") or [], (report or {}).get("confusion") or {}
    if not labels or not all(matrices.get(side) for side in SIDES):
        return Safe("")
    both = tag("div", *(_matrix(labels, matrices[side], side) for side in SIDES), class_="ts-matrices")
    if len(labels) <= FEW_LABELS:
        return both
    summary = tag("summary", f"Show every label against every other ({len(labels)} × {len(labels)})")
    return join(_mixed_up(labels, matrices), tag("details", summary, both, class_="ts-many-labels"))


def _mixed_up(labels: Sequence[str], matrices: dict[str, Sequence[Sequence[int]]]) -> Safe:
    """The pairs of labels that the tuned model takes for each other most often, and how often the base does."""
    tuned = matrices["tuned"]
    pairs = [(r, c) for r, row in enumerate(tuned) for c, count in enumerate(row) if r != c and count]
    heading = tag("h3", "What the tuned model mixes up most", class_="ts-heading")
    if not pairs:
        return join(heading, tag("p", "Nothing: every row got its own label.", class_="ts-quiet"))
    pairs.sort(key=lambda pair: -tuned[pair[0]][pair[1]])
    head = tag("tr", *(tag("th", title, scope="col") for title in ("True label", "Answered", "Base", "Tuned")))
    rows = [
        tag(
            "tr", tag("td", labels[r]), tag("td", labels[c]),
            *(tag("td", f"{matrices[side][r][c]} of {sum(matrices[side][r])}", class_=f"ts-{side}") for side in SIDES),
        )
        for r, c in pairs[:MIX_UPS]
    ]  # fmt: skip
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-mixed-up")
    return join(heading, tag("div", table, class_="ts-scroll", tabindex="0"))


def _matrix(labels: Sequence[str], counts: Sequence[Sequence[int]], side: Side) -> Safe:
    head = tag(
        "tr", tag("th", "true label ↓ · answered →", class_="ts-matrix-corner"),
        *(tag("th", tag("span", label, title=label), scope="col") for label in labels),
    )  # fmt: skip
    rows = []
    for r, row in enumerate(counts):
        total = sum(row) or 1
        cells = [
            tag("td", count or "·", class_="ts-diagonal" if r == c else None, style=f"--share:{count / total:.2f}")
            for c, count in enumerate(row)
        ]
        rows.append(tag("tr", tag("th", labels[r], scope="row"), *cells))
    right = sum(counts[i][i] for i in range(len(labels)))
    total = sum(sum(row) for row in counts)
    return tag(
        "figure",
        tag("figcaption", f"{TITLES[side]}: {right} of {total} right", class_=f"ts-{side}"),
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-matrix"),
            class_="ts-scroll",
            tabindex="0",
        ),
        class_=f"ts-matrix-{side}",
    )


def likeliest(result: dict[str, Any]) -> dict[str, str]:
    """Both models' answers to one text in words: ``{"base": "billing (41 %)", "tuned": …}``."""
    said: dict[str, str] = {}
    for side in SIDES:
        best = max(range(len(result["labels"])), key=lambda i: result[side][i])
        said[side] = f"{result['labels'][best]} ({result[side][best] * 100:.0f} %)"
    return said
