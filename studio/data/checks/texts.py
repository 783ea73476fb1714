"""Checks on what is in the texts: their length, personal data, control tokens, untidiness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from studio.data import control_tokens, privacy
from studio.data.checks.finding import MAX_EXAMPLES, finding, texts_of
from studio.data.clean import tidy
from studio.data.text import excerpt, normalise, plural, prompt_of
from studio.data.types import CheckContext, Example, Finding


def too_long(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    lengths, limit = context.token_lengths, context.max_length
    if not lengths or not limit or len(lengths) != len(examples):
        return None
    found = [(length, e) for length, e in zip(lengths, examples, strict=True) if length > limit]
    if not found:
        return None
    share = len(found) / len(examples)
    lost = sum(length - limit for length, _ in found) / max(1, sum(lengths))
    if context.context is not None and limit >= context.context:
        advice = "This base reads no more: shorten these rows, or choose a base with a longer context."
    else:
        advice = "A larger longest row keeps more and needs more memory and time."
    return finding(
        "too_long",
        "caution" if share > 0.02 else "note",
        f"{plural(len(found), 'row is', 'rows are')} longer than {limit:,} tokens ({share:.1%})",
        f"Their ends are cut off: {lost:.1%} of all text. {advice}",
        (e["row"] for _, e in found),
        (f"{length:,} tokens: {excerpt(prompt_of(e), 80)}" for length, e in sorted(found, key=lambda f: -f[0])),
    )


def personal_data(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    rows, kinds = [], Counter[str]()
    shown: dict[str, list[str]] = defaultdict(list)
    for example in examples:
        found = [hit for text in texts_of(example) for hit in privacy.find(text)]
        if found:
            rows.append(example["row"])
            for kind, text in found:
                kinds[kind] += 1
                shown[kind].append(text)
    if not rows:
        return None
    listed = ", ".join(_many(kind, count) for kind, count in kinds.most_common())
    return finding(
        "pii",
        "caution",
        f"{plural(len(rows), 'row holds', 'rows hold')} personal data: {listed}",
        "A tuned model can repeat what it saw, to anyone who asks. Names and street addresses are not looked for.",
        rows,
        _some_of_each({kind: list(dict.fromkeys(texts)) for kind, texts in shown.items()}),
        "mask_personal_data",
    )


def control_markers(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    kinds = Counter[str]()
    rows, shown = [], []
    for example in examples:
        found = [(marker, text) for text in texts_of(example) for marker in control_tokens.find(text)]
        if found:
            rows.append(example["row"])
            kinds.update(marker for marker, _ in found)
            shown.append(_around(*found[0]))
    if not rows:
        return None
    return finding(
        "control_tokens",
        "caution",
        f"{plural(len(rows), 'row contains', 'rows contain')} markers such as {kinds.most_common(1)[0][0]}, "
        "which models read as control signs",
        "They begin and end turns. Inside a text they can end it early, or make it sound as if somebody else spoke.",
        rows,
        shown,
        "strip_control_tokens",
    )


def untidy(examples: Sequence[Example], context: CheckContext) -> Finding | None:
    found = []
    for example in examples:
        for text in texts_of(example):
            if tidy(text) != text:
                found.append((example, text))
                break
    if not found:
        return None
    # Show what a person would call broken before mere white space.
    telling = sorted(found[:2_000], key=lambda f: normalise(tidy(f[1])) == normalise(f[1]))
    return finding(
        "untidy",
        "note",
        f"{plural(len(found), 'row has', 'rows have')} loose white space, HTML entities or broken characters",
        "The model would learn to write them too.",
        (e["row"] for e, _ in found),
        (_difference(text) for _, text in telling),
        "tidy_text",
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


def _difference(text: str) -> str:
    """The place where tidying first changes something, before and after."""
    after = tidy(text)
    start = next((i for i, (a, b) in enumerate(zip(text, after, strict=False)) if a != b), min(len(text), len(after)))
    begin = max(0, start - 25)
    return f"{_visible(text[begin : start + 35])} → {_visible(after[begin : start + 35])}"


def _visible(text: str) -> str:
    return excerpt(text.replace(" \n", "␣\n").replace("  ", "␣␣").replace("\u00a0", "⍽").replace("\n", "↵"), 70)


def _around(marker: str, text: str) -> str:
    """The first such marker with the words beside it."""
    start = text.index(marker)
    return excerpt(text[max(0, start - 30) : start + len(marker) + 30], 70 + len(marker))
