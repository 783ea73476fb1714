"""Checks on how many rows there are, and on rows that teach nothing."""

from __future__ import annotations

from collections.abc import Sequence

from studio.data.checks.finding import finding, shown_pair, usable
from studio.data.clean import is_empty, is_one_sided
from studio.data.text import plural
from studio.data.types import CheckContext, Example, Finding, Splits

_FEW_TO_LEARN = 40


def few_rows(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    count = sum(map(usable, examples))
    if count >= 50:
        return None
    if count < 3:
        return finding(
            "few_rows",
            "stop",
            f"Only {plural(count, 'usable row')}" if count else "No row is usable",
            "At least three rows with both sides are needed: one to learn from, one to watch progress, one for the exam.",
            [],
            [],
            count=count,
        )
    return finding(
        "few_rows",
        "caution",
        f"Only {plural(count, 'usable row')}",
        "The model may learn these by heart instead of learning from them, and the exam will be rough. "
        "A few hundred rows are a good start.",
        [],
        [],
        count=count,
    )


def few_to_learn(splits: Splits) -> Finding | None:
    """The split leaves only a few rows to learn from, although there are more."""
    count, total = len(splits.train), sum(splits.sizes().values())
    if count >= _FEW_TO_LEARN or 2 * count >= total:
        return None
    return finding(
        "few_to_learn",
        "caution",
        f"Only {plural(count, 'row')} to learn from",
        f"The split holds back {total - count:,} of {total:,} rows. Give most of them to learning: "
        "four in five are usual.",
        [],
        [],
        count=count,
    )


def empty_rows(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    rows = [e["row"] for e in examples if is_empty(e)]
    if not rows:
        return None
    title = f"{plural(len(rows), 'row is', 'rows are')} empty"
    shown = (f"row {row + 1}" for row in rows)
    return finding("empty_rows", "caution", title, "They teach nothing and are left out.", rows, shown, "drop_empty")


def one_sided(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    found = [e for e in examples if is_one_sided(e)]
    if not found:
        return None
    what = "label or text" if "label" in found[0] else "question or answer"
    return finding(
        "one_sided",
        "caution",
        f"{plural(len(found), 'row has', 'rows have')} no {what}",
        "Without both sides there is nothing to learn, so they are left out.",
        (e["row"] for e in found),
        map(shown_pair, found),
        "drop_one_sided",
    )
