"""Choosing the next token, with the same dice for both panes.

``torch.multinomial`` on a batch draws other random numbers for each row, so that base and tuned would differ by luck
even with equal weights. Here a token is drawn by the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014, "A* Sampling",
section 2): ``argmax(log p + g)`` with Gumbel noise ``g`` is a draw from ``p``. One vector of noise is made per step from
the seed and added to every row, so that equal scores give equal tokens and any difference between the panes comes from
the weights. The same holds across two models that generate in two threads: step *n* has the same noise in both.
"""

from __future__ import annotations

import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopPLogitsWarper

from studio.inference.types import Sampling


class SharedDice(LogitsProcessor):
    """Turns scores into scores whose largest entry is the drawn token; the same draw for every row.

    Use with greedy decoding (``do_sample=False``). One instance serves one call of ``generate``.

    Args:
        padding: Left padding of each row, in tokens: repetition is counted without it, so that a row's answer does not
            depend on how long its neighbour is.
    """

    def __init__(self, sampling: Sampling, padding: list[int]) -> None:
        self._sampling = sampling
        self._padding = padding
        self._dice = torch.Generator().manual_seed(sampling.seed)
        self._seen: torch.Tensor | None = None
        self._temperature = TemperatureLogitsWarper(float(sampling.temperature)) if sampling.temperature else None
        self._top_p = TopPLogitsWarper(float(sampling.top_p)) if sampling.top_p < 1 else None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """
        Args:
            input_ids: (rows, tokens so far).
            scores: (rows, vocabulary), logits.
        """
        if self._sampling.repetition_penalty != 1:
            scores = self._penalised(input_ids, scores)
        if self._temperature is None:
            return scores
        scores = self._temperature(input_ids, scores)
        if self._top_p is not None:
            scores = self._top_p(input_ids, scores)
        # -log of an exponential variate is a Gumbel variate.
        noise = torch.empty(scores.shape[-1]).exponential_(generator=self._dice).clamp_min_(1e-30).log_().neg_()
        return scores + noise.to(scores.device)  # type: ignore[return-value]  # torch: any arithmetic is a plain Tensor

    def _penalised(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Tokens already in the row become less likely (Keskar et al. 2019, CTRL, equation in section 4.1)."""
        if self._seen is None:
            self._seen = torch.zeros_like(scores, dtype=torch.bool)
            for row, padding in enumerate(self._padding):
                self._seen[row, input_ids[row, padding:]] = True
        else:
            self._seen.scatter_(1, input_ids[:, -1:], True)
        penalty = self._sampling.repetition_penalty
        weaker = torch.where(scores < 0, scores * penalty, scores / penalty)
        return torch.where(self._seen, weaker, scores)  # type: ignore[return-value]
