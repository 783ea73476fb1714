"""Checks on rows that come again: as they are, nearly so, in another split, or with another answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.data.checks.finding import finding, shown_pair
from studio.data.clean import conflicts, is_empty, near_key
from studio.data.text import excerpt, normalise, plural, prompt_of, target_of, whole_of
from studio.data.types import CheckContext, Example, Finding


def exact_duplicates(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    extra = _repeated(examples, whole_of)
    if not extra:
        return None
    return finding(
        "exact_duplicates",
        "caution",
        f"{plural(len(extra), 'row repeats', 'rows repeat')} another row exactly",
        "Repeated rows count double, and the model learns them by heart.",
        (e["row"] for e in extra),
        map(shown_pair, extra),
        "drop_exact_duplicates",
    )


def near_duplicates(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    exact = {e["row"] for e in _repeated(examples, whole_of)}
    extra = _repeated([e for e in examples if e["row"] not in exact], near_key)
    if not extra:
        return None
    return finding(
        "near_duplicates",
        "caution",
        f"{plural(len(extra), 'row differs', 'rows differ')} from another only in case, punctuation or spacing",
        "They count nearly double. One of each is enough.",
        (e["row"] for e in extra),
        map(shown_pair, extra),
        "drop_near_duplicates",
    )


def leakage(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    """Only where the data names its own splits; ours never leak."""
    held = {normalise(prompt_of(e)) for e in examples if e.get("split") in ("validation", "test")}
    found = [e for e in examples if e.get("split") == "train" and held and normalise(prompt_of(e)) in held]
    if not found:
        return None
    return finding(
        "leakage",
        "caution",
        f"{plural(len(found), 'training row is', 'training rows are')} also among the rows held back",
        "An exam whose questions were practised says nothing. Your own split has the same text on both sides.",
        (e["row"] for e in found),
        map(shown_pair, found),
        "drop_leaked",
    )


def conflicting_answers(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    return _conflicting(
        examples,
        "conflicting_answers",
        "the same question but another answer",
        "The model cannot know which answer is right and will mix them.",
        ("keep_newest", "keep_majority", "drop_conflicting"),
    )


def conflicting_labels(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    return _conflicting(
        examples,
        "conflicting_labels",
        "the same text but another label",
        "The model cannot know which label is right, and the exam counts one of them as wrong.",
        ("keep_majority", "drop_conflicting"),
    )


def _repeated(examples: Sequence[Example], key: Callable[[Example], str]) -> list[Example]:
    seen: set[str] = set()
    extra = []
    for example in examples:
        if is_empty(example):
            continue
        name = key(example)
        if name in seen:
            extra.append(example)
        seen.add(name)
    return extra


def _conflicting(
    examples: Sequence[Example], check: str, what: str, why: str, fixes: tuple[str, ...]
) -> Finding | None:
    groups = list(conflicts(examples).values())
    if not groups:
        return None
    rows = [examples[place]["row"] for places in groups for place in places]

    def shown(places: list[int]) -> str:
        targets = dict.fromkeys(excerpt(target_of(examples[p]), 50) for p in places)
        return f"{excerpt(prompt_of(examples[places[0]]), 70)} → {' / '.join(list(targets)[:3])}"

    return finding(check, "caution", f"{plural(len(rows), 'row')} with {what}", why, rows, map(shown, groups), *fixes)
