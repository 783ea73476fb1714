"""The network (a stock ``LlamaForCausalLM``), its loss, and the two optimisers that share its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from studio.pretraining.settings import Optimiser, Shape
from studio.pretraining.tokenizer import END_OF_TEXT, IM_END, PAD

IGNORED = -100
FILL = 128
LOGIT_ROWS = 512
"""Positions whose logits are held at a time: 8,192 float32 logits each stay within a core's cache budget."""


def build_model(shape: Shape, vocabulary: int, seed: int) -> LlamaForCausalLM:
    """A fresh network; matrices that write into the residual stream start smaller (Radford et al. 2019)."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=END_OF_TEXT,
        eos_token_id=IM_END,
        pad_token_id=PAD,
        initializer_range=0.02,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.mul_(1 / math.sqrt(2 * shape.layers))
    return model


def token_losses(model: LlamaForCausalLM, inputs: torch.Tensor, targets: torch.Tensor) -> Iterator[torch.Tensor]:
    """Summed cross-entropy (nats, float32), a stretch of positions at a time; targets of -100 are left out.

    Only positions with a target go through the output layer (and a few more, so that there are few different shapes).
    """
    device = "cuda" if inputs.is_cuda else "cpu"
    with torch.autocast(device, dtype=torch.bfloat16):
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1])
        wanted = targets.reshape(-1)
        if bool((wanted == IGNORED).any()):
            hidden, wanted = _learned_only(hidden, wanted)
        for start in range(0, len(wanted), LOGIT_ROWS):
            logits = model.lm_head(hidden[start : start + LOGIT_ROWS])
            yield F.cross_entropy(logits.float(), wanted[start : start + LOGIT_ROWS], reduction="sum")


def _learned_only(hidden: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The positions that have a target, filled up to a round number with positions that have none."""
    kept = (wanted != IGNORED).nonzero().squeeze(1)
    filled = torch.cat([kept, kept.new_zeros(-len(kept) % FILL)])
    targets = torch.full_like(filled, IGNORED)
    targets[: len(kept)] = wanted[kept]
    return hidden[filled], targets


def summed_loss(model: LlamaForCausalLM, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(token_losses(model, inputs, targets))).sum()


class Optimisers:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""

    def __init__(
        self, model: LlamaForCausalLM, settings: Optimiser, matrix_learning_rate: float, other_learning_rate: float
    ) -> None:
        matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
        taken = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in taken]
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.Muon(
                    matrices,
                    lr=matrix_learning_rate,
                    momentum=settings.momentum,
                    weight_decay=settings.matrix_weight_decay,
                ),
                matrix_learning_rate,
            ),
            (
                torch.optim.AdamW(others, lr=other_learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
                other_learning_rate,
            ),
        ]
        self._parameters = [*matrices, *others]
        self._clip = settings.gradient_clip

    def step(self, factor: float, scale: float = 1.0) -> float:
        """One update at ``factor`` times the learning rates, gradients times ``scale``; returns their norm before clipping."""
        if scale != 1.0:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(scale)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._clip))
        for optimiser, rate in self._parts:
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return norm

    def state(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser, _ in self._parts]

    def restore(self, state: list[dict[str, object]]) -> None:
        for (optimiser, _), values in zip(self._parts, state, strict=True):
            optimiser.load_state_dict(values)
