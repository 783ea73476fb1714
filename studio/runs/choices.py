"""What a person has chosen for a run that has not been started: the recipe, changed by one window at a time.

Until the start there is ``recipe.yaml`` with the values nobody chose left open. Preparing the start writes the resolved
recipe there and keeps the choices beside it, so that a run that leaves the queue is a draft again as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from studio.core.errors import FieldProblem, RecipeError, RunError
from studio.core.options import problems_of
from studio.core.recipe import SECTIONS, Recipe
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import forget_splits, write_splits


def is_open(run: RunFolder) -> bool:
    """Whether the choices may still be changed: nothing has been started from them."""
    return run.state().state == "draft"


def chosen(run: RunFolder) -> Recipe:
    """The choices made so far; values nobody chose are ``None``."""
    if run.choices_path.is_file():
        try:
            return Recipe.load(run.choices_path)
        except RecipeError:
            if run.choices_path.is_file():
                raise
            # Another window has just made the first other choice: it stands in the recipe by now.
    return Recipe.load(run.recipe_path)


@contextmanager
def changed(run: RunFolder) -> Iterator[Recipe]:
    """The recipe, to be changed; saved at the end unless something was raised. Two browsers take turns, so that
    neither undoes what the other did.

    Raises:
        RunError: the run has been started.
    """
    with run.held():
        recipe = chosen(run)
        yield recipe
        save(run, recipe)


def save(run: RunFolder, recipe: Recipe) -> None:
    """
    Raises:
        RunError: the run has been started.
    """
    with run.held():
        if not is_open(run):
            raise RunError(
                "This run has been started",
                "Its recipe can no longer change.",
                "Use “New run from this one” to try other settings.",
            )
        if run.choices_path.is_file():
            # It had been prepared for its start, then left the queue (or never got into it).
            if recipe == Recipe.load(run.choices_path):
                return
            forget_splits(run)
        recipe.save(run.recipe_path)
        run.choices_path.unlink(missing_ok=True)


def set_fields(recipe: Recipe, section: str, values: dict[str, Any]) -> list[FieldProblem]:
    """Set several fields of ``method``, ``training`` or ``data.split``; all problems are told, none half applied."""
    *parents, name = section.split(".")
    owner: Any = recipe
    for parent in parents:
        owner = getattr(owner, parent)
    try:
        changed = SECTIONS[section].model_validate({**getattr(owner, name).model_dump(), **values})
    except ValidationError as error:
        return problems_of(error, SECTIONS[section], section)
    setattr(owner, name, changed)
    return []


def prepare_start(run: RunFolder, choices: Recipe, resolved: Recipe, splits: Splits) -> None:
    """Write all that a start needs: the resolved recipe, the choices it was made from, and the three splits.

    Raises:
        RunError: the choices are no longer these, or the run has been started.
    """
    with run.held():
        if not is_open(run) or chosen(run) != choices:
            raise RunError(
                "This run was changed meanwhile",
                "Another window has started or changed it.",
                "Look at it once more.",
            )
        write_splits(run, splits)
        choices.save(run.choices_path)
        resolved.save(run.recipe_path)
