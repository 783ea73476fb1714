"""Attention within each document of a flat sequence, registered with transformers under :data:`PACKED`.

Models that go through transformers' ``AttentionInterface`` hand unknown keyword arguments on to it, so ``doc_lens``
arrives here. On CUDA in 16 bit one variable-length kernel does all documents; elsewhere scaled-dot-product attention
runs document by document, which on a CPU is as fast and computes no padding either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch < 2.10
    varlen_attn = None  # type: ignore[assignment]

PACKED = "tailor_packed"
PLAIN = "plain"
_UNSUPPORTED = ("softcap", "s_aux", "position_bias")


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    doc_lens: Any = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Shapes as transformers' attention functions: (1, heads, tokens, size) in, (1, tokens, heads, size) out.

    Raises:
        NotImplementedError: the model asks for something this attention does not compute (caught by the self-check).
    """
    if any(kwargs.get(name) is not None for name in _UNSUPPORTED):
        raise NotImplementedError("this attention has a cap, a sink or a bias that packed rows do not support")
    if doc_lens is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs
        )
    causal = bool(is_causal if is_causal is not None else getattr(module, "is_causal", True))
    grouped = query.shape[1] != key.shape[1]
    if _one_kernel(query, value, dropout):
        out = _varlen(query, key, value, doc_lens, causal, scaling, sliding_window, grouped)
        return out[None], None
    if query.device.type == "cpu":
        # Short documents are two to three times as fast in float32, and 16-bit kernels are built and kept for every
        # length that occurs (1.5 MiB each), so that memory would grow all through the run.
        with torch.autocast("cpu", enabled=False):
            q, k, v = query.float(), key.float(), value.float()
            out = _one_by_one(q, k, v, doc_lens, causal, dropout, scaling, sliding_window, grouped)
        return out.to(query.dtype), None
    return _one_by_one(query, key, value, doc_lens, causal, dropout, scaling, sliding_window, grouped), None


def _one_by_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    doc_lens: Any,
    causal: bool,
    dropout: float,
    scaling: float | None,
    sliding_window: int | None,
    grouped: bool,
) -> torch.Tensor:
    outputs = [
        F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=_band(q.shape[2], sliding_window, causal, q.device),
            dropout_p=dropout,
            is_causal=causal and not (sliding_window and q.shape[2] > sliding_window),
            scale=scaling,
            enable_gqa=grouped,
        ).transpose(1, 2)
        for q, k, v in zip(*(x.split(list(doc_lens), dim=2) for x in (query, key, value)), strict=True)
    ]
    return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)).contiguous()


def _one_kernel(query: torch.Tensor, value: torch.Tensor, dropout: float) -> bool:
    return (
        varlen_attn is not None
        and query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and dropout == 0
        and query.shape[-1] == value.shape[-1] <= 256
    )


def _varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    doc_lens: Any,
    causal: bool,
    scaling: float | None,
    sliding_window: int | None,
    grouped: bool,
) -> torch.Tensor:
    boundaries = doc_lens.boundaries(query.device)
    longest = max(doc_lens)
    left = sliding_window - 1 if sliding_window and longest > sliding_window else -1
    out = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        boundaries,
        boundaries,
        longest,
        longest,
        scale=scaling,
        window_size=(left, 0 if causal else left),
        enable_gqa=grouped,
    )
    assert isinstance(out, torch.Tensor)  # a pair comes only with return_aux
    return out


def _band(tokens: int, window: int | None, causal: bool, device: torch.device) -> torch.Tensor | None:
    """Which positions a token sees when the document is longer than the sliding window; None when it is not."""
    if not window or tokens <= window:
        return None
    distance = torch.arange(tokens, device=device)[:, None] - torch.arange(tokens, device=device)[None, :]
    return (distance >= 0) & (distance < window) if causal else distance.abs() < window


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """Documents are kept apart by the attention itself."""


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _no_mask)


def inner_model(model: Any) -> Any:
    """The transformers model inside a PEFT model, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def use_attention(model: Any, implementation: str) -> None:
    """Switch to :data:`PACKED`, which wants flat batches, or back to :data:`PLAIN`, the model's own attention."""
    inner = inner_model(model)
    if implementation == PACKED and not is_packed(inner):
        inner._attention_of_its_own = inner.config._attn_implementation
    if implementation == PLAIN:
        if not is_packed(inner):
            return
        implementation = inner._attention_of_its_own
    inner.set_attn_implementation(implementation)


def is_packed(model: Any) -> bool:
    return bool(inner_model(model).config._attn_implementation == PACKED)


@contextmanager
def plain_attention(model: Any) -> Iterator[None]:
    """For the while, the model reads ordinary batches (to generate, or to be compared with)."""
    packed = is_packed(model)
    if packed:
        use_attention(model, PLAIN)
    try:
        yield
    finally:
        if packed:
            use_attention(model, PACKED)
