"""A draft at one moment: one truth, computed together, whatever goes wrong."""

import os
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import DataError, FieldProblem, ModelError, RecipeError, StudioError
from studio.core.recipe import Recipe
from studio.ui import snapshot


class FakeDraft:
    """A draft whose estimate is the name of the recipe it was asked for."""

    def __init__(self, path: Path) -> None:
        self.recipe_path, self.run = path, self
        self.is_open, self.error, self.during = True, None, lambda: None

    def change(self, name: str) -> None:
        """As somebody else would meanwhile; later than before, also where the clock of files is coarse."""
        before = self.recipe_path.stat().st_mtime_ns
        self.recipe_path.write_text(name)
        os.utime(self.recipe_path, ns=(before, before + 1_000_000_000))

    def recipe(self) -> Recipe:
        return Recipe(name=self.recipe_path.read_text())

    def resolved(self) -> Recipe:
        self.during()
        if self.error:
            raise self.error
        return self.recipe()

    def estimate(self, recipe: Recipe) -> Any:
        return recipe.name

    def problems(self) -> list[FieldProblem]:
        return [FieldProblem("training.epochs", "Too many.")]

    def language(self) -> str:
        return "Arabic"

    def cautions(self, recipe: Recipe) -> list[FieldProblem]:
        return [FieldProblem("base.id", f"Of {recipe.name}.")]

    def presets(self) -> dict[str, Recipe]:
        return {"quick": Recipe(name="fast"), "custom": Recipe(name="own")}


class FakeStudio:
    def __init__(self, draft: FakeDraft) -> None:
        self.made = draft

    def run(self, run_id: str) -> FakeDraft:
        return self.made

    draft = run


@pytest.fixture
def draft(tmp_path: Path) -> FakeDraft:
    path = tmp_path / "recipe.yaml"
    path.write_text("first")
    return FakeDraft(path)


def take(draft: FakeDraft) -> snapshot.Snapshot:
    return snapshot.take(FakeStudio(draft), "r")  # type: ignore[arg-type]


def test_an_open_draft_has_its_estimate_its_problems_and_the_presets_a_person_can_press(draft: FakeDraft) -> None:
    now = take(draft)
    assert (now.open, now.estimate, now.presets) == (True, "first", {"quick": "fast"})
    assert [problem.field for problem in now.problems] == ["training.epochs"]


def test_a_started_run_shows_what_it_runs_with_and_offers_nothing(draft: FakeDraft) -> None:
    draft.is_open = False
    now = take(draft)
    assert (now.open, now.resolved, now.problems, now.presets) == (False, now.recipe, [], {})


def test_cautions_and_the_language_of_the_rows_come_along(draft: FakeDraft) -> None:
    now = take(draft)
    assert now.language == "Arabic"
    assert [caution.message for caution in now.cautions] == ["Of first."]
    draft.is_open = False
    assert take(draft).cautions == []


def test_a_draft_that_is_changed_meanwhile_is_looked_at_again(draft: FakeDraft) -> None:
    def change() -> None:
        draft.change("second")
        draft.during = lambda: None

    draft.during = change
    now = take(draft)
    assert (now.recipe.name, now.estimate) == ("second", "second")


def test_a_draft_that_never_rests_is_shown_all_the_same(draft: FakeDraft) -> None:
    names = iter(range(100))
    draft.during = lambda: draft.change(f"name {next(names)}")
    assert take(draft).open
    assert next(names) == snapshot.ATTEMPTS


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (ModelError("No such base", "It is gone.", "Choose another."), "base"),
        (DataError("No rows", "The table is empty.", "Load another."), "data"),
        (RecipeError([FieldProblem("method.rank", "Too high.")]), "method.rank"),
    ],
)
def test_what_cannot_be_computed_is_told_at_its_place(draft: FakeDraft, error: StudioError, field: str) -> None:
    draft.error = error
    now = take(draft)
    assert [problem.field for problem in now.problems] == [field]
    assert (now.resolved, now.estimate, now.presets) == (None, None, {})
