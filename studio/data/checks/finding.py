"""What all checks share: how a finding is put together, and how a row is shown in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from studio.data.clean import ALL, is_empty, is_one_sided
from studio.data.text import excerpt, prompt_of, target_of
from studio.data.types import CheckContext, Example, Finding, Severity

MAX_ROWS = 1_000
MAX_EXAMPLES = 5
Check = Callable[[Sequence[Example], CheckContext], Finding | None]


def finding(
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


def usable(example: Example) -> bool:
    return not is_empty(example) and not is_one_sided(example)


def shown_pair(example: Example) -> str:
    return f"{excerpt(prompt_of(example), 80) or '(nothing)'} → {excerpt(target_of(example), 80) or '(nothing)'}"


def texts_of(example: Example) -> list[str]:
    if "messages" in example:
        return [m["content"] for m in example["messages"]]
    return [example.get("text", "")]
