"""The choices of a draft: changed one at a time, kept open beside what was resolved from them, closed by the start."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from studio.core.errors import RecipeError, RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs import choices
from studio.runs.folder import RunFolder
from studio.runs.splits import has_splits

SPLITS = Splits(train=[{"row": 0, "text": "a", "label": "b"}])


@pytest.fixture
def run(tmp_path):
    run = RunFolder.create(Workspace.open(tmp_path), "test")
    choices.save(run, Recipe(name=run.id))
    return run


def resolved_from(recipe):
    resolved = recipe.model_copy(deep=True)
    resolved.training.learning_rate = 0.001
    return resolved


def test_wrong_fields_are_told_together_and_none_is_set(run):
    recipe = choices.chosen(run)
    problems = choices.set_fields(recipe, "training", {"epochs": -1, "learning_rate": "fast", "batch_size": 4})
    assert {p.field for p in problems} == {"training.epochs", "training.learning_rate"}
    assert recipe == choices.chosen(run)
    assert choices.set_fields(recipe, "data.split", {"seed": 7}) == []
    assert recipe.data.split.seed == 7


def test_an_error_while_changing_saves_nothing(run):
    def fail():
        with choices.changed(run) as recipe:
            recipe.training.epochs = 9
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert choices.chosen(run).training.epochs is None


def test_windows_take_turns(run):
    def count_up(_):
        with choices.changed(run) as recipe:
            recipe.data.split.seed += 1

    before = choices.chosen(run).data.split.seed
    with ThreadPoolExecutor(4) as windows:
        list(windows.map(count_up, range(12)))
    assert choices.chosen(run).data.split.seed == before + 12


def test_what_was_prepared_goes_with_the_first_other_choice(run):
    open_values = choices.chosen(run)
    choices.prepare_start(run, open_values, resolved_from(open_values), SPLITS)
    assert choices.chosen(run) == open_values
    assert run.recipe().training.learning_rate == 0.001
    choices.save(run, open_values)
    assert has_splits(run), "the same choices again change nothing"
    with choices.changed(run) as recipe:
        recipe.training.epochs = 2
    assert not has_splits(run)
    assert run.recipe() == choices.chosen(run)
    assert not run.choices_path.exists()


def test_choices_read_in_the_moment_the_first_other_one_is_made_are_the_new_ones(run, monkeypatch):
    """Another window takes the kept choices away between a look whether they are there and reading them."""
    open_values = choices.chosen(run)
    choices.prepare_start(run, open_values, resolved_from(open_values), SPLITS)
    load = Recipe.load

    def changed_meanwhile(path):
        if path == run.choices_path:
            path.unlink()
        return load(path)

    monkeypatch.setattr(Recipe, "load", changed_meanwhile)
    assert choices.chosen(run) == run.recipe()


def test_broken_choices_are_told(run):
    run.choices_path.write_text("[")
    with pytest.raises(RecipeError):
        choices.chosen(run)


def test_a_start_is_prepared_only_from_the_choices_as_they_are(run):
    old = choices.chosen(run)
    with choices.changed(run) as recipe:
        recipe.training.epochs = 2
    with pytest.raises(RunError, match="changed meanwhile"):
        choices.prepare_start(run, old, resolved_from(old), SPLITS)
    assert not has_splits(run)


def test_a_started_run_is_closed(run):
    recipe = choices.chosen(run)
    run.change_state(state="queued")
    assert not choices.is_open(run)
    with pytest.raises(RunError, match="New run from this one"):
        choices.save(run, recipe)
    with pytest.raises(RunError, match="changed meanwhile"):
        choices.prepare_start(run, recipe, recipe, SPLITS)
