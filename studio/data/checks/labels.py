"""Checks on labels: one alone, spellings of the same, rare ones, and how unevenly they are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from studio.data.checks.finding import finding, usable
from studio.data.clean import RARE, spellings
from studio.data.text import plural, quoted
from studio.data.types import CheckContext, Example, Finding


def one_label(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    labels = {e.get("label", "") for e in examples} - {""}
    if len(labels) >= 2 or not any(map(usable, examples)):
        return None
    return finding(
        "one_label",
        "stop",
        "All rows have the same label",
        "There is nothing to tell apart. Add rows with other labels, or choose another column.",
        [],
        [quoted(label) for label in labels],
        count=len(examples),
    )


def label_spellings(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    groups = spellings(examples)
    if not groups:
        return None
    odd = {label for labels in groups.values() for label in labels[1:]}
    return finding(
        "label_spellings",
        "caution",
        f"{plural(len(groups), 'label is', 'labels are')} spelt in more than one way",
        "Each spelling would be learned as a label of its own.",
        (e["row"] for e in examples if e.get("label") in odd),
        (" = ".join(quoted(label) for label in labels) for labels in groups.values()),
        "merge_label_spellings",
    )


def rare_labels(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    counts = Counter(e["label"] for e in examples if e.get("label"))
    rare = {label for label, count in counts.items() if count < RARE}
    if not rare or len(counts) < 2:
        return None
    left = len(counts) - len(rare)
    return finding(
        "rare_labels",
        "caution",
        f"{plural(len(rare), 'label has', 'labels have')} fewer than {RARE} rows",
        "So few rows are hardly enough to learn a label and too few to measure it.",
        (e["row"] for e in examples if e.get("label") in rare),
        (f"{quoted(label)}: {counts[label]}" for label in sorted(rare, key=lambda n: counts[n])),
        *(("drop_rare_labels",) if left >= 2 else ()),
    )


def label_imbalance(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    counts = Counter(e["label"] for e in examples if e.get("label"))
    if len(counts) < 2:
        return None
    (top, most), (bottom, fewest) = counts.most_common()[0], counts.most_common()[-1]
    share = most / counts.total()
    if most < 10 * fewest and share < 0.8:
        return None
    return finding(
        "label_imbalance",
        "caution" if share >= 0.8 or most >= 30 * fewest else "note",
        f"{quoted(top)} has {most / fewest:,.0f} times as many rows as {quoted(bottom)}",
        "The model will lean towards the large label. The report card therefore shows macro-F1, which counts every label alike; "
        "more rows of the small ones help most.",
        [],
        (f"{quoted(label)}: {count:,}" for label, count in counts.most_common()),
        count=most,
    )
