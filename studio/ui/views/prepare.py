"""Step 2 as text and HTML: health, findings as cards, effect so far, the split bar, lengths, what the model will see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from studio.ui.views.html import Safe, clip, join, number, plural, tag

if TYPE_CHECKING:
    from studio.core.recipe import AppliedFix
    from studio.data.render import Segment
    from studio.data.stats import Bin
    from studio.data.types import Change, Example, Finding, Fix

SIGNS = {"stop": ("✕", "Stop"), "caution": ("!", "Caution"), "note": ("i", "Note")}
EXAMPLE_CHARACTERS = 240
PREVIEW_ROWS = 6
PARTS = {"train": "to learn from", "validation": "to watch progress with", "test": "for the final exam"}


def health(findings: Sequence[Finding], rows_out: int) -> str:
    """One sentence on top."""
    if rows_out == 0:
        return "There is nothing to learn from yet. Look at what was found below, or go back to Data."
    stops = [f for f in findings if f.severity == "stop"]
    cautions = [f for f in findings if f.severity == "caution"]
    notes = [f for f in findings if f.severity == "note"]
    parts = []
    if stops:
        parts.append(f"{plural(len(stops), 'thing')} should be mended before training.")
    elif cautions:
        fixes = sum(1 for f in cautions if f.fixes)
        parts.append(f"Good to train after {plural(fixes, 'fix', 'fixes')}." if fixes else "Good to train, with care.")
    else:
        parts.append("Good to train.")
    if stops and cautions:
        parts.append(f"{plural(len(cautions), 'more is', 'more are')} better mended.")
    if notes:
        parts.append(f"{plural(len(notes), 'thing')} to know.")
    return " ".join(parts)


def cards(
    findings: Sequence[Finding],
    *,
    left: Collection[str] = (),
    preview_of: str = "",
    preview: Sequence[Change] = (),
    can_change: bool = True,
) -> Safe:
    """Findings worst first; those the person left are folded away at the end. ``preview_of`` is a fix id."""
    open_ones = [f for f in findings if f.check not in left]
    folded = [f for f in findings if f.check in left]
    parts = [_card(f, preview_of, preview, can_change) for f in open_ones]
    if not findings:
        parts.append(
            tag(
                "p",
                tag("span", "✓", class_="ts-sign ts-good"),
                " Nothing to mend was found in these rows.",
                class_="ts-empty",
            )
        )
    elif not open_ones:
        parts.append(
            tag(
                "p", tag("span", "✓", class_="ts-sign ts-good"), " All findings have been looked at.", class_="ts-empty"
            )
        )
    if folded:
        items = join(
            *(
                tag("li", f.title, " ", _button("Look again", "unleave", f.check, quiet=True) if can_change else None)
                for f in folded
            )
        )
        parts.append(
            tag("details", tag("summary", f"Left as they are: {len(folded)}"), tag("ul", items), class_="ts-folded")
        )
    return tag("div", join(*parts), class_="ts-findings")


def _card(finding: Finding, preview_of: str, preview: Sequence[Change], can_change: bool) -> Safe:
    sign, word = SIGNS[finding.severity]
    shown = any(fix.id == preview_of for fix in finding.fixes)
    may_leave = can_change and (finding.severity != "stop" or not finding.fixes)
    return tag(
        "article",
        tag(
            "h3",
            tag("span", sign, class_=f"ts-sign ts-{finding.severity}", aria_hidden="true"),
            tag("span", f"{word}: ", class_="ts-visually-hidden"),
            tag("span", finding.title, class_="ts-finding-title"),
            _button("Leave", "leave", finding.check, quiet=True) if may_leave else None,
        ),
        tag("p", finding.explanation),
        tag("ul", join(*(tag("li", clip(e, EXAMPLE_CHARACTERS)) for e in finding.examples[:2])), class_="ts-examples")
        if finding.examples
        else None,
        tag("ul", join(*(_fix(finding, fix, preview_of, can_change) for fix in finding.fixes)), class_="ts-fixes")
        if finding.fixes
        else None,
        changes(preview) if shown else None,
        class_=f"ts-finding ts-border-{finding.severity}",
        data_check=finding.check,
    )


def _fix(finding: Finding, fix: Fix, preview_of: str, can_change: bool) -> Safe:
    """One way to mend: its words, Preview fix, Fix."""
    shown = fix.id == preview_of
    buttons = tag(
        "span",
        _button(
            "Hide preview" if shown else "Preview fix", "preview", finding.check, "" if shown else fix.id, of=fix.title
        ),
        _button("Fix", "fix", finding.check, fix.id, strong=True, of=fix.title),
        class_="ts-buttons",
    )
    words = tag("span", tag("strong", fix.title), " ", tag("span", fix.explanation, class_="ts-quiet"))
    return tag("li", words, buttons if can_change else None)


def _button(
    label: str, action: str, check: str, fix: str = "", *, strong: bool = False, quiet: bool = False, of: str = ""
) -> Safe:
    """``of`` tells buttons of the same word apart for those who hear the page."""
    kind = "ts-strong" if strong else "ts-plain" if quiet else ""
    return tag(
        "button", label, tag("span", f": {of}", class_="ts-visually-hidden") if of else None, type="button",
        class_=f"ts-button {kind}", data_action=action, data_check=check, data_fix=fix,
    )  # fmt: skip


def changes(preview: Sequence[Change]) -> Safe:
    """Before and after of a fix, a few rows."""
    if not preview:
        return tag("p", "This fix changes nothing any more.", class_="ts-empty")
    rows = [
        tag(
            "tr",
            tag("td", number(change.row + 1), class_="ts-row-number"),
            tag("td", tag("div", one_line(change.before), class_="ts-rowcell")),
            tag(
                "td",
                tag("div", one_line(change.after), class_="ts-rowcell") if change.after else tag("em", "The row goes."),
            ),
        )
        for change in preview[:PREVIEW_ROWS]
    ]
    gone = sum(1 for change in preview if change.after is None)
    caption = f"{plural(gone, 'row goes', 'rows go')}, {plural(len(preview) - gone, 'row changes', 'rows change')}."
    if len(preview) > PREVIEW_ROWS:
        caption += f" The first {PREVIEW_ROWS} are shown."
    return tag(
        "div",
        tag("p", caption, class_="ts-quiet"),
        tag(
            "table",
            tag("thead", tag("tr", join(*(tag("th", h, scope="col") for h in ("Row", "Before", "After"))))),
            tag("tbody", join(*rows)),
            class_="ts-rowtable",
        ),
        class_="ts-preview ts-rowscroll",
    )


def one_line(example: Example) -> str:
    """An example as short plain text."""
    if "messages" in example:
        return clip("\n".join(f"{m['role']}: {clip(m['content'], 160)}" for m in example["messages"][:6]), 400)
    return clip(f"{example.get('text', '')}\n→ {example.get('label', '')}", 400)


def effect(
    rows_in: int, rows_out: int, fixes: Sequence[AppliedFix], titles: Mapping[str, str], can_change: bool = True
) -> Safe:
    """Rows in → rows out, and the list of what was done, each with its undo. ``titles``: fix id → words."""
    items = [
        tag(
            "li",
            tag("span", titles.get(fix.fix) or fix.fix.replace("_", " ").capitalize()),
            tag("button", "Undo", type="button", class_="ts-button ts-plain", data_action="undo", data_index=index)
            if can_change
            else None,
        )
        for index, fix in enumerate(fixes)
    ]
    return tag(
        "aside",
        tag("h3", "Effect so far"),
        tag(
            "p",
            tag("span", number(rows_in), class_="ts-figure"),
            tag("span", " → ", aria_label="to"),
            tag("span", number(rows_out), class_="ts-figure"),
            class_="ts-rows",
        ),
        tag("p", "rows read → rows to learn from", class_="ts-quiet"),
        tag("ol", join(*items), class_="ts-undo") if items else tag("p", "No fix has been applied.", class_="ts-quiet"),
        class_="ts-effect",
    )


def percentages(shares: Mapping[str, float]) -> dict[str, int]:
    """Proportions as whole percentages that add up to 100."""
    names = ("train", "validation", "test")
    total = sum(max(0.0, shares.get(name, 0.0)) for name in names)
    if not total:
        return {"train": 100, "validation": 0, "test": 0}
    exact = {name: 100 * max(0.0, shares.get(name, 0.0)) / total for name in names}
    whole = {name: int(exact[name]) for name in names}
    for name in sorted(names, key=lambda n: whole[n] - exact[n])[: 100 - sum(whole.values())]:
        whole[name] += 1
    return whole


def split_bar(
    shares: Mapping[str, float], sizes: Mapping[str, int], notes: Sequence[str] = (), can_change: bool = True
) -> Safe:
    """One bar in three parts with two handles; the handles are native sliders, so that keys work."""
    percent = percentages(shares)
    first, second = percent["train"], percent["train"] + percent["validation"]
    parts, legend = [], []
    for name, words in PARTS.items():
        size = tag("span", plural(sizes.get(name, 0), "row"), class_="ts-count")
        share = tag("strong", f"{percent[name]} %", class_="ts-percent")
        kind = f"ts-part ts-part-{name}"
        parts.append(tag("div", share, size, class_=kind, style=f"flex-grow:{max(percent[name], 1)}"))
        legend.append(tag("li", tag("span", class_=f"ts-swatch ts-part-{name}"), words, " ", tag("small", name)))
    sliders = [
        tag("input", type="range", min="5", max="100", step="1", value=first, data_handle="train", disabled=not can_change,
            aria_label="End of the rows to learn from, percent"),
        tag("input", type="range", min="5", max="100", step="1", value=second, data_handle="validation",
            disabled=not can_change, aria_label="End of the rows to watch progress with, percent"),
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "div",
            tag("div", join(*parts), class_="ts-parts"),
            tag("div", join(*sliders), class_="ts-handles"),
            class_="ts-split-bar",
        ),
        tag("ul", join(*legend), class_="ts-split-legend"),
        tag("ul", join(*(tag("li", note) for note in notes)), class_="ts-notes") if notes else None,
        class_="ts-split",
    )


def histogram(bins: Sequence[Bin]) -> Safe:
    """Lengths as bars; those over the limit are marked; the numbers stand below on demand."""
    if not bins:
        return tag("p", "Lengths are counted when the base model is on this machine.", class_="ts-empty")
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
    rows = [tag("tr", tag("td", _span(one)), tag("td", number(one.count))) for one in bins if one.count]
    over = sum(one.count for one in bins if one.over)
    svg = tag(
        "svg", join(*bars), tag("line", x1=0, x2=width, y1=height, y2=height, class_="ts-axis"),
        viewBox=f"0 0 {width} {height + 2}", preserveAspectRatio="none", role="img",
        aria_label=f"Token lengths from {bins[0].start} to {bins[-1].end - 1}",
    )  # fmt: skip
    return tag(
        "figure",
        svg,
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
