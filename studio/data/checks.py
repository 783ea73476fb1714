"""What is to be known about the examples before training, as findings in plain words, worst first.

Each check looks once through the rows; nothing here is quadratic, so that 100,000 rows take seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from studio.data import privacy
from studio.data.clean import (
    ALL,
    RARE,
    conflicts,
    is_empty,
    is_one_sided,
    near_key,
    spellings,
    tidy,
)
from studio.data.text import excerpt, normalise, plural, prompt_of, quoted, target_of, whole_of
from studio.data.types import CheckContext, Example, Finding, Severity

MAX_ROWS = 1_000
MAX_EXAMPLES = 5
_ORDER: dict[Severity, int] = {"stop": 0, "caution": 1, "note": 2}
Check = Callable[[Sequence[Example], CheckContext], Finding | None]


def check_chat(examples: Sequence[Example], context: CheckContext) -> list[Finding]:
    """Findings about conversations, worst first."""
    return _run(examples, context, (few_rows, *_COMMON, conflicting_answers))


def check_labels(examples: Sequence[Example], context: CheckContext) -> list[Finding]:
    """Findings about labelled texts, worst first."""
    checks = (few_rows, one_label, *_COMMON, conflicting_labels, label_spellings, rare_labels, label_imbalance)
    return _run(examples, context, checks)


def _run(examples: Sequence[Example], context: CheckContext, checks: Sequence[Check]) -> list[Finding]:
    found = [finding for check in checks if (finding := check(examples, context)) is not None]
    return sorted(found, key=lambda f: (_ORDER[f.severity], -f.count))


def _finding(
    check: str, severity: Severity, title: str, explanation: str, rows: Iterable[int], examples: Iterable[str], *fixes: str,
    count: int | None = None,
) -> Finding:  # fmt: skip
    numbers = list(rows)
    shown = [text for _, text in zip(range(MAX_EXAMPLES), examples, strict=False)]
    return Finding(
        check=check,
        severity=severity,
        title=title,
        explanation=explanation,
        count=len(numbers) if count is None else count,
        rows=tuple(numbers[:MAX_ROWS]),
        examples=tuple(shown),
        fixes=tuple(ALL[fix] for fix in fixes),
    )


def _usable(example: Example) -> bool:
    return not is_empty(example) and not is_one_sided(example)


def _shown(example: Example) -> str:
    return f"{excerpt(prompt_of(example), 80) or '(nothing)'} → {excerpt(target_of(example), 80) or '(nothing)'}"


# -- how many -------------------------------------------------------------------------------------------------------


def few_rows(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    count = sum(map(_usable, examples))
    if count >= 50:
        return None
    if count < 3:
        return _finding(
            "few_rows",
            "stop",
            f"Only {plural(count, 'usable row')}" if count else "No row is usable",
            "At least three rows with both sides are needed: one to learn from, one to watch progress, one for the exam.",
            [],
            [],
            count=count,
        )
    return _finding(
        "few_rows",
        "caution",
        f"Only {plural(count, 'usable row')}",
        "The model may learn these by heart instead of learning from them, and the exam will be rough. "
        "A few hundred rows are a good start.",
        [],
        [],
        count=count,
    )


def one_label(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    labels = {e.get("label", "") for e in examples} - {""}
    if len(labels) >= 2 or not any(map(_usable, examples)):
        return None
    return _finding(
        "one_label",
        "stop",
        "All rows have the same label",
        "There is nothing to tell apart. Add rows with other labels, or choose another column.",
        [],
        [quoted(label) for label in labels],
        count=len(examples),
    )


# -- rows that teach nothing -----------------------------------------------------------------------------------------


def empty_rows(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    rows = [e["row"] for e in examples if is_empty(e)]
    if not rows:
        return None
    title = f"{plural(len(rows), 'row is', 'rows are')} empty"
    shown = (f"row {row + 1}" for row in rows)
    return _finding("empty_rows", "caution", title, "They teach nothing and are left out.", rows, shown, "drop_empty")


def one_sided(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    found = [e for e in examples if is_one_sided(e)]
    if not found:
        return None
    what = "label or text" if "label" in found[0] else "question or answer"
    return _finding(
        "one_sided",
        "caution",
        f"{plural(len(found), 'row has', 'rows have')} no {what}",
        "Without both sides there is nothing to learn, so they are left out.",
        (e["row"] for e in found),
        map(_shown, found),
        "drop_one_sided",
    )


# -- the same again --------------------------------------------------------------------------------------------------


def exact_duplicates(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    extra = _repeated(examples, whole_of)
    if not extra:
        return None
    return _finding(
        "exact_duplicates",
        "caution",
        f"{plural(len(extra), 'row repeats', 'rows repeat')} another row exactly",
        "Repeated rows count double, and the model learns them by heart.",
        (e["row"] for e in extra),
        map(_shown, extra),
        "drop_exact_duplicates",
    )


def near_duplicates(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    exact = {e["row"] for e in _repeated(examples, whole_of)}
    extra = _repeated([e for e in examples if e["row"] not in exact], near_key)
    if not extra:
        return None
    return _finding(
        "near_duplicates",
        "caution",
        f"{plural(len(extra), 'row differs', 'rows differ')} from another only in case, punctuation or spacing",
        "They count nearly double. One of each is enough.",
        (e["row"] for e in extra),
        map(_shown, extra),
        "drop_near_duplicates",
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


def leakage(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    """Only where the data names its own splits; ours never leak."""
    held = {normalise(prompt_of(e)) for e in examples if e.get("split") in ("validation", "test")}
    found = [e for e in examples if e.get("split") == "train" and held and normalise(prompt_of(e)) in held]
    if not found:
        return None
    return _finding(
        "leakage",
        "caution",
        f"{plural(len(found), 'training row is', 'training rows are')} also among the rows held back",
        "An exam whose questions were practised says nothing. Your own split has the same text on both sides.",
        (e["row"] for e in found),
        map(_shown, found),
        "drop_leaked",
    )


# -- contradictions --------------------------------------------------------------------------------------------------


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

    return _finding(check, "caution", f"{plural(len(rows), 'row')} with {what}", why, rows, map(shown, groups), *fixes)


def label_spellings(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    groups = spellings(examples)
    if not groups:
        return None
    odd = {label for labels in groups.values() for label in labels[1:]}
    return _finding(
        "label_spellings",
        "caution",
        f"{plural(len(groups), 'label is', 'labels are')} spelt in more than one way",
        "Each spelling would be learned as a label of its own.",
        (e["row"] for e in examples if e.get("label") in odd),
        (" = ".join(quoted(label) for label in labels) for labels in groups.values()),
        "merge_label_spellings",
    )


# -- labels ----------------------------------------------------------------------------------------------------------


def rare_labels(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    counts = Counter(e["label"] for e in examples if e.get("label"))
    rare = {label for label, count in counts.items() if count < RARE}
    if not rare or len(counts) < 2:
        return None
    left = len(counts) - len(rare)
    return _finding(
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
    return _finding(
        "label_imbalance",
        "caution" if share >= 0.8 or most >= 30 * fewest else "note",
        f"{quoted(top)} has {most / fewest:,.0f} times as many rows as {quoted(bottom)}",
        "The model will lean towards the large label. The report card therefore shows macro-F1, which counts every label alike; "
        "more rows of the small ones help most.",
        [],
        (f"{quoted(label)}: {count:,}" for label, count in counts.most_common()),
        count=most,
    )


# -- what is in the texts --------------------------------------------------------------------------------------------


def too_long(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    lengths, limit = context.token_lengths, context.max_length
    if not lengths or not limit or len(lengths) != len(examples):
        return None
    found = [(length, e) for length, e in zip(lengths, examples, strict=True) if length > limit]
    if not found:
        return None
    share = len(found) / len(examples)
    lost = sum(length - limit for length, _ in found) / max(1, sum(lengths))
    return _finding(
        "too_long",
        "caution" if share > 0.02 else "note",
        f"{plural(len(found), 'row is', 'rows are')} longer than {limit:,} tokens ({share:.1%})",
        f"Their ends are cut off: {lost:.1%} of all text. A larger longest row keeps more and needs more memory and time.",
        (e["row"] for _, e in found),
        (f"{length:,} tokens: {excerpt(prompt_of(e), 80)}" for length, e in sorted(found, key=lambda f: -f[0])),
    )


def personal_data(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    rows, kinds = [], Counter[str]()
    shown: dict[str, list[str]] = defaultdict(list)
    for example in examples:
        found = [hit for text in _texts(example) for hit in privacy.find(text)]
        if found:
            rows.append(example["row"])
            for kind, text in found:
                kinds[kind] += 1
                shown[kind].append(text)
    if not rows:
        return None
    listed = ", ".join(_many(kind, count) for kind, count in kinds.most_common())
    return _finding(
        "pii",
        "caution",
        f"{plural(len(rows), 'row holds', 'rows hold')} personal data: {listed}",
        "A tuned model can repeat what it saw, to anyone who asks. Names and street addresses are not looked for.",
        rows,
        _some_of_each({kind: list(dict.fromkeys(texts)) for kind, texts in shown.items()}),
        "mask_personal_data",
    )


def _some_of_each(shown: dict[str, list[str]]) -> Iterator[str]:
    for position in range(MAX_EXAMPLES):
        for kind, texts in shown.items():
            if position < len(texts):
                yield f"{kind}: {excerpt(texts[position], 60)}"


def _many(kind: str, count: int) -> str:
    if count == 1:
        return f"1 {kind}"
    head, _, tail = kind.partition(" (")
    return f"{count:,} {head}{'es' if head.endswith('s') else 's'}{' (' + tail if tail else ''}"


def untidy(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    found = []
    for example in examples:
        for text in _texts(example):
            if tidy(text) != text:
                found.append((example, text))
                break
    if not found:
        return None
    # Show what a person would call broken before mere white space.
    telling = sorted(found[:2_000], key=lambda f: normalise(tidy(f[1])) == normalise(f[1]))
    return _finding(
        "untidy",
        "note",
        f"{plural(len(found), 'row has', 'rows have')} loose white space, HTML entities or broken characters",
        "The model would learn to write them too.",
        (e["row"] for e, _ in found),
        (_difference(text) for _, text in telling),
        "tidy_text",
    )


def _difference(text: str) -> str:
    """The place where tidying first changes something, before and after."""
    after = tidy(text)
    start = next((i for i, (a, b) in enumerate(zip(text, after, strict=False)) if a != b), min(len(text), len(after)))
    begin = max(0, start - 25)
    return f"{_visible(text[begin : start + 35])} → {_visible(after[begin : start + 35])}"


def _visible(text: str) -> str:
    return excerpt(text.replace(" \n", "␣\n").replace("  ", "␣␣").replace("\u00a0", "⍽").replace("\n", "↵"), 70)


def _texts(example: Example) -> list[str]:
    if "messages" in example:
        return [m["content"] for m in example["messages"]]
    return [example.get("text", "")]


_COMMON: tuple[Check, ...] = (
    empty_rows,
    one_sided,
    exact_duplicates,
    near_duplicates,
    leakage,
    too_long,
    personal_data,
    untidy,
)
