"""How surprising the right answers are to a model, row by row, and what it answers itself. Needs torch.

Rows of like length are computed together, and the output layer (the dearest part of a small model: one number per word
of the vocabulary) only at the tokens that count.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from studio.evaluation.bootstrap import Array

IGNORED = -100
LOGIT_BYTES = 256 * 2**20
"""Room for the output layer's numbers of one batch, bytes."""


@dataclass(frozen=True)
class EncodedRow:
    """Token ids, and the labels that count (-100 where nothing is learned)."""

    ids: Sequence[int]
    labels: Sequence[int]

    @property
    def learned(self) -> int:
        """Tokens whose prediction counts; the first token of a row is predicted from nothing and never does."""
        return sum(1 for label in self.labels[1:] if label != IGNORED)


def row_losses(
    model: Any, rows: Sequence[EncodedRow], pad_id: int, progress: Callable[[float], None] = lambda _: None
) -> Array:
    """Summed loss in nats over the learned tokens of each row, in the order given.

    Raises:
        torch.OutOfMemoryError: one row alone does not fit.
    """
    device = next(model.parameters()).device
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    selects = "logits_to_keep" in inspect.signature(inner.forward).parameters
    totals = np.zeros(len(rows))
    done = 0
    for batch in _batches(rows, device.type, int(inner.config.get_text_config().vocab_size)):
        totals[batch] = _batch_losses(model, [rows[i] for i in batch], pad_id, device, selects)
        done += len(batch)
        progress(done / len(rows))
    return totals


def _batch_losses(model: Any, rows: Sequence[EncodedRow], pad_id: int, device: Any, selects: bool) -> Array:
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    attention = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        labels[i, :length] = torch.tensor(row.labels)
        attention[i, :length] = 1
    following = torch.full_like(labels, IGNORED)
    following[:, :-1] = labels[:, 1:]
    counted = (following != IGNORED).to(device)
    arguments = {"logits_to_keep": counted} if selects else {}
    with torch.no_grad():
        output = model(input_ids=ids.to(device), attention_mask=attention.to(device), use_cache=False, **arguments)
        logits = output.logits
        # A model that knows no boolean selection returns (rows, width, vocabulary); the others (tokens, vocabulary).
        chosen = logits if logits.ndim == 2 else logits[counted]
        each = torch.nn.functional.cross_entropy(chosen.float(), following.to(device)[counted], reduction="none")
        owner = counted.nonzero()[:, 0]
        totals = torch.zeros(len(rows), dtype=torch.float64).index_add_(0, owner.cpu(), each.double().cpu())
    return totals.numpy()


def _batches(rows: Sequence[EncodedRow], device: str, vocabulary: int) -> Iterator[list[int]]:
    """Row numbers of like length, as many as fit the budgets of padded and of learned tokens."""
    padded_budget = 32_768 if device == "cuda" else 4_096
    learned_budget = max(1, LOGIT_BYTES // (vocabulary * 4))
    batch: list[int] = []
    learned = 0
    order = sorted((i for i, row in enumerate(rows) if row.learned), key=lambda i: -len(rows[i].ids))
    for i in order:
        longest = len(rows[batch[0]].ids) if batch else 0
        if batch and (
            longest * (len(batch) + 1) > padded_budget or learned + rows[i].learned > learned_budget
        ):  # fmt: skip
            yield batch
            batch, learned = [], 0
        batch.append(i)
        learned += rows[i].learned
    if batch:
        yield batch


def greedy_answers(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, seconds: float
) -> list[str] | None:
    """The most likely answer to each prompt (token ids), all at once; None when ``seconds`` were not enough."""
    device = next(model.parameters()).device
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), pad_id)
    attention = torch.zeros((len(prompts), width), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        attention[i, width - len(prompt) :] = 1
    started = time.monotonic()
    with torch.no_grad():
        output = model.generate(
            input_ids=ids.to(device), attention_mask=attention.to(device), max_new_tokens=max_new_tokens,
            do_sample=False, temperature=None, top_p=None, top_k=None, use_cache=True, pad_token_id=pad_id, max_time=seconds,
        )  # fmt: skip
    if time.monotonic() - started > seconds:
        return None
    return tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
