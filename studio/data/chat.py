"""A table as conversations: which column speaks for whom, and the rows as messages.

Layouts, tried in this order: a column of whole conversations; one row per message (who speaks, what is said, which
conversation); one row per question and answer, known by the columns' names (:mod:`studio.data.names`) or, in a sheet of
two columns of prose, by their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.messages import parse, role_of, shape_of
from studio.data.profile import Column, look, sample, split_column
from studio.data.stats import language
from studio.data.text import cell_text, listed, plural, quoted
from studio.data.types import Example, Message, Reading, Table

ROLES = ("messages", "user", "assistant", "system", "context", "conversation", "role", "content", "split")


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
    return replace(guess, sentence=_sentence(count, guess.roles, examples))


def chat_examples(table: Table, roles: dict[str, Any]) -> list[Example]:
    """Rows as conversations; empty and one-sided ones stay in, so that a check can name them.

    A context is put under its question. An own split column is taken over into ``split``.

    Raises:
        DataError: a role names a column that is not there, or nothing tells who says what.
    """
    roles = {role: column for role, column in roles.items() if column}
    _refuse_unknown(table, roles)
    cells = {role: table.data.column(column).to_pylist() for role, column in roles.items()}
    if "messages" in roles:
        examples = _from_messages(cells)
    elif "role" in roles and "content" in roles:
        examples = _from_message_rows(table, cells)
    elif "assistant" in roles and "user" in roles:
        examples = _from_pairs(cells)
        if "conversation" in roles:
            examples = _joined(examples, cells["conversation"])
    else:
        raise DataError(
            "A column is missing",
            "Chat needs to know what the person says and what the model should answer.",
            "Choose a column for each, or one that holds whole conversations.",
        )
    return with_splits(table, roles, examples)


def describe_chat(table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    """“840 conversations, 1.9 turns each, English; column “question” speaks for the person, …”."""
    return _sentence(len(examples), roles, examples)


def with_splits(table: Table, roles: dict[str, Any], examples: list[Example]) -> list[Example]:
    """Take over the data's own split, if it has one; rows that name none are to learn from."""
    column = roles.get("split") or split_column(table)
    if not column:
        return examples
    words: Any = [known_names.split_word(cell_text(v)) or "train" for v in table.data.column(column).to_pylist()]
    return [{**example, "split": words[example["row"]]} for example in examples]


def _refuse_unknown(table: Table, roles: dict[str, Any]) -> None:
    columns = set(table.columns)
    strangers = [str(c) for c in roles.values() if not isinstance(c, str) or c not in columns]
    if strangers:
        raise DataError(
            "A column is not there",
            f"The table has no column {listed(strangers)}; it has {listed(table.columns, 8)}.",
            "Choose one of these.",
        )


# -- rows → examples ------------------------------------------------------------------------------------------------


def _from_messages(cells: dict[str, list[Any]]) -> list[Example]:
    systems = cells.get("system")
    examples: list[Example] = []
    for row, value in enumerate(cells["messages"]):
        messages = parse(value) or []
        system = cell_text(systems[row]).strip() if systems else ""
        if system and not any(m["role"] == "system" for m in messages):
            messages = [Message(role="system", content=system), *messages]
        examples.append({"row": row, "messages": messages})
    return examples


def _from_pairs(cells: dict[str, list[Any]]) -> list[Example]:
    nothing = [None] * len(cells["user"])
    examples: list[Example] = []
    columns = (cells["user"], cells["assistant"], cells.get("context", nothing), cells.get("system", nothing))
    for row, (user, assistant, context, system) in enumerate(zip(*columns, strict=True)):
        said, answered = cell_text(user), cell_text(assistant)
        background, instruction = cell_text(context), cell_text(system)
        if background.strip():
            said = f"{said}\n\n{background}" if said.strip() else background
        messages: list[Message] = []
        if instruction.strip():
            messages.append(Message(role="system", content=instruction))
        if said.strip():
            messages.append(Message(role="user", content=said))
        if answered.strip():
            messages.append(Message(role="assistant", content=answered))
        examples.append({"row": row, "messages": messages})
    return examples


