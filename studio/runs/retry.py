"""The same run again in less memory: half the rows at once, twice the batches per step."""

from __future__ import annotations

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import copies
from studio.runs.folder import RunFolder


def smaller_copy(run: RunFolder, workspace: Workspace) -> RunFolder:
    """A fresh run with the same data and choices, not yet queued.

    Raises:
        RunError: there is one row at once already.
    """
    recipe = run.recipe()
    batch = recipe.training.batch_size or 1
    if batch <= 1:
        raise RunError(
            "The batch cannot be smaller",
            "This run takes one row at once already.",
            "Choose a smaller base, a shorter longest row, or a small adapter (LoRA).",
        )
    fresh = copies.fresh_copy(run, workspace)
    for path in run.recipe_paths():
        copies.renamed(halved(Recipe.load(path), batch, run.id), run, fresh).save(fresh.path / path.name)
    return fresh


def halved(recipe: Recipe, batch: int, origin: str) -> Recipe:
    """Half the rows at once, twice the batches per step, and why. ``batch`` is what the recipe resolved to."""
    smaller = recipe.model_copy(deep=True)
    training = smaller.training
    half = max(1, batch // 2)
    training.batch_size = half
    training.gradient_accumulation_steps = training.gradient_accumulation_steps * 2
    why = f"{half}: half of {batch}, because the memory was not enough in {origin}"
    smaller.reasons["training.batch_size"] = why
    steps = training.gradient_accumulation_steps
    smaller.reasons["training.gradient_accumulation_steps"] = f"{steps}: doubled, so that each step learns from as many rows"  # fmt: skip
    return smaller
