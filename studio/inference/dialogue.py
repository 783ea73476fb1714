"""A conversation as tokens: rendered as in training, cut at its old end when it grows too long, ended where it was taught.

Rendering is :class:`studio.data.render.ChatRenderer`'s, the very text the loss saw, so that what the playground asks is
what the model learned to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.core.errors import RunError
from studio.data.render import ChatRenderer
from studio.data.types import Message

_PROBE = "Yes"
_LEAST_ROOM = 16


@dataclass(frozen=True)
class Prompt:
    """Token ids of a conversation up to where the answer begins, and what was left out to make it fit."""

    ids: list[int]
    note: str = ""


@dataclass(frozen=True)
class Ends:
    """What ends an answer: token ids, or texts where the end mark is not one token."""

    ids: frozenset[int]
    texts: tuple[str, ...] = ()


def fit(
    renderer: ChatRenderer, tokenizer: Any, messages: Sequence[Message], context: int, max_new_tokens: int
) -> Prompt:
    """The conversation with room for an answer; the oldest turns are left out first, the instruction never.

    Args:
        context: Tokens the model can hold, prompt and answer together.

    Raises:
        RunError: there is nothing to answer, or the last message alone is too long.
    """
    kept = [message for message in messages if message["content"].strip()]
    if not kept or kept[-1]["role"] != "user":
        raise RunError(
            "There is nothing to answer", "The conversation does not end with a question.", "Write a message."
        )
    # A short answer's room is always kept; a long one's only as far as it leaves half of the context to the conversation.
    room = max(1, context - max(_LEAST_ROOM, min(max_new_tokens, context // 2)))
    left_out = 0
    while True:
        ids = list(tokenizer(renderer.prompt(kept), add_special_tokens=False)["input_ids"])
        if len(ids) <= room:
            break
        shorter = _without_oldest_turn(kept)
        if not shorter:
            raise RunError(
                "This message is too long",
                f"It takes {len(ids)} tokens; this model has room for {room} beside its answer.",
                "Shorten the message.",
                code="too_long",
            )
        left_out += len(kept) - len(shorter)
        kept = shorter
    note = f"The {left_out} oldest messages were left out: the conversation is longer than the model can hold."
    return Prompt(ids, note if left_out else "")


def _without_oldest_turn(messages: list[Message]) -> list[Message]:
    """The conversation from its second question on, the instruction kept; empty when there is only one question."""
    first = 1 if messages[0]["role"] == "system" else 0
    following = (i for i in range(first + 1, len(messages)) if messages[i]["role"] == "user")
    start = next(following, None)
    return [] if start is None else [*messages[:first], *messages[start:]]


def ends_of(renderer: ChatRenderer, tokenizer: Any, generation_config: Any) -> Ends:
    """The marks a model itself names, and the one that follows the assistant's words in a rendered conversation."""
    named = getattr(generation_config, "eos_token_id", None)
    ids = set(named if isinstance(named, (list, tuple)) else [named]) | {tokenizer.eos_token_id}
    ids.discard(None)
    mark = _end_mark(renderer)
    if not mark:
        return Ends(frozenset(ids))
    token = tokenizer.convert_tokens_to_ids(mark)
    known = isinstance(token, int) and token != tokenizer.unk_token_id and tokenizer.decode([token]) == mark
    return Ends(frozenset(ids | {token})) if known else Ends(frozenset(ids), (mark,))


def _end_mark(renderer: ChatRenderer) -> str:
    """What is learned right after the assistant's last word ("<|im_end|>"), without surrounding space."""
    talk: list[Message] = [{"role": "user", "content": "Is it?"}, {"role": "assistant", "content": _PROBE}]
    learned = "".join(segment.text for segment in renderer.segments(talk, None) if segment.learned)
    return learned.rpartition(_PROBE)[2].strip()
