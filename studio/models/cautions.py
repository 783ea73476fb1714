"""What a person should know before starting though it stops nobody: settings far from the suggested ones, and a base that
does not know the language of the rows. What does stand in the way is in :mod:`studio.models.check`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from studio.core.errors import FieldProblem, ModelError
from studio.core.recipe import Recipe
from studio.models import suggest
from studio.models.estimate import effective_batch, passes, planned_steps
from studio.models.folder import inspect_folder
from studio.models.types import BaseCard, DataFacts

MANY = "many"
"""In a card's languages: a hundred or more."""
SEVERAL = "several languages"
FAR = 9.99
"""From this many times the suggestion up, or down, a value is told as far off. Ten, less what rounding takes."""


def cautions(recipe: Recipe, card: BaseCard, facts: DataFacts, language: str = "") -> list[FieldProblem]:
    """Each at its field.

    Args:
        recipe: Resolved.
        language: Of the rows, in English words, as :func:`studio.data.stats.language` tells it; "" when it is not known.
    """
    base = language_caution(card, language)
    return [
        *([FieldProblem("base.id", base)] if base else []),
        *_settings(recipe, card, facts.rows, sorting=facts.labels > 0),
    ]


def likely_cause(recipe: Recipe, base_path: Path, rows: int, *, sorting: bool) -> str:
    """Why a resolved recipe may have brought no gain, as sentences; "" when its settings were ordinary."""
    try:
        card = inspect_folder(base_path)
    except ModelError:
        return ""
    found = " ".join(problem.message for problem in _settings(recipe, card, rows, sorting=sorting))
    return f"Likely cause: {found[0].lower()}{found[1:]}" if found else ""


# -- settings ---------------------------------------------------------------------------------------------------------


def _settings(recipe: Recipe, card: BaseCard, rows: int, *, sorting: bool) -> Iterator[FieldProblem]:
    yield from _rate(recipe, card, sorting=sorting)
    yield from _length(recipe, card, rows)


def _rate(recipe: Recipe, card: BaseCard, *, sorting: bool) -> Iterator[FieldProblem]:
    rate, usual = recipe.training.learning_rate, suggest.suggested_rate(recipe, card, sorting=sorting)
    if not rate:
        return
    if rate >= FAR * usual:
        message = (
            f"The learning rate is {_times(rate / usual)} the suggested {suggest.shown(usual)}. "
            "Steps this large mostly make a model forget what it knows. Leave it empty for the suggested one."
        )
    elif rate * FAR <= usual:
        message = (
            f"The suggested learning rate of {suggest.shown(usual)} is {_times(usual / rate)} this one. "
            "With steps this small hardly anything is learnt. Leave it empty for the suggested one."
        )
    else:
        return
    yield FieldProblem("training.learning_rate", message)


def _length(recipe: Recipe, card: BaseCard, rows: int) -> Iterator[FieldProblem]:
    """How long the run is against what is suggested, and against one pass and one step."""
    training = recipe.training
    field = "training.max_steps" if training.max_steps else "training.epochs"
    a_pass = math.ceil(max(1, rows) / effective_batch(training))
    steps, wanted = planned_steps(training, rows), a_pass * suggest.suggested_epochs(recipe, card.parameters, rows)
    if not training.max_steps and passes(training, rows) * a_pass < FAR / 10:
        yield FieldProblem(
            field,
            f"{suggest.shown(passes(training, rows))} passes are less than one step (a pass takes {a_pass:,}), "
            "so the run takes a single step and learns next to nothing. Leave it empty for the suggested number.",
        )
    elif steps * FAR <= wanted:
        yield FieldProblem(
            field,
            f"The run takes only {_steps(steps)}, and about {wanted:,} are suggested. "
            "So few hardly move a model. Leave it empty for the suggested number.",
        )
    elif steps >= FAR * wanted:
        yield FieldProblem(
            field,
            f"The run takes {_steps(steps)}, {_times(steps / wanted)} the suggested {wanted:,}. "
            "Passes this many mostly teach the rows by heart. Leave it empty for the suggested number.",
        )


def _times(ratio: float) -> str:
    return f"{float(f'{ratio:.2g}'):,.0f} times"


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


# -- the language -----------------------------------------------------------------------------------------------------


def needed(language: str) -> str:
    """The language a base must know for these rows: "" when it is unknown or English, which all bases read."""
    name = language.removeprefix("mostly ")
    return "" if name == "English" else name


def speaks(card: BaseCard, language: str) -> bool | None:
    """Whether its makers name the language of the rows; None when they name none, or nothing special is needed."""
    wanted = needed(language)
    if not wanted or not card.languages:
        return None
    if MANY in card.languages:
        return True
    return len(card.languages) > 1 if wanted == SEVERAL else wanted in card.languages


def language_caution(card: BaseCard, language: str) -> str:
    """What to know when a base does not know the language of the rows; "" when it may."""
    if speaks(card, language) is not False:
        return ""
    rows = needed(language)
    if card.languages == ("English",):
        return f"{card.title} knows English only, and your rows are in {rows}: expect little of it. A multilingual base suits them better."
    return f"The makers of {card.title} do not name {rows} among its languages, and your rows are in it. A base that knows it suits them better."
