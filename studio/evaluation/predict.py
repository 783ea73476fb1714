"""Class probabilities of a sequence classifier, batched by length. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from studio.evaluation.bootstrap import Array


def class_probabilities(
    model: Any, rows: Sequence[Sequence[int]], pad_id: int, progress: Callable[[float], None] = lambda _: None
) -> Array:
    """
    Args:
        rows: Token ids of each text.

    Returns:
        (rows, classes), in the order given; NaN where the model gives no numbers.
    """
    device = next(model.parameters()).device
    budget = 32_768 if device.type == "cuda" else 4_096
    # A decoder finds its last real token by the pad token; without one, rows of unequal length must go alone.
    alone = model.config.pad_token_id is None
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    result: list[Array | None] = [None] * len(rows)
    start = 0
    while start < len(order):
        width = max(1, len(rows[order[start]]))
        size = 1 if alone else max(1, budget // width)
        batch = order[start : start + size]
        for i, probabilities in zip(batch, _forward(model, [rows[i] for i in batch], pad_id, device), strict=True):
            result[i] = probabilities
        start += size
        progress(min(1.0, start / len(order)))
    return np.stack([row for row in result if row is not None])


def _forward(model: Any, rows: Sequence[Sequence[int]], pad_id: int, device: Any) -> Array:
    width = max(1, *(len(row) for row in rows)) if len(rows) > 1 else max(1, len(rows[0]))
    ids = torch.full((len(rows), width), pad_id)
    attention = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        # A text without a single token is one pad token, so that the model has something to look at.
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        attention[i, : max(1, len(row))] = 1
    with torch.no_grad():
        logits = model(input_ids=ids.to(device), attention_mask=attention.to(device)).logits
    return logits.float().softmax(-1).cpu().numpy()
