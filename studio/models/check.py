"""All that is wrong with a recipe across its fields, told at once, each at its field.

What one field alone can tell (a number out of range, a word not among the choices) is refused when the recipe is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from importlib.util import find_spec

from studio.core.errors import FieldProblem, ModelError
from studio.core.hardware import Hardware
from studio.core.recipe import Recipe
from studio.models.estimate import effective_batch, planned_steps
from studio.models.types import BaseCard, DataFacts
from studio.models.weights import linear_names


def check(recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> list[FieldProblem]:
    """Every problem of a recipe (resolved or not) with this base, data and machine; empty when it can start."""
    return [
        *_data(recipe, facts),
        *_base(recipe, card),
        *_method(recipe, card, hardware),
        *_steps(recipe, card, facts),
        *_machine(recipe, hardware),
    ]


def _data(recipe: Recipe, facts: DataFacts) -> Iterator[FieldProblem]:
    if facts.rows < 2:
        yield FieldProblem(
            "data.split.train",
            f"{'No row is' if facts.rows == 0 else 'Only one row is'} left to learn from. Load more rows, or give this part a larger share.",
        )
    if facts.labels == 1:
        yield FieldProblem(
            "data.roles", "All rows have the same label. Choose another column, or add rows of other labels."
        )


def _base(recipe: Recipe, card: BaseCard) -> Iterator[FieldProblem]:
    if recipe.task not in card.tasks:
        able = " and ".join(t.replace("_", " ") for t in card.tasks) or "no task of the studio"
        yield FieldProblem(
            "base.id",
            f"{card.title} can be tuned for {able}, not for {recipe.task.replace('_', ' ')}. Choose another base.",
        )


def _method(recipe: Recipe, card: BaseCard, hardware: Hardware) -> Iterator[FieldProblem]:
    method = recipe.method
    if method.kind == "qlora":
        if hardware.device != "cuda":
            yield FieldProblem("method.kind", "QLoRA needs an NVIDIA graphics card, and there is none here. Use LoRA.")
        elif not find_spec("bitsandbytes"):
            yield FieldProblem(
                "method.kind",
                "QLoRA needs the package bitsandbytes. Install it with pip install 'tailor-studio[qlora]', or use LoRA.",
            )
    if method.kind == "freeze" and card.layers:
        if method.freeze_layers >= card.layers:
            yield FieldProblem(
                "method.freeze_layers",
                f"{card.title} has {card.layers} layers, so nothing would be left to learn. Use {card.layers - 1} or fewer.",
            )
        elif method.freeze_layers == 0:
            yield FieldProblem(
                "method.freeze_layers",
                "With 0 layers kept as they are, all weights learn. Use 1 or more, or the method “All weights”.",
            )
    if method.kind in ("lora", "qlora"):
        yield from _adapter(recipe, card)


def _adapter(recipe: Recipe, card: BaseCard) -> Iterator[FieldProblem]:
    method = recipe.method
    if card.hidden_size and method.rank > card.hidden_size:
        yield FieldProblem(
            "method.rank",
            f"The adapter ({method.rank}) would be wider than the base itself ({card.hidden_size}). Use {card.hidden_size} or less.",
        )
    targets = method.target_modules.strip()
    if targets == "all-linear":
        return
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if not names:
        yield FieldProblem(
            "method.target_modules", "No layer is named. Use “all-linear”, or names separated by commas."
        )
        return
    try:
        known = linear_names(card.path) if card.path else ()
    except ModelError:
        known = ()
    for name in names if known else ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Use “{near[0]}”." if near else f"Known: {', '.join(known)}."
            yield FieldProblem("method.target_modules", f"{card.title} has no layer named “{name}”. {hint}")


def _steps(recipe: Recipe, card: BaseCard, facts: DataFacts) -> Iterator[FieldProblem]:
    training = recipe.training
    if training.max_length and training.max_length > card.context:
        yield FieldProblem(
            "training.max_length",
            f"{training.max_length:,} tokens are more than {card.title} can read. Use {card.context:,} or less.",
        )
    if facts.rows >= 2 and effective_batch(training) > facts.rows:
        field = (
            "training.gradient_accumulation_steps"
            if training.gradient_accumulation_steps > 1
            else "training.batch_size"
        )
        yield FieldProblem(
            field,
            f"One step would need {effective_batch(training):,} rows ({training.batch_size or 1} at once × "
            f"{training.gradient_accumulation_steps}), and there are {facts.rows:,}. Use smaller numbers.",
        )
    if training.early_stopping_patience and recipe.data.split.validation == 0 and not recipe.data.split.column:
        yield FieldProblem(
            "training.early_stopping_patience",
            "No rows are held back to watch progress, so the run cannot tell when to stop. Use 0, or give validation a share.",
        )
    if training.evaluation_interval and (training.epochs or training.max_steps) and facts.rows >= 2:
        steps = planned_steps(training, facts.rows)
        if training.evaluation_interval > steps:
            yield FieldProblem(
                "training.evaluation_interval",
                f"The run has only {steps:,} steps, so no check would take place. Use {steps:,} or fewer.",
            )


def _machine(recipe: Recipe, hardware: Hardware) -> Iterator[FieldProblem]:
    if recipe.training.precision == "fp16" and hardware.device == "cpu":
        yield FieldProblem("training.precision", "A processor cannot train in fp16. Use auto, bf16 or float32.")
