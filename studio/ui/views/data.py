"""Step 1 as text and HTML: the first screen, what was understood, the table that pages through the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studio.ui.views.html import Safe, clip, join, number, plural, tag

if TYPE_CHECKING:
    from studio.data.types import FileInfo

PAGE_ROWS = 10
CELL_CHARACTERS = 300
MAX_COLUMNS = 24


def welcome(logo: str) -> Safe:
    """The headline. ``logo`` is markup of our own."""
    return tag(
        "header",
        tag("div", Safe(logo), class_="ts-logo", aria_hidden="true"),
        tag("h1", "Fit a model to your data."),
        tag(
            "p",
            "Drop in a spreadsheet. Minutes later, talk to a model tuned on it, beside the one you started from. "
            "Everything stays on this machine.",
        ),
        class_="ts-welcome",
    )


def gallery(samples: Mapping[str, tuple[str, str]]) -> Safe:
    """One card a sample: file name → (title, sentence)."""
    cards = [
        tag(
            "button",
            tag("span", title, class_="ts-sample-title"),
            tag("span", sentence, class_="ts-sample-text"),
            type="button",
            class_="ts-sample",
            data_sample=name,
        )
        for name, (title, sentence) in samples.items()
    ]
    return tag(
        "section",
        tag("h2", "Or start with a sample", class_="ts-small-heading"),
        tag("div", join(*cards), class_="ts-samples"),
    )


def understood(sentence: str, files: Sequence[FileInfo], notes: Sequence[str], problem: bool = False) -> Safe:
    """The sentence of what was understood, the files it comes from, and what reading them brought up."""
    return tag(
        "div",
        tag("p", sentence, class_="ts-lead ts-problem" if problem else "ts-lead"),
        tag("p", _files(files), class_="ts-quiet") if files else None,
        tag("ul", join(*(tag("li", note) for note in notes[:8])), class_="ts-notes") if notes else None,
        class_="ts-understood",
    )


def _files(files: Sequence[FileInfo]) -> str:
    told, divided = [], len({file.split for file in files}) > 1
    for file in files[:5]:
        facts = [plural(file.rows, "row"), file.format.upper() if file.format else ""]
        if file.encoding and file.encoding.lower().replace("-", "_") not in {"utf_8", "utf8", "ascii"}:
            facts.append(file.encoding)
        if file.split and divided:
            facts.append(f"used as {file.split}")
        told.append(f"{clip(file.name, 80)} ({', '.join(f for f in facts if f)})")
    if len(files) > 5:
        told.append(f"and {len(files) - 5} more")
    return " · ".join(told)


def cell(value: Any, limit: int = CELL_CHARACTERS) -> str:
    """A table cell as plain text of at most ``limit`` characters; conversations one line a turn."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clip(value, limit)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bytes):
        return plural(len(value), "byte")
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            turns = [_turn(item) for item in value[:12]]
            if all(turns):
                return clip("\n".join(t for t in turns if t), limit)
        return clip(_json(value[:50]), limit)
    if isinstance(value, dict):
        return clip(_json(value), limit)
    return clip(value, limit)


def _turn(item: dict[str, Any]) -> str | None:
    for speaker, said in (("role", "content"), ("from", "value")):
        if isinstance(item.get(speaker), str) and isinstance(item.get(said), str):
            return f"{item[speaker]}: {item[said][:CELL_CHARACTERS]}"
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def roles_by_column(roles: Mapping[str, Any], role_titles: Mapping[str, str]) -> dict[str, str]:
    """Column → words for what it is used as."""
    named: dict[str, str] = {}
    for role, column in roles.items():
        for name in column if isinstance(column, list) else [column]:
            if isinstance(name, str):
                named[name] = role_titles.get(role, role)
    return named


def table_page(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    start: int,
    total: int,
    used_as: Mapping[str, str],
) -> Safe:
    """``rows`` of the table from row ``start`` on, with buttons to page. Used columns come first and carry their role."""
    order = sorted(columns, key=lambda name: name not in used_as)
    shown, hidden = order[:MAX_COLUMNS], order[MAX_COLUMNS:]
    head = [tag("th", "Row", class_="ts-row-number", scope="col")]
    for name in shown:
        role = used_as.get(name)
        head.append(tag("th", clip(name, 60) or "(no name)", tag("small", role) if role else None, scope="col"))
    body = [
        tag(
            "tr",
            tag("td", number(start + index + 1), class_="ts-row-number"),
            join(*(tag("td", tag("div", cell(row.get(name)), class_="ts-rowcell")) for name in shown)),
        )
        for index, row in enumerate(rows)
    ]
    last = start + len(rows)
    caption = f"Rows {number(start + 1)} to {number(last)} of {number(total)}" if rows else "No rows"
    if hidden:
        caption += f", {plural(len(hidden), 'more column')} not shown"
    return tag(
        "div",
        tag(
            "div",
            tag(
                "table",
                tag("thead", tag("tr", join(*head))),
                tag("tbody", join(*body)),
                class_="ts-rowtable",
            ),
            class_="ts-rowscroll",
            tabindex="0",
            role="region",
            aria_label="Rows of the data",
        ),
        pager(caption, start, total, PAGE_ROWS, "rows"),
    )


def pager(caption: str, start: int, total: int, size: int, what: str) -> Safe:
    """Buttons to the first, previous, next and last page; each carries the row it leads to."""
    final = max(0, (total - 1) // size * size)

    def button(label: str, sign: str, target: int) -> Safe:
        here = target == start
        return tag(
            "button",
            sign,
            type="button",
            data_start=target,
            aria_label=f"{label} {what}",
            title=f"{label} {what}",
            disabled=here,
        )

    return tag(
        "div",
        tag("span", caption, class_="ts-quiet", aria_live="polite"),
        tag(
            "span",
            button("First", "«", 0),
            button("Previous", "‹", max(0, start - size)),
            button("Next", "›", min(final, start + size)),
            button("Last", "»", final),
            class_="ts-pager-buttons",
        ),
        class_="ts-pager",
    )


def locked() -> Safe:
    """Told on steps 1 to 3 of a run that has been started."""
    return tag(
        "p",
        "This run has been started, so its data and settings stay as they are. ",
        "“New run from this one” on the Data page starts with the same data.",
        class_="ts-banner",
    )
