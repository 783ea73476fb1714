"""A table as labelled texts: which column holds the text, which the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.profile import Column, look, sample, spread
from studio.data.roles import chosen_columns
from studio.data.stats import language
from studio.data.text import cell_text, plural, quoted
from studio.data.types import Example, Reading, Table


def read_labels(table: Table) -> Reading:
    """How well the table fits labelled texts, with the best guess of roles; nothing usable → score 0 and a problem."""
    looks = look(table)
    label, by_name = _label_column(looks)
    text = _text_column(looks, label)
    if label is None or text is None:
        return Reading("text_classification", 0.0, "unknown", {}, "", _problem(looks, label, text))
    _, text_fit = known_names.best_match([text], known_names.TEXT)
    useful = [n for n, c in looks.items() if c.prose or c.label_like]
    if by_name == 1:
        score = 0.9 if text_fit else 0.85
    elif by_name:
        score = 0.75
    else:
        score = 0.7 if len(useful) == 2 else 0.5
    if not looks[label].label_like:
        score = min(score, 0.5)
    roles = {"text": text, "label": label}
    part = sample(table)
    examples = label_examples(part, roles)
    return Reading("text_classification", score, "text+label", roles, _sentence(len(table), roles, examples))


def label_examples(table: Table, roles: dict[str, Any]) -> list[Example]:
    """Rows as texts with labels, white space around labels taken off; empty ones stay in for a check to name.

    Raises:
        DataError: a role names a column that is not there, or one of the two is missing.
    """
    roles = chosen_columns(table, roles)
    if "text" not in roles or "label" not in roles:
        raise DataError(
            "A column is missing",
            "Labels need to be learned from texts that have one each.",
            "Choose the column with the text and the column with its label.",
        )
    texts = table.data.column(roles["text"]).to_pylist()
    labels = table.data.column(roles["label"]).to_pylist()
    return [
        {"row": row, "text": cell_text(text), "label": cell_text(label).strip()}
        for row, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def describe_labels(table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    """“512 texts with 6 labels, English; column “ticket_text” holds the text, “category” its label.”"""
    return _sentence(len(examples), roles, examples)


def _sentence(count: int, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    labels = Counter(e.get("label", "") for e in examples)
    labels.pop("", None)
    tongue = language(e.get("text", "") for e in spread(examples))
    facts = [f"{plural(count, 'text')} with {plural(len(labels), 'label')}"]
    if 0 < len(labels) <= 6:
        facts[0] += f" ({', '.join(quoted(label) for label, _ in labels.most_common())})"
    if tongue:
        facts.append(tongue)
    columns = f"column {quoted(roles.get('text', ''))} holds the text, {quoted(roles.get('label', ''))} its label"
    return f"{', '.join(facts)}; {columns}."


def _label_column(looks: dict[str, Column]) -> tuple[str | None, float]:
    """The likeliest label column and how well its name fits (1, 0.7 or 0)."""
    best: tuple[tuple[float, float], str | None, float] = ((0.0, 0.0), None, 0.0)
    for name, column in looks.items():
        key = known_names.key(name)
        if column.kind == "nested" or key in known_names.IDENTIFIER or key in known_names.SPLIT or column.filled < 0.3:
            continue
        _, fit = known_names.best_match([name], known_names.LABEL)
        loosely = fit == 1 and column.kind == "text" and column.length <= 60 and column.distinct_share <= 0.5
        if not (column.label_like or loosely) or column.distinct < 2:
            continue
        if column.kind == "number" and not fit:
            continue
        rank = (fit + (0.5 if column.label_like else 0), -float(column.distinct_share))
        if rank > best[0] or best[1] is None:
            best = (rank, name, fit)
    return best[1], best[2]


def _text_column(looks: dict[str, Column], label: str | None) -> str | None:
    """The column of prose with the likeliest name; the wordiest among equals."""
    names = [n for n, c in looks.items() if n != label and c.prose and known_names.key(n) not in known_names.IDENTIFIER]

    def rank(name: str) -> tuple[float, bool, float]:
        column = looks[name]
        return known_names.best_match([name], known_names.TEXT)[1], column.filled > 0.9, column.words

    return max(names, key=rank, default=None)


def _problem(looks: dict[str, Column], label: str | None, text: str | None) -> str:
    if label is None and len(looks) == 1:
        return "There is only one column. Labels need a second one that holds the label of each text."
    if label is None:
        return (
            f"The file has {plural(len(looks), 'column')}, but none looks like labels (a few short values that come again). "
            "Choose the column that holds the label."
        )
    return f"Column {quoted(label)} looks like labels, but none like texts. Choose the column that holds the text."
