"""The loss: cross entropy summed over the learned tokens, divided by how many there are in the whole step.

For a plain linear head the logits of all tokens are never in memory together: loss and gradient are computed a few
hundred rows at a time in the forward pass (as in Hsu et al. 2024, "Liger Kernel"), so memory does not grow with the
vocabulary. Models whose head does more (logit caps, scales, adapters on the head) hand over logits at the learned
positions instead.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from studio.training.attention import inner_model, is_packed
from studio.training.packing import IGNORED

_CHUNK_ELEMENTS = 2**23
"""Logits held at once: 32 MiB in float32."""


class LinearCrossEntropy(torch.autograd.Function):
    """Sum of cross entropies of ``hidden @ weight.T + bias`` without holding the logits.

    Shapes: hidden (n, d), weight (v, d), bias (v,) or None, targets (n,) → scalar float32.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        smoothing: float,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        want_hidden, want_weight, want_bias = ctx.needs_input_grad[:3]
        w, b = weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)
        grad_hidden = torch.empty_like(hidden) if want_hidden else None
        grad_weight = torch.zeros_like(weight) if want_weight else None
        grad_bias = torch.zeros_like(bias) if want_bias and bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = max(32, _CHUNK_ELEMENTS // weight.shape[0])
        for start in range(0, len(targets), rows):
            t = targets[start : start + rows]
            h = _even(hidden[start : start + rows].detach().to(dtype))
            logits = F.linear(h, w, b)[: len(t)].float()
            loss, grad = _loss_and_gradient(logits, t, smoothing, want_hidden or want_weight)
            total += loss
            if grad is None:
                continue
            grad = _even(grad.to(dtype))
            if grad_hidden is not None:
                grad_hidden[start : start + rows] = (grad @ w)[: len(t)]
            if grad_weight is not None:
                grad_weight += grad.T @ h
            if grad_bias is not None:
                grad_bias += grad.sum(0)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> Any:
        scaled = [None if g is None else g.mul_(grad_output.to(g.dtype)) for g in ctx.saved_tensors]
        return (*scaled, None, None, None)


class LogitsCrossEntropy(torch.autograd.Function):
    """Sum of cross entropies of logits (n, v); keeps the gradient, in the logits' own type, instead of three copies."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        grad = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float32, device=logits.device)
        rows = max(32, _CHUNK_ELEMENTS // logits.shape[-1])
        for start in range(0, len(targets), rows):
            part = logits[start : start + rows].detach().float().clone()
            loss, part_grad = _loss_and_gradient(part, targets[start : start + rows], smoothing, grad is not None)
            total += loss
            if grad is not None and part_grad is not None:
                grad[start : start + rows] = part_grad
        ctx.save_for_backward(grad)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        return grad.mul_(grad_output.to(grad.dtype)), None, None


def _even(rows: torch.Tensor) -> torch.Tensor:
    """Zero rows up to a multiple of 32: few shapes, as for :func:`~studio.training.packing.flat_batch`."""
    return F.pad(rows, (0, 0, 0, -len(rows) % 32))


def _loss_and_gradient(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float, want_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Summed loss and its gradient for the logits, which are overwritten (float32, shape (n, v))."""
    shift = logits.logsumexp(-1, keepdim=True)
    right = logits.gather(1, targets[:, None])
    loss = (shift - right).sum()
    if smoothing:
        loss = (1 - smoothing) * loss + smoothing * (shift.squeeze(1) - logits.mean(-1)).sum()
    if not want_gradient:
        return loss, None
    gradient = logits.sub_(shift).exp_()
    gradient.scatter_add_(1, targets[:, None], torch.full_like(right, smoothing - 1))
    if smoothing:
        gradient -= smoothing / logits.shape[-1]
    return loss, gradient


class HeadTap:
    """Lets a model hand over the head's input instead of logits while its attention is packed.

    Only for a plain ``nn.Linear`` head; :attr:`head` is None when the model has another one.
    """

    def __init__(self, model: Any) -> None:
        inner = inner_model(model)
        head = inner.get_output_embeddings()
        self.head = head if type(head) is nn.Linear else None
        if self.head is None:
            return
        original = self.head.forward

        def forward(hidden: torch.Tensor) -> torch.Tensor:
            return hidden if self.active and is_packed(inner) else original(hidden)

        self.active = True
        self.head.forward = forward  # type: ignore[assignment]  # this one module's own; remove() uncovers the class's

    def remove(self) -> None:
        """The model is itself again."""
        if self.head is not None:
            self.active = False
            self.head.__dict__.pop("forward", None)
            self.head = None


class NextTokenLoss:
    """``compute_loss_func`` of the Trainer for language models; also sums losses for evaluation.

    Args:
        tap: The tapped head, or None when logits are handed over.
        smoothing: Label smoothing while learning; validation never smooths.
        dtype: What the head computes in (bf16 under autocast).
    """

    def __init__(self, tap: HeadTap | None, smoothing: float = 0.0, dtype: torch.dtype | None = None) -> None:
        self.tap = tap
        self.smoothing = smoothing
        self.dtype = dtype
        self.last: torch.Tensor | None = None

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        count = num_items_in_batch if num_items_in_batch is not None else (labels != IGNORED).sum()
        loss = self.sum(outputs, labels, self.smoothing) / torch.as_tensor(count, device=labels.device).clamp(min=1)
        self.last = loss.detach()
        return loss

    def measure(self, outputs: Any, labels: torch.Tensor) -> tuple[float, float, float]:
        """(summed loss, learned tokens, nan: answers of a language model are not right or wrong)."""
        return float(self.sum(outputs, labels)), float((labels != IGNORED).sum()), float("nan")

    def release(self) -> None:
        """Give the model its head back."""
        if self.tap is not None:
            self.tap.remove()

    def sum(self, outputs: Any, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """Summed cross entropy over the learned tokens of one batch."""
        values = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        if values.shape[:2] == labels.shape:
            learned = labels[:, 1:] != IGNORED
            values, targets = values[:, :-1][learned], labels[:, 1:][learned]
        else:
            values, targets = values.reshape(-1, values.shape[-1]), labels[labels != IGNORED]
            if self.tap is not None and self.tap.head is not None:
                head = self.tap.head
                dtype = self.dtype or head.weight.dtype
                return LinearCrossEntropy.apply(values, head.weight, head.bias, targets, smoothing, dtype)
        return LogitsCrossEntropy.apply(values, targets, smoothing)
