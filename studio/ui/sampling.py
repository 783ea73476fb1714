"""The check of the answer settings that the Compare step offers."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from studio.core.answers import AnswerOptions
from studio.core.errors import RecipeError
from studio.core.options import problems_of

__all__ = ["AnswerOptions", "checked_sampling"]


def checked_sampling(values: dict[str, Any]) -> dict[str, Any]:
    """The settings of the answers as the playground wants them.

    Raises:
        RecipeError: one is out of its range.
    """
    try:
        return AnswerOptions.model_validate(values).model_dump()
    except ValidationError as error:
        raise RecipeError(problems_of(error, AnswerOptions)) from None
