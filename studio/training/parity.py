"""The self-check before the fast path: does this very model give packed rows the loss they have alone?

Two short rows are compared, packed and one by one, and the second row's loss must not move when the first row's words
change. A model that fails (or that cannot be asked) is trained on padded batches instead, which every model supports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from studio.training.attention import PACKED, PLAIN, inner_model, plain_attention, use_attention
from studio.training.loss import HeadTap, NextTokenLoss
from studio.training.packing import IGNORED, Rows, flat_batch

_SHORT = 48
_LEAK = 1e-5
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 1e-2}


@dataclass(frozen=True)
class PackedPath:
    """How a model can be fed. ``reason`` is empty when rows are packed, else a sentence for the person."""

    packed: bool
    loss: Any
    reason: str = ""


def next_token_path(model: Any, rows: Rows, *, smoothing: float, dtype: torch.dtype) -> PackedPath:
    """The fastest way that passes the check: packed with a tapped head, packed with logits, or padded."""
    problem = ""
    for tapped in (True, False):
        tap = HeadTap(model) if tapped else None
        if tap is not None and tap.head is None:
            continue
        loss = NextTokenLoss(tap)

        def summed(outputs: Any, batch: dict[str, Any], loss: NextTokenLoss = loss) -> torch.Tensor:
            return loss.sum(outputs, batch["labels"])

        problem = check(model, short_rows(rows), summed, next_token=True, dtype=dtype)
        if not problem:
            # Half precision would lose small gradients of the head before the Trainer scales them up.
            loss.smoothing, loss.dtype = smoothing, dtype if dtype == torch.bfloat16 else torch.float32
            return PackedPath(True, loss)
        if tap is not None:
            tap.remove()
    return PackedPath(False, NextTokenLoss(None, smoothing), problem)


def short_rows(rows: Rows) -> Rows:
    """Two of the shortest rows that learn something, cut to a few dozen tokens around what is learned."""
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    for index in np.argsort(rows.lengths, kind="stable"):
        ids, labels = rows[int(index)]
        learned = np.flatnonzero(labels != IGNORED)
        if len(ids) < 2 or not len(learned):
            continue
        start = max(0, min(int(learned[0]) - _SHORT // 2, len(ids) - _SHORT))
        ids, labels = ids[start : start + _SHORT], labels[start : start + _SHORT].copy()
        chosen.append((ids, labels))
        if len(chosen) == 2:
            break
    if len(chosen) == 1:
        chosen.append(chosen[0])
    return Rows(chosen)


def check(
    model: Any,
    rows: Rows,
    summed: Callable[[Any, dict[str, Any]], torch.Tensor],
    *,
    next_token: bool,
    dtype: torch.dtype = torch.float32,
) -> str:
    """Leaves the model in packed attention when all is well and returns ""; else plain attention and the reason."""
    inner = inner_model(model)
    device = next(inner.parameters()).device
    training = model.training
    model.eval()

    def loss_of(batch: dict[str, Any]) -> float:
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        labels = moved.pop("labels")
        return float(summed(model(**moved, use_cache=False), {**moved, "labels": labels}))

    try:
        with torch.no_grad():
            use_attention(model, PACKED)
            if inner.config._attn_implementation != PACKED:
                return _refuse(model, "This base does not let its attention be exchanged.")
            together = flat_batch(rows, [0, 1], next_token=next_token)
            packed = loss_of(together)
            with torch.autocast(device.type, dtype, enabled=device.type == "cuda" and dtype != torch.float32):
                # On a GPU, 16 bit takes another kernel than float32 does.
                packed_as_trained = loss_of(together)
            second, moved_second = (loss_of(_only_second(together, rows, changed, next_token)) for changed in (0, 1))
            with plain_attention(model):
                alone = sum(loss_of(_plain(flat_batch(rows, [i], next_token=next_token))) for i in (0, 1))
    except Exception as error:  # noqa: BLE001 - whatever a foreign model raises, padded batches still work
        return _refuse(model, f"This base cannot read packed rows ({type(error).__name__}).")
    finally:
        model.train(training)
    tolerance = _TOLERANCE.get(next(inner.parameters()).dtype, 3e-2)
    off = not abs(packed_as_trained - alone) <= _TOLERANCE[torch.bfloat16] * max(1.0, abs(alone))
    if off or not abs(packed - alone) <= tolerance * max(1.0, abs(alone)):
        return _refuse(model, "Packed rows would not give this base the same loss as rows one by one.")
    if not abs(second - moved_second) <= _LEAK * max(1.0, abs(second)):
        return _refuse(model, "In this base, packed rows would see one another.")
    return ""


def _only_second(batch: dict[str, Any], rows: Rows, change_first: int, next_token: bool) -> dict[str, Any]:
    """The same two rows; only the second one's loss counts, and the first one's words may be changed."""
    first = int(rows.lengths[0])
    ids, labels = batch["input_ids"].clone(), batch["labels"].clone()
    labels[0, :first] = IGNORED
    if change_first:
        ids[0, :first] = ids[0, :first].flip(0).roll(1)
        ids[0, 0] = ids[0, first]
    changed = {**batch, "input_ids": ids, "labels": labels}
    if next_token:
        changed["logits_to_keep"] = torch.nonzero(labels[0, 1:] != IGNORED).flatten()
    return changed


def _plain(batch: dict[str, Any]) -> dict[str, Any]:
    """What a model is fed without any of our tricks."""
    return {"input_ids": batch["input_ids"], "labels": batch["labels"]}


def _refuse(model: Any, reason: str) -> str:
    use_attention(model, PLAIN)
    return reason
