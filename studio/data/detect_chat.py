"""Which columns of a table hold a conversation.

Layouts, tried in this order: a column of whole conversations; one row per message (who speaks, what is said, which
conversation); one row per question and answer, known by the columns' names (:mod:`studio.data.names`) or, in a sheet of
two columns of prose, by their order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from studio.data import names as known_names
from studio.data.chat import chat_examples, summary
from studio.data.messages import parse, role_of, shape_of
from studio.data.profile import Column, look, sample
from studio.data.text import cell_text, plural, quoted
from studio.data.types import Reading, Table


def read_chat(table: Table) -> Reading:
    """How well the table fits chat, with the best guess of roles; nothing usable → score 0 and a problem."""
    looks = look(table)
    guess = _whole_conversations(table, looks) or _message_rows(table, looks) or _pairs(table, looks)
    if guess is None:
        return Reading("chat", 0.0, "unknown", {}, "", _problem(looks))
    grouped = "conversation" in guess.roles or "role" in guess.roles
    part = table if grouped else sample(table)
    examples = chat_examples(part, guess.roles)
    count = len(examples) if grouped else len(table)
    return replace(guess, sentence=summary(count, guess.roles, examples))


@dataclass(frozen=True)
class _Pick:
    name: str | None
    score: float


def _reading(score: float, shape: str, **roles: str | None) -> Reading:
    return Reading("chat", score, shape, {k: v for k, v in roles.items() if v}, "")


def _whole_conversations(table: Table, looks: dict[str, Column]) -> Reading | None:
    part = sample(table, 60)
    named = [n for n in looks if known_names.key(n) in known_names.MESSAGES]
    rest = [n for n in looks if n not in named and known_names.key(n) not in known_names.REJECTED]
    for name in [*named, *rest]:
        values = [v for v in part.data.column(name).to_pylist() if v is not None and v != ""]
        if not values or (name not in named and isinstance(values[0], list) and isinstance(values[0][:1], list)
                          and values[0] and isinstance(values[0][0], str)):  # fmt: skip
            continue
        parsed = [parse(v) for v in values]
        good = sum(bool(p) and {"user", "assistant"} <= {m["role"] for m in p or []} for p in parsed)
        if good < 0.5 * len(values):
            continue
        shape = shape_of(next(v for v, p in zip(values, parsed, strict=True) if p))
        others = [n for n in looks if n != name and looks[n].kind == "text"]
        system, fit = known_names.best_match(others, known_names.SYSTEM)
        return _reading(0.97, shape, messages=name, system=system if fit == 1 else None)
    return None


def _message_rows(table: Table, looks: dict[str, Column]) -> Reading | None:
    part = sample(table)
    for name, column in looks.items():
        if column.kind != "text" or column.words > 2 or column.distinct > 20:
            continue
        values = [cell_text(v) for v in part.data.column(name).to_pylist()]
        spoken = [role_of(v) for v in values if v.strip()]
        if (
            not spoken
            or sum(r is not None for r in spoken) < 0.8 * len(spoken)
            or not {"user", "assistant"} <= set(spoken)
        ):
            continue
        if known_names.key(name) in known_names.LABEL and known_names.key(name) not in known_names.SPEAKER:
            continue
        texts = [n for n, c in looks.items() if c.kind == "text" and n != name and c.words > 1]
        content, _ = known_names.best_match(texts, known_names.CONTENT)
        content = content or max(texts, key=lambda n: looks[n].length, default=None)
        if content is None:
            continue
        rest = [n for n in looks if n not in (name, content) and looks[n].kind != "nested"]
        thread, fit = known_names.best_match(rest, known_names.CONVERSATION)
        if fit < 1 and thread is None:
            thread = next((n for n in rest if known_names.key(n) == "id" and _repeats(looks[n])), None)
        return _reading(0.95 if thread else 0.85, "rows", role=name, content=content, conversation=thread)
    return None


def _repeats(column: Column) -> bool:
    return column.distinct_share < 0.9


def _pairs(table: Table, looks: dict[str, Column]) -> Reading | None:
    usable = [n for n, c in looks.items() if c.filled > 0 and _can_speak(n, c)]
    user = _pick(usable, looks, known_names.USER)
    assistant = _pick([n for n in usable if n != user.name], looks, known_names.ASSISTANT)
    prose = [n for n in usable if looks[n].prose]
    if user.name and assistant.name:
        score = 0.95 if min(user.score, assistant.score) == 1 else 0.8
        shape = "pairs"
    elif user.name or assistant.name:
        known = user.name or assistant.name
        others = [n for n in prose if n != known]
        if len(others) != 1:
            return None
        user, assistant = (user, _Pick(others[0], 0.5)) if user.name else (_Pick(others[0], 0.5), assistant)
        score, shape = 0.65, "pairs"
    elif len(prose) >= 2:
        user, assistant = _Pick(prose[0], 0.5), _Pick(prose[1], 0.5)
        score, shape = (0.5 if len(prose) == 2 else 0.3), "two columns"
    else:
        return None
    answers = looks[str(assistant.name)]
    if answers.label_like and answers.words < 3:
        score *= 0.8
    rest = [n for n in looks if n not in (user.name, assistant.name) and looks[n].kind != "nested"]
    context, fit = known_names.best_match(rest, known_names.CONTEXT)
    if fit < 1:
        context = next((n for n in rest if known_names.key(n) == "input"), None)
    system, fit = known_names.best_match([n for n in rest if n != context], known_names.SYSTEM)
    system = system if fit == 1 else None
    thread, fit = known_names.best_match([n for n in rest if n not in (context, system)], known_names.CONVERSATION)
    thread = thread if fit == 1 and thread and _threads(table, thread) else None
    if known_names.key(str(user.name)) == "instruction":
        shape = "alpaca" if context and known_names.key(context) == "input" else "dolly" if context else shape
    return _reading(
        score, shape, user=user.name, assistant=assistant.name, system=system, context=context, conversation=thread
    )


def _can_speak(name: str, column: Column) -> bool:
    key = known_names.key(name)
    return column.kind != "number" or key in known_names.ASSISTANT if column.kind != "nested" else _list_of_text(key)


def _list_of_text(key: str) -> bool:
    return key in known_names.ASSISTANT or key in known_names.USER


def _pick(names: list[str], looks: dict[str, Column], synonyms: tuple[str, ...]) -> _Pick:
    """The column of the best name, prose before the rest (a column “agent” may hold names, not answers)."""
    best = _Pick(None, 0.0)
    best_rank = (0.0, 0)
    for name in names:
        if known_names.key(name) in known_names.IDENTIFIER or known_names.key(name) in known_names.REJECTED:
            continue
        _, fit = known_names.best_match([name], synonyms)
        if not fit or (fit < 1 and not looks[name].prose):
            continue
        position = synonyms.index(known_names.key(name)) if fit == 1 else len(synonyms)
        rank = (fit + (0.5 if looks[name].prose or looks[name].kind == "nested" else 0), -position)
        if rank > best_rank or best.name is None:
            best, best_rank = _Pick(name, fit), rank
    return best


def _threads(table: Table, name: str) -> bool:
    """Whether rows of one id stand next to each other, as turns of a conversation do."""
    ids = [cell_text(v) for v in table.data.column(name).slice(0, 2_000).to_pylist()]
    filled = [i for i in ids if i.strip()]
    together = sum(a == b for a, b in pairwise(filled))
    return len(set(filled)) < 0.9 * len(filled) and together >= 0.5 * (len(filled) - len(set(filled))) and together > 0


def _problem(looks: dict[str, Column]) -> str:
    texts = [n for n, c in looks.items() if c.kind == "text" and not c.code_like]
    if not texts:
        return f"{_columns(looks)} none holds text. Choose a file with a column of questions and a column of answers."
    if len(texts) == 1 and len(looks) == 1:
        return (
            f"There is only one column of text, {quoted(texts[0])}. "
            "Chat needs two: add a column that holds what the model should answer."
        )
    return f"{_columns(looks)} none looks like an answer. Choose the column that holds what the model should say."


def _columns(looks: dict[str, Column]) -> str:
    return f"The file has {plural(len(looks), 'column')}, but"
