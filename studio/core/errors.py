"""The errors a person may meet. Their text is written for the person at the screen.

StudioError            what happened, what to do; shown as such in the browser, exit code 2 in the CLI
├── DataError          a file or table that cannot be read or used
├── RecipeError        one or more fields of a recipe are wrong; all are told at once
├── ModelError         a base model that cannot be found, opened or used
├── RunError           a run that cannot be started, stopped, resumed or found
└── ExportError        an artefact that could not be written or did not pass its check
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


class StudioError(Exception):
    """Something the person can understand and act on.

    Args:
        title: A few words, no full stop ("This file is empty").
        what_happened: One or two sentences.
        what_to_do: One sentence that starts with a verb.
        code: A stable word for programs (``"out_of_memory"``); optional.
    """

    def __init__(self, title: str, what_happened: str = "", what_to_do: str = "", *, code: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        self.code = code

    def __str__(self) -> str:
        """One line, for a terminal."""
        title = self.title if self.title.endswith((".", ":", "?")) else f"{self.title}."
        return " ".join(part for part in (title, self.what_happened, self.what_to_do) if part)

    def as_dict(self) -> dict[str, str]:
        """The form in which an error is written to an event log."""
        return {
            "title": self.title,
            "what_happened": self.what_happened,
            "what_to_do": self.what_to_do,
            "code": self.code,
        }


class DataError(StudioError):
    """A file or a table that cannot be read or used."""


class ModelError(StudioError):
    """A base model that cannot be found, opened or used."""


class RunError(StudioError):
    """A run that cannot be started, stopped, resumed or found."""


class ExportError(StudioError):
    """An artefact that could not be written, or that does not answer as the app does."""


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with one field. ``field`` is a dotted path: ``training.learning_rate``."""

    field: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class RecipeError(StudioError):
    """Every problem of a recipe at once, each at its field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        count = len({problem.field for problem in self.problems})
        super().__init__(
            "One setting needs a change" if count == 1 else f"{count} settings need a change",
            " ".join(f"{p.field}: {p.message}" for p in self.problems),
            code="recipe",
        )
