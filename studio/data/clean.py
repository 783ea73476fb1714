"""Fixes: pure changes of examples that a finding offers, by id, so that a recipe can repeat them.

A fix finds its own rows again each time; applying one after another, in any order, is always possible.
"""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from studio.core.errors import DataError
from studio.core.recipe import AppliedFix
from studio.data import control_tokens, privacy
from studio.data.text import normalise, prompt_of, quoted, target_of, whole_of
from studio.data.types import Change, Example, Fix, Message

RARE = 5
"""A label with fewer rows than this cannot be learned and measured."""

_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,5});")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffc]")
_LINE_END = re.compile(r"[ \t]+(?=\n)")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]")
"""A UTF-8 lead byte and the byte after it, both read as Windows text; only such texts are worth a closer, dear look."""
_BLANK_LINES = re.compile(r"\n{3,}")
_GAP = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")


# -- which rows ----------------------------------------------------------------------------------------------------


def is_empty(example: Example) -> bool:
    return not prompt_of(example).strip() and not target_of(example).strip()


def is_one_sided(example: Example) -> bool:
    """Only a question or only an answer (or an answer before any question)."""
    if is_empty(example):
        return False
    if "messages" in example:
        roles = [m["role"] for m in example["messages"] if m["content"].strip()]
        return "user" not in roles or "assistant" not in roles[roles.index("user") :]
    return not prompt_of(example).strip() or not target_of(example).strip()


def near_key(example: Example) -> str:
    """Rows with the same key say the same but for case, punctuation and spacing."""
    if "messages" in example:
        return "\x1f".join(f"{m['role']}\x1e{normalise(m['content'])}" for m in example["messages"])
    return f"{normalise(example.get('text', ''))}\x1f{normalise(example.get('label', ''))}"


