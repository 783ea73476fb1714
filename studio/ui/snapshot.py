"""A draft at one moment, as the Model step shows it: settings, what they come to, what is wrong. No UI toolkit here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from studio.core.errors import FieldProblem, ModelError, RecipeError, StudioError
from studio.core.recipe import Preset, Recipe
from studio.models.types import Estimate

if TYPE_CHECKING:
    from studio.runs.draft import Draft
    from studio.ui.context import StudioContext

PRESETS = tuple(name for name in get_args(Preset) if name != "custom")
ATTEMPTS = 3
"""How often a snapshot is taken anew because the draft was changed meanwhile."""


@dataclass
class Snapshot:
    """Everything the screen shows of one draft, computed together.

    ``resolved`` and ``estimate`` are None where a problem keeps them from being computed; ``presets`` holds what each
    preset would need. ``cautions`` stop nobody, ``problems`` do. ``language`` is that of the rows, "" when not known.
    """

    recipe: Recipe
    open: bool
    resolved: Recipe | None = None
    estimate: Estimate | None = None
    problems: list[FieldProblem] = field(default_factory=list)
    presets: dict[str, Estimate] = field(default_factory=dict)
    cautions: list[FieldProblem] = field(default_factory=list)
    language: str = ""


def take(studio: StudioContext, run_id: str) -> Snapshot:
    """The draft as it is now: when it is changed while we compute, from another event or browser, computed anew, so that an
    answer that took long never overwrites a newer one with an older truth."""
    path = studio.run(run_id).recipe_path
    for _ in range(ATTEMPTS):
        stamp = _stamp(path)
        snapshot = _of(studio.draft(run_id))
        if _stamp(path) == stamp:
            break
    return snapshot


def _of(draft: Draft) -> Snapshot:
    is_open = draft.is_open
    made = Snapshot(draft.recipe() if is_open else draft.run.recipe(), is_open)
    try:
        made.language = draft.language()
        made.resolved = draft.resolved() if is_open else made.recipe
        made.estimate = draft.estimate(made.resolved)
        if is_open:
            made.problems = draft.problems()
            made.cautions = draft.cautions(made.resolved)
            made.presets = {name: draft.estimate(recipe) for name, recipe in draft.presets().items() if name in PRESETS}
    except RecipeError as error:
        made.problems = list(error.problems)
    except StudioError as error:
        made.problems = [FieldProblem("base" if isinstance(error, ModelError) else "data", str(error))]
    return made


def _stamp(path: Path) -> tuple[int, int, int]:
    """The file is replaced at each write, so its inode tells writes apart that fall into one tick of the clock."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size
