"""What is to be known about the examples before training, as findings in plain words, worst first.

Each check looks once through the rows; nothing here is quadratic, so that 100,000 rows take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.data.checks import labels, repeats, rows, texts
from studio.data.checks.finding import Check
from studio.data.types import CheckContext, Example, Finding, Severity

_ORDER: dict[Severity, int] = {"stop": 0, "caution": 1, "note": 2}
_COMMON: tuple[Check, ...] = (
    rows.few_rows,
    rows.empty_rows,
    rows.one_sided,
    repeats.exact_duplicates,
    repeats.near_duplicates,
    repeats.leakage,
    texts.too_long,
    texts.personal_data,
    texts.control_markers,
    texts.untidy,
)
_CHAT: tuple[Check, ...] = (*_COMMON, repeats.conflicting_answers)
_LABELS: tuple[Check, ...] = (
    *_COMMON,
    labels.one_label,
    repeats.conflicting_labels,
    labels.label_spellings,
    labels.rare_labels,
    labels.label_imbalance,
)


def check_chat(examples: Sequence[Example], context: CheckContext) -> list[Finding]:
    """Findings about conversations, worst first."""
    return _run(examples, context, _CHAT)


def check_labels(examples: Sequence[Example], context: CheckContext) -> list[Finding]:
    """Findings about labelled texts, worst first."""
    return _run(examples, context, _LABELS)


def _run(examples: Sequence[Example], context: CheckContext, checks: Sequence[Check]) -> list[Finding]:
    found = [finding for check in checks if (finding := check(examples, context)) is not None]
    return worst_first(found)


def worst_first(found: Sequence[Finding]) -> list[Finding]:
    return sorted(found, key=lambda f: (_ORDER[f.severity], -f.count))