def conflicts(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Question → places of its rows, where the same question has different answers (or the same text, labels).

    Only conversations of one turn are compared: in longer ones the same opening may rightly go on differently.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        if is_empty(example) or is_one_sided(example):
            continue
        if "messages" in example and sum(m["role"] == "assistant" for m in example["messages"]) != 1:
            continue
        system = "".join(m["content"] for m in example.get("messages", []) if m["role"] == "system")
        groups[f"{system}\x1f{normalise(prompt_of(example))}"].append(place)
    return {
        key: places
        for key, places in groups.items()
        if len(places) > 1 and len({normalise(target_of(examples[p])) for p in places}) > 1
    }


def spellings(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Normalised label → its spellings, the most frequent first, where there are several."""
    counts = Counter(e["label"] for e in examples if e.get("label"))
    groups: dict[str, list[str]] = defaultdict(list)
    for label, _ in counts.most_common():
        groups[normalise(label)].append(label)
    return {key: labels for key, labels in groups.items() if len(labels) > 1}


def tidy(text: str) -> str:
    """HTML entities, broken encodings (Ã¼ for ü), control characters and loose white space put right."""
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    if not text.isascii() and _MOJIBAKE.search(text):
        text = _mojibake(text)
    text = _CONTROL.sub("", text)
    # Plain look-ups first: most texts need none of this, and substituting is what takes time.
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\u00a0" in text:
        text = text.replace("\u00a0", " ")
    if " \n" in text or "\t\n" in text:
        text = _LINE_END.sub("", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    if ("  " in text or "\t" in text) and "```" not in text and "\n " not in text and "\n\t" not in text:
        text = _GAP.sub(" ", text)
    return text.strip()


def _mojibake(text: str) -> str:
    import ftfy
    from ftfy.badness import is_bad

    return ftfy.fix_encoding(text) if is_bad(text) else text


# -- the fixes -----------------------------------------------------------------------------------------------------


def drop_exact_duplicates(examples: list[Example]) -> list[Example]:
    return _first_of_each(examples, whole_of)


def drop_near_duplicates(examples: list[Example]) -> list[Example]:
    return _first_of_each(examples, near_key)


def drop_empty(examples: list[Example]) -> list[Example]:
    return [e for e in examples if not is_empty(e)]


def drop_one_sided(examples: list[Example]) -> list[Example]:
    return [e for e in examples if not is_one_sided(e)]


def keep_majority(examples: list[Example]) -> list[Example]:
    """The most frequent answer of each conflict stays; among equals the newest (last) one."""
    return _settle(examples, _majority)


def keep_newest(examples: list[Example]) -> list[Example]:
    """The answer of the last row of each conflict stays."""
    return _settle(examples, lambda targets: targets[-1])


def drop_conflicting(examples: list[Example]) -> list[Example]:
    gone = {place for places in conflicts(examples).values() for place in places}
    return [e for place, e in enumerate(examples) if place not in gone]


def drop_rare_labels(examples: list[Example]) -> list[Example]:
    counts = Counter(e.get("label", "") for e in examples)
    return [e for e in examples if not e.get("label") or counts[e["label"]] >= RARE]


def drop_leaked(examples: list[Example]) -> list[Example]:
    """Rows to learn from that are also in the validation or test part go."""
    held = {normalise(prompt_of(e)) for e in examples if e.get("split") in ("validation", "test")}
    return [e for e in examples if e.get("split", "") != "train" or normalise(prompt_of(e)) not in held]


def merge_label_spellings(examples: list[Example]) -> list[Example]:
    right = {label: labels[0] for labels in spellings(examples).values() for label in labels[1:]}
    return [{**e, "label": right[e["label"]]} if e.get("label") in right else e for e in examples]


def mask_personal_data(examples: list[Example]) -> list[Example]:
    return [_with_texts(e, privacy.mask) for e in examples]


def strip_control_tokens(examples: list[Example]) -> list[Example]:
    return [_with_texts(e, control_tokens.strip) for e in examples]


def tidy_text(examples: list[Example]) -> list[Example]:
    return [_with_texts(e, tidy) for e in examples]


def _fix(id: str, title: str, explanation: str, apply: Callable[[list[Example]], list[Example]]) -> Fix:
    return Fix(id, title, explanation, apply)


ALL: dict[str, Fix] = {
    fix.id: fix
    for fix in (
        _fix("drop_exact_duplicates", "Keep one of each repeated row", "The first of equal rows stays.", drop_exact_duplicates),
        _fix("drop_near_duplicates", "Keep one of nearly equal rows", "The first of nearly equal rows stays.", drop_near_duplicates),
        _fix("drop_empty", "Remove empty rows", "Rows without any text go.", drop_empty),
        _fix("drop_one_sided", "Remove rows with one side missing", "Rows where one side is missing go.", drop_one_sided),
        _fix("keep_majority", "Keep the most frequent answer", "Each question keeps the answer that most of its rows give.", keep_majority),
        _fix("keep_newest", "Keep the newest answer", "Each question keeps the answer of its last row.", keep_newest),
        _fix("drop_conflicting", "Remove all contradicting rows", "Every row that contradicts another goes.", drop_conflicting),
        _fix("drop_rare_labels", "Remove rare labels", f"Labels with fewer than {RARE} rows go, with their rows.", drop_rare_labels),
        _fix("drop_leaked", "Remove held-back rows from the training rows", "The rows held back stay as they are.", drop_leaked),
        _fix("merge_label_spellings", "Use one spelling of each label", "The most frequent spelling of each label stands for all.", merge_label_spellings),
        _fix("mask_personal_data", "Mask personal data", "Each becomes [EMAIL], [PHONE], [CARD] or [IBAN].", mask_personal_data),
        _fix("strip_control_tokens", "Take out control markers", "The words around them stay.", strip_control_tokens),
        _fix("tidy_text", "Tidy the text up", "Entities, broken characters and loose white space are put right.", tidy_text),
    )
}  # fmt: skip
"""Every fix by id."""

FIXES: dict[str, Callable[[list[Example]], list[Example]]] = {name: fix.apply for name, fix in ALL.items()}


def apply_fixes(examples: Sequence[Example], applied: Sequence[AppliedFix]) -> list[Example]:
    """Examples after the fixes, in their order.

    Raises:
        DataError: there is no fix of that id.
    """
    result = list(examples)
    for fix in applied:
        result = _known(fix.fix)(result)
    return result


def preview(examples: Sequence[Example], fix_id: str) -> list[Change]:
    """What a fix would do, row by row; rows it leaves alone are not listed.

    Raises:
        DataError: there is no fix of that id.
    """
    after = {e["row"]: e for e in _known(fix_id)(list(examples))}
    changes = []
    for example in examples:
        new = after.get(example["row"])
        if new is None or (new is not example and new != example):
            changes.append(Change(example["row"], example, new))
    return changes


def _known(fix_id: str) -> Callable[[list[Example]], list[Example]]:
    if fix_id not in FIXES:
        raise DataError("There is no such fix", f"{quoted(fix_id)} is not known here.", "Take it out of the recipe.")
    return FIXES[fix_id]


def _first_of_each(examples: Sequence[Example], key: Callable[[Example], str]) -> list[Example]:
    seen: set[str] = set()
    kept = []
    for example in examples:
        name = key(example)
        if name in seen and not is_empty(example):
            continue
        seen.add(name)
        kept.append(example)
    return kept


def _settle(examples: Sequence[Example], choose: Callable[[list[str]], str]) -> list[Example]:
    gone: set[int] = set()
    for places in conflicts(examples).values():
        targets = [normalise(target_of(examples[p])) for p in places]
        right = choose(targets)
        gone.update(p for p, target in zip(places, targets, strict=True) if target != right)
    return [e for place, e in enumerate(examples) if place not in gone]


def _majority(targets: list[str]) -> str:
    counts = Counter(targets)
    most = max(counts.values())
    return next(t for t in reversed(targets) if counts[t] == most)


def _with_texts(example: Example, change: Callable[[str], str]) -> Example:
    """The example with every text changed; the very same object when nothing changes."""
    if "messages" in example:
        texts = [change(m["content"]) for m in example["messages"]]
        if all(t == m["content"] for t, m in zip(texts, example["messages"], strict=True)):
            return example
        both = zip(example["messages"], texts, strict=True)
        return {**example, "messages": [Message(role=m["role"], content=text) for m, text in both]}
    changed: Any = change(example.get("text", ""))
    return example if changed == example.get("text", "") else {**example, "text": changed}
