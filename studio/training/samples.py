"""A few fixed prompts answered along the way, so that a person sees the model change. Greedy, short, one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from studio.data.types import Example, Message
from studio.training.attention import inner_model, plain_attention

PROMPTS = 3
MAX_NEW_TOKENS = 64
MAX_SECONDS = 6.0


class ChatSamples:
    """Answers the prompts with the model as it is now.

    Args:
        prompts: What a person would ask; each a string or messages that end with the person.
        render: Messages → text with the generation prompt (``ChatRenderer.prompt``).
    """

    def __init__(self, prompts: Sequence[list[Message]], render: Any, tokenizer: Any, max_length: int | None) -> None:
        self._shown = [messages[-1]["content"] for messages in prompts]
        self._tokenizer = tokenizer
        ids = [tokenizer(render(messages), add_special_tokens=False)["input_ids"] for messages in prompts]
        self._ids = [part[-(max_length or len(part)) :] for part in ids]

    def __call__(self, model: Any) -> list[tuple[str, str]]:
        """(prompt, answer) pairs; leaves random numbers, training mode and attention as they were."""
        if not self._ids:
            return []
        tokenizer, inner = self._tokenizer, inner_model(model)
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
        width = max(len(part) for part in self._ids)
        device = next(inner.parameters()).device
        ids = torch.tensor([[pad] * (width - len(part)) + part for part in self._ids], device=device)
        mask = torch.tensor([[0] * (width - len(part)) + [1] * len(part) for part in self._ids], device=device)
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), torch.random.fork_rng(), plain_attention(model):
                produced = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    do_sample=False,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    max_new_tokens=MAX_NEW_TOKENS,
                    max_time=MAX_SECONDS,
                    pad_token_id=pad,
                    use_cache=True,
                )
        finally:
            model.train(training)
        answers = tokenizer.batch_decode(produced[:, width:], skip_special_tokens=True)
        return list(zip(self._shown, (answer.strip() for answer in answers), strict=True))


def sample_prompts(
    chosen: Sequence[str], examples: Sequence[Example], system_prompt: str | None
) -> list[list[Message]]:
    """The person's own prompts, else the first questions of three examples with what stood before them."""
    if chosen:
        system: list[Message] = [{"role": "system", "content": system_prompt}] if system_prompt else []
        return [[*system, {"role": "user", "content": text}] for text in chosen if text.strip()]
    found: list[list[Message]] = []
    seen: set[str] = set()
    for example in examples:
        messages = example.get("messages", [])
        end = next((i for i, message in enumerate(messages) if message["role"] == "user"), None)
        if end is None or messages[end]["content"] in seen:
            continue
        seen.add(messages[end]["content"])
        found.append(list(messages[: end + 1]))
        if len(found) == PROMPTS:
            break
    return found