def _joined(examples: list[Example], ids: list[Any]) -> list[Example]:
    """Rows of one conversation as its turns; rows without an id stay alone."""
    groups: dict[Any, list[Example]] = {}
    for example in examples:
        name = cell_text(ids[example["row"]]).strip()
        groups.setdefault(name or ("alone", example["row"]), []).append(example)
    joined: list[Example] = []
    for rows in groups.values():
        messages = [m for row in rows for m in row["messages"]]
        systems = [m for m in messages if m["role"] == "system"][:1]
        joined.append({"row": rows[0]["row"], "messages": systems + [m for m in messages if m["role"] != "system"]})
    return joined


def _from_message_rows(table: Table, cells: dict[str, list[Any]]) -> list[Example]:
    contents = [cell_text(v) for v in cells["content"]]
    speakers = [role_of(cell_text(v)) for v in cells["role"]]
    ids = cells.get("conversation")
    groups: dict[Any, list[int]] = {}
    current = 0
    for row, speaker in enumerate(speakers):
        if ids is None:
            # Without a name for the conversation, one begins with each instruction or question after an answer.
            if row and speaker != "assistant" and speakers[row - 1] == "assistant":
                current = row
            groups.setdefault(current, []).append(row)
        else:
            groups.setdefault(cell_text(ids[row]).strip() or ("alone", row), []).append(row)
    order = _order(table, set(cells)) if ids is not None else None
    examples: list[Example] = []
    for rows in groups.values():
        if order is not None:
            rows = sorted(rows, key=lambda r: order[r])
        spoken = [(speakers[r], contents[r]) for r in rows]
        messages = [Message(role=who, content=what) for who, what in spoken if who and what.strip()]
        examples.append({"row": min(rows), "messages": messages})
    return examples


def _order(table: Table, used: set[str]) -> list[Any] | None:
    """Turn numbers to sort by, when a column by such a name holds whole numbers in every row."""
    for name in table.columns:
        if known_names.key(name) in known_names.ORDER and name not in used:
            column = table.data.column(name)
            if str(column.type) == "int64" and not column.null_count:
                return list(column.to_pylist())
    return None


# -- detection ------------------------------------------------------------------------------------------------------


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


# -- words ----------------------------------------------------------------------------------------------------------


def _sentence(count: int, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    answers = [sum(m["role"] == "assistant" for m in e.get("messages", [])) for e in examples]
    answered = [a for a in answers if a]
    turns = sum(answered) / len(answered) if answered else 0.0
    facts = [plural(count, "conversation"), f"{turns:.1f} turns each" if turns > 1.05 else "one turn each"]
    tongue = language(m["content"] for e in spread(examples) for m in e.get("messages", []))
    if tongue:
        facts.append(tongue)
    return f"{', '.join(facts)}; {_who(roles)}."


def spread(examples: Sequence[Example], size: int = 200) -> list[Example]:
    """Examples taken evenly from all."""
    step = max(1, len(examples) // size)
    return list(examples[::step][:size])


def _who(roles: dict[str, Any]) -> str:
    if "messages" in roles:
        return f"column {quoted(roles['messages'])} holds the whole conversation"
    if "role" in roles:
        words = f"column {quoted(roles['role'])} says who speaks, {quoted(roles.get('content', ''))} what is said"
    else:
        words = (
            f"column {quoted(roles.get('user', ''))} speaks for the person, "
            f"{quoted(roles.get('assistant', ''))} for the assistant"
        )
    if "context" in roles:
        words += f", {quoted(roles['context'])} is background put under the question"
    if "system" in roles:
        words += f", {quoted(roles['system'])} is the instruction before it"
    if "conversation" in roles:
        words += f", {quoted(roles['conversation'])} tells which rows belong together"
    return words
