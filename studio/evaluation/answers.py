"""A look at what the models say themselves: greedy answers to a few held-back rows, against the right answers.

Loss says how well a model could have said it; this says what it does say. Only a few rows and tokens, and never longer
than the time allowed, so that it stays a small part of a run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.data.types import Example
from studio.evaluation.losses import greedy_answers
from studio.evaluation.overlap import chrf

if TYPE_CHECKING:
    from studio.training.types import TrainJob, TrainResult

ROWS = 20
TOKENS = 64
SECONDS = 8.0
_AT_ONCE = 10
_FEWEST = 5


@dataclass(frozen=True)
class Answer:
    """What was said, and its chrF score against the right answer's first tokens."""

    text: str
    score: float


def likeness(
    result: TrainResult, examples: list[Example], job: TrainJob, model: Any = None, rows: list[int] | None = None
) -> dict[int, Answer]:
    """Row number (in ``examples``) → answer, for up to 20 rows spread evenly; empty when time ran out too early.

    Args:
        model: The tuned one unless given.
        rows: Which rows; chosen when None.
    """
    from studio.data.render import ChatRenderer

    model = model if model is not None else result.model
    tokenizer = result.tokenizer
    renderer = ChatRenderer.from_folder(job.base_path)
    context = getattr(model.config, "max_position_embeddings", None) or 1024
    asked: dict[int, tuple[list[int], str]] = {}
    for row in _spread(len(examples)) if rows is None else rows:
        messages = examples[row].get("messages", [])
        last = max((i for i, message in enumerate(messages) if message["role"] == "assistant"), default=0)
        prompt = tokenizer(renderer.prompt(messages[:last]), add_special_tokens=False)["input_ids"] if last else []
        if prompt and len(prompt) + TOKENS <= context:
            asked[row] = (prompt, _beginning(tokenizer, messages[last]["content"]))
    answers: dict[int, Answer] = {}
    deadline = time.monotonic() + SECONDS
    wanted = list(asked)
    for start in range(0, len(wanted), _AT_ONCE):
        batch = wanted[start : start + _AT_ONCE]
        left = deadline - time.monotonic()
        said = greedy_answers(model, tokenizer, [asked[row][0] for row in batch], TOKENS, left) if left > 0 else None
        if said is None:
            break
        for row, text in zip(batch, said, strict=True):
            answers[row] = Answer(text, chrf(text, asked[row][1]))
    return answers if len(answers) >= min(_FEWEST, len(examples)) else {}


def _beginning(tokenizer: Any, text: str) -> str:
    """As much of the right answer as a model was given room for."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:TOKENS]
    return tokenizer.decode(ids, skip_special_tokens=True)


def _spread(count: int) -> list[int]:
    """Up to 20 row numbers, evenly apart."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(ROWS, count))}) if count else []
