"""What was found in the rows, as cards with fixes to preview and apply, and the effect of those applied. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from studio.ui.views.html import Safe, clip, join, number, plural, tag

if TYPE_CHECKING:
    from studio.core.recipe import AppliedFix
    from studio.data.types import Change, Example, Finding, Fix

SIGNS = {"stop": ("✕", "Stop"), "caution": ("!", "Caution"), "note": ("i", "Note")}
EXAMPLE_CHARACTERS = 240
PREVIEW_ROWS = 6


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
        care = ", with care" if fixes < len(cautions) else ""
        parts.append(
            f"Good to train after {plural(fixes, 'fix', 'fixes')}{care}." if fixes else "Good to train, with care."
        )
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
            tag(
                "button",
                "Undo",
                type="button",
                class_="ts-button ts-plain",
                data_action="undo",
                data_index=index,
                data_fix=fix.fix,
            )
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
