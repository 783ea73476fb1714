"""Tune a language model on conversations: it learns what the assistant says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.core.errors import DataError
from studio.core.recipe import Recipe
from studio.data.render import ChatRenderer
from studio.data.types import Example, Splits
from studio.models.load import load_causal_lm, load_tokenizer
from studio.training import engine, setup
from studio.training.adapters import base_dtype
from studio.training.packing import IGNORED, Rows
from studio.training.parity import next_token_path
from studio.training.samples import ChatSamples, sample_prompts


def prepare_causal_lm(recipe: Recipe, base_path: Path, splits: Splits) -> engine.Work:
    """Everything up to the first step: rows as the model reads them, the model with its method, the fast path.

    Raises:
        DataError: no row has anything to learn.
    """
    renderer, tokenizer = ChatRenderer.from_folder(base_path), load_tokenizer(base_path)
    if not tokenizer.chat_template:
        tokenizer.chat_template = renderer.chat_template
    rows = chat_rows(renderer, splits.train, recipe.training.max_length)
    if not len(rows):
        raise DataError(
            "There is nothing to learn from",
            "No row has an answer that fits into the longest allowed row.",
            "Check which column holds the answers, or raise “Longest row”.",
        )
    held_back = chat_rows(renderer, splits.validation, recipe.training.max_length)
    dtype = setup.compute_dtype(recipe.training.precision)
    kept_in = base_dtype(recipe.method, dtype)
    model: Any = load_causal_lm(base_path, dtype=kept_in, quantised=recipe.method.kind == "qlora")
    model = setup.with_method(model, recipe, "causal_lm")
    path = next_token_path(model, rows, smoothing=recipe.training.label_smoothing, dtype=dtype)
    prompts = sample_prompts(
        recipe.training.sample_prompts, splits.validation or splits.train, recipe.data.system_prompt
    )
    return engine.Work(
        model=model,
        tokenizer=tokenizer,
        path=path,
        rows=rows,
        validation=held_back if len(held_back) else None,
        next_token=True,
        dtype=dtype,
        sample=ChatSamples(prompts, renderer.prompt, tokenizer, recipe.training.max_length) if prompts else None,
    )


def chat_rows(renderer: ChatRenderer, examples: Sequence[Example], max_length: int | None) -> Rows:
    """Rows with at least one learned token; the first token of a row has nothing before it and is never learned."""
    rows = []
    for encoded in renderer.encode_many([example.get("messages", []) for example in examples], max_length):
        labels = [IGNORED, *encoded.labels[1:]]
        if any(label != IGNORED for label in labels):
            rows.append((encoded.ids, labels))
    return Rows(rows)
