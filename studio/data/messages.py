"""One cell that holds a whole conversation → messages of user, assistant and system.

Understood: OpenAI (``role``/``content``), ShareGPT (``from``/``value``) and their like, as lists or as JSON text; lists of
alternating texts; transcripts ("Human: … Assistant: …", ChatML). Tool calls and unknown speakers are left out.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Literal, cast

from studio.data import names as known_names
from studio.data.types import Message

MAX_LITERAL = 200_000
_ROLE_KEYS = ("role", "from", "speaker", "author", "sender", "user", "name", "type")
_CONTENT_KEYS = ("content", "value", "text", "message", "utterance", "body")
_MARKED = re.compile(
    r"(?:^|\n)[ \t]*(?:#{1,4}[ \t]*|\*\*)?(human|user|assistant|bot|gpt|chatgpt|customer|agent|system|q|a|question|answer|prompt|response)"
    r"[ \t]*:(?:\*\*)?[ \t]*|###[ \t]*(human|user|assistant|system|instruction|response)[ \t]*:[ \t]*",
    re.IGNORECASE,
)
_CHATML = re.compile(r"<\|im_start\|>\s*(\w+)\n(.*?)(?:<\|im_end\|>|\Z)", re.DOTALL)
_ROLE_OF_MARK = {"instruction": "user", "prompt": "user", "response": "assistant"}


def parse(value: Any) -> list[Message] | None:
    """The messages in a cell, or None when it holds no conversation. Messages without words are left out."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, dict):
        return _parse_object(value)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(v, str) for v in value):
        if len(value) < 2:
            return None
        speakers: tuple[Any, Any] = ("user", "assistant")
        return [Message(role=speakers[i % 2], content=text) for i, text in enumerate(value) if text.strip()]
    if not all(isinstance(v, dict) for v in value):
        return None
    first = value[0]
    role_key = next((k for k in _ROLE_KEYS if isinstance(first.get(k), str)), None)
    content_key = next((k for k in _CONTENT_KEYS if any(v.get(k) is not None for v in value)), None)
    if role_key is None or content_key is None:
        return None
    messages = []
    for item in value:
        role = role_of(item.get(role_key))
        content = _content(item.get(content_key))
        if role and content.strip():
            messages.append(Message(role=role, content=content))
    return messages


def role_of(name: Any) -> Literal["system", "user", "assistant"] | None:
    """``"gpt"``, ``"Agent"`` → ``"assistant"``; None for tools and unknown speakers."""
    if not isinstance(name, str):
        return None
    return cast(Literal["system", "user", "assistant"] | None, known_names.ROLES.get(known_names.key(name)))


def shape_of(value: Any) -> str:
    """ "sharegpt", "messages", "turns" (texts only) or "transcript"."""
    if isinstance(value, str):
        loaded = _loads(value)
        return "transcript" if loaded is None else shape_of(loaded)
    if isinstance(value, dict):
        inner = next((v for k, v in value.items() if known_names.key(k) in known_names.MESSAGES), None)
        return "messages" if inner is None else shape_of(inner)
    if value and isinstance(value[0], str):
        return "turns"
    return "sharegpt" if value and isinstance(value[0], dict) and "from" in value[0] else "messages"


def _parse_object(value: dict[str, Any]) -> list[Message] | None:
    """{"messages": […]}, or {"role": […], "content": […]} as some Parquet writers lay it out."""
    for name, inner in value.items():
        if known_names.key(name) in known_names.MESSAGES and isinstance(inner, list):
            return parse(inner)
    roles = next((value[k] for k in _ROLE_KEYS if isinstance(value.get(k), list)), None)
    contents = next((value[k] for k in _CONTENT_KEYS if isinstance(value.get(k), list)), None)
    if roles and contents and len(roles) == len(contents):
        return parse([{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)])
    return None


def _content(value: Any) -> str:
    """Text, or the text parts of a list of parts (pictures are left out)."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [p if isinstance(p, str) else p.get("text") for p in value if isinstance(p, (str, dict))]
        return "\n".join(p for p in parts if isinstance(p, str))
    if isinstance(value, dict):
        inner = value.get("text") or value.get("content") or value.get("parts")
        return _content(inner) if inner is not None else ""
    return "" if value is None else str(value)


def _parse_text(value: str) -> list[Message] | None:
    loaded = _loads(value)
    if loaded is not None:
        return parse(loaded)
    if "<|im_start|>" in value:
        pairs = [(role_of(m.group(1)), m.group(2).strip()) for m in _CHATML.finditer(value)]
        return [Message(role=role, content=text) for role, text in pairs if role and text]
    return _parse_transcript(value)


def _loads(value: str) -> Any:
    """A list or object written as JSON, or as Python writes it (pandas does, in CSV files); else None."""
    text = value.strip()
    if text[:1] not in ("[", "{") or text[-1:] not in ("]", "}"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > MAX_LITERAL:
        return None
    try:
        loaded = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return loaded if isinstance(loaded, (list, dict)) else None


def _parse_transcript(value: str) -> list[Message] | None:
    marks = list(_MARKED.finditer(value))
    if len(marks) < 2:
        return None
    messages = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        word = (mark.group(1) or mark.group(2)).lower()
        role = cast(Any, _ROLE_OF_MARK.get(word)) or role_of(word)
        text = value[mark.end() : following.start() if following else len(value)].strip()
        if role and text:
            messages.append(Message(role=role, content=text))
    return messages if len({m["role"] for m in messages}) > 1 else None
