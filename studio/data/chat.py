"""Rows as conversations, once it is known which column speaks for whom (:mod:`studio.data.detect_chat` finds that out)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.messages import parse, role_of
from studio.data.profile import spread
from studio.data.roles import chosen_columns
from studio.data.stats import language
from studio.data.text import cell_text, plural, quoted
from studio.data.types import Example, Message, Table


def chat_examples(table: Table, roles: dict[str, Any]) -> list[Example]:
    """Rows as conversations; empty and one-sided ones stay in, so that a check can name them.

    A context is put under its question.

    Raises:
        DataError: a role names a column that is not there, or nothing tells who says what.
    """
    roles = chosen_columns(table, roles)
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
    return examples


def describe_chat(table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    """“840 conversations, 1.9 turns each, English; column “question” speaks for the person, …”."""
    return summary(len(examples), roles, examples)


def summary(count: int, roles: dict[str, Any], examples: Sequence[Example]) -> str:
    """A sentence on ``count`` conversations, of which ``examples`` are some or all."""
    answers = [sum(m["role"] == "assistant" for m in e.get("messages", [])) for e in examples]
    answered = [a for a in answers if a]
    turns = sum(answered) / len(answered) if answered else 0.0
    facts = [plural(count, "conversation"), f"{turns:.1f} turns each" if turns > 1.05 else "one turn each"]
    tongue = language(m["content"] for e in spread(examples) for m in e.get("messages", []))
    if tongue:
        facts.append(tongue)
    return f"{', '.join(facts)}; {_who(roles)}."


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
