"""Tune a base to give each text one of the data's labels.

Decoders read packed rows and answer at each text's last token, as they do alone; encoders read padded batches of like
lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from studio.core.errors import DataError
from studio.core.recipe import Recipe
from studio.data.render import TextRenderer
from studio.data.types import Example, Splits
from studio.models.load import load_sequence_classifier, load_tokenizer
from studio.training import engine, setup
from studio.training.attention import inner_model, is_packed, plain_attention
from studio.training.packing import IGNORED, Rows
from studio.training.parity import PackedPath, check, short_rows
from studio.training.samples import PROMPTS


def prepare_classifier(recipe: Recipe, base_path: Path, splits: Splits) -> engine.Work:
    """Everything up to the first step.

    Raises:
        DataError: no row has a text and a label.
    """
    labels = label_list(splits)
    renderer, tokenizer = TextRenderer.from_folder(base_path), load_tokenizer(base_path)
    rows = label_rows(renderer, splits.train, labels, recipe.training.max_length)
    held_back = label_rows(renderer, splits.validation, labels, recipe.training.max_length)
    if not len(rows):
        raise DataError(
            "There is nothing to learn from", "No row has a text and a label.", "Check which columns hold them."
        )
    dtype = setup.compute_dtype(recipe.training.precision)
    # The new head must stay in float32 to learn, and must fit the layers before it.
    quantised = recipe.method.kind == "qlora"
    model: Any = load_sequence_classifier(base_path, labels, dtype=torch.float32, quantised=quantised)
    model = setup.with_method(model, recipe, "sequence_classification")
    path = label_path(model, rows, recipe.training.label_smoothing, dtype)
    return engine.Work(
        model=model,
        tokenizer=tokenizer,
        path=path,
        rows=rows,
        validation=held_back if len(held_back) else None,
        next_token=False,
        dtype=dtype,
        labels=labels,
        sample=LabelSamples(recipe, splits.validation or splits.train, renderer, labels),
    )


def label_list(splits: Splits) -> list[str]:
    """Every label that occurs, sorted; its place is its number in the model."""
    return sorted(
        {e["label"] for part in (splits.train, splits.validation, splits.test) for e in part if e.get("label")}
    )


def label_rows(
    renderer: TextRenderer, examples: Sequence[Example], labels: Sequence[str], max_length: int | None
) -> Rows:
    """The label's number stands at the text's last token, where a decoder answers."""
    number = {label: i for i, label in enumerate(labels)}
    rows = []
    encoded = renderer.encode_many([example.get("text", "") for example in examples], max_length)
    for example, ids in zip(examples, encoded, strict=True):
        if ids and example.get("label") in number:
            rows.append((ids, [*[IGNORED] * (len(ids) - 1), number[example["label"]]]))
    return Rows(rows)


class RowLabelLoss:
    """``compute_loss_func`` for one label a row.

    While attention is packed, the scores of every position are taken from the model's own score layer and read where
    labels stand; the model itself would only answer for the last row of the flat sequence.
    """

    def __init__(self, model: Any, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self._inner = inner_model(model)
        self._scores: torch.Tensor | None = None
        score = getattr(self._inner, "score", None)
        self._hook = score.register_forward_hook(self._keep) if isinstance(score, torch.nn.Module) else None

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        scores, targets = self._pairs(outputs, labels)
        count = num_items_in_batch if num_items_in_batch is not None else len(targets)
        loss = F.cross_entropy(scores, targets, reduction="sum", label_smoothing=self.smoothing)
        return loss / torch.as_tensor(count, device=labels.device).clamp(min=1)

    def sum(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(*self._pairs(outputs, labels), reduction="sum")

    def measure(self, outputs: Any, labels: torch.Tensor) -> tuple[float, float, float]:
        """(summed loss, rows, rows with the right label first)."""
        scores, targets = self._pairs(outputs, labels)
        loss = F.cross_entropy(scores, targets, reduction="sum")
        return float(loss), float(len(targets)), float((scores.argmax(-1) == targets).sum())

    def release(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _keep(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
        self._scores = output if is_packed(self._inner) else None

    def _pairs(self, outputs: Any, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32 scores (rows, labels) and targets (rows,)."""
        scores, self._scores = self._scores, None
        if scores is None:
            scores = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
            labels = labels.max(dim=1).values if labels.ndim == 2 else labels
        chosen = labels != IGNORED
        return scores[chosen].float(), labels[chosen]


def label_path(model: Any, rows: Rows, smoothing: float, dtype: torch.dtype) -> PackedPath:
    """Packed for decoders that pass the self-check, else padded. Encoders are padded without further words."""
    loss = RowLabelLoss(model)
    if not hasattr(inner_model(model), "score"):
        loss.smoothing = smoothing
        return PackedPath(False, loss)

    def summed(outputs: Any, batch: dict[str, Any]) -> torch.Tensor:
        return loss.sum(outputs, batch["labels"])

    problem = check(model, short_rows(rows), summed, next_token=False, dtype=dtype)
    loss.smoothing = smoothing
    return PackedPath(not problem, loss, problem)


class LabelSamples:
    """What the model says of a few fixed texts: the label and how sure it is."""

    def __init__(self, recipe: Recipe, examples: Sequence[Example], renderer: TextRenderer, labels: list[str]) -> None:
        chosen = [text for text in recipe.training.sample_prompts if text.strip()]
        self._texts = chosen or _one_each(examples)
        self._ids = [renderer.encode(text, recipe.training.max_length) for text in self._texts]
        self._labels = labels

    def __call__(self, model: Any) -> list[tuple[str, str]]:
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        answers = []
        try:
            with torch.no_grad(), plain_attention(model):
                for text, ids in zip(self._texts, self._ids, strict=True):
                    logits = model(input_ids=torch.tensor([ids], device=device)).logits
                    best = logits[0].float().softmax(-1).max(-1)
                    answers.append(
                        (text, f"{self._labels[int(best.indices)]} ({float(best.values):.0%})".replace("%", " %"))
                    )
        finally:
            model.train(training)
        return answers


def _one_each(examples: Sequence[Example]) -> list[str]:
    """Texts of different labels first."""
    first: dict[str, str] = {}
    rest: list[str] = []
    for example in examples:
        text, label = example.get("text", ""), example.get("label", "")
        if not text.strip():
            continue
        if label in first:
            rest.append(text)
        else:
            first[label] = text
    return [*first.values(), *rest][:PROMPTS]
