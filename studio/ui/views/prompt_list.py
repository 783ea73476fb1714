"""A list of prompts that both models answered, as a table and as a CSV file. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.ui.views.html import Safe, join, tag

PROMPTS = 20
"""Questions of the test rows that the prompt list asks."""
Row = dict[str, Any]
"""``prompt``, ``base``, ``tuned`` and, where known, ``expected``."""


def prompt_table(rows: Sequence[Row], total: int, note: str = "") -> Safe:
    """The prompt list with a progress line."""
    if not rows and not note:
        return tag("p", "The answers of both models appear here, one row a question.", class_="ts-nothing")
    progress = note or f"{len(rows)} of {total} answered."
    expected = any(row.get("expected") for row in rows)
    names = [("prompt", "Question", ""), ("base", "Base", "ts-base"), ("tuned", "Tuned", "ts-tuned")]
    if expected:
        names.append(("expected", "In your data", ""))
    head = tag("tr", *(tag("th", title, scope="col", class_=style or None) for _, title, style in names))
    body = [
        tag("tr", *(tag("td", tag("div", str(row.get(key) or "")[:1_000], class_="ts-cell")) for key, _, _ in names))
        for row in rows
    ]
    table = tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body), class_="ts-answers"),
        class_="ts-scroll",
        tabindex="0",
    )
    return join(tag("p", progress, class_="ts-hint", role="status"), table if rows else None)


def expected(example: Any) -> str:
    """What the data itself answers: the label, or the last thing the assistant says."""
    if example.get("label"):
        return str(example["label"])
    said = [m["content"] for m in example.get("messages") or [] if m.get("role") == "assistant"]
    return str(said[0]) if said else ""


def csv_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Header and rows for a CSV file that no spreadsheet program will take for formulas."""
    expected = any(row.get("expected") for row in rows)
    names = ["prompt", "base", "tuned", *(["expected"] if expected else [])]
    return [names, *([harmless(str(row.get(name) or "")) for name in names] for row in rows)]


def harmless(cell: str) -> str:
    """A cell that begins like a formula gets a ' in front (OWASP, "CSV Injection")."""
    return f"'{cell}" if cell.lstrip(" ")[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"} else cell
