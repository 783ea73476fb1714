"""A run once more can be told from the first, unless the person has given it a name."""

import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import copies
from studio.runs.folder import RunFolder
from studio.runs.retry import smaller_copy


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


def trained(workspace, folder, name=""):
    run = RunFolder.create(workspace, folder)
    recipe = Recipe(name=name or run.id)
    recipe.training.batch_size = 8
    recipe.save(run.recipe_path)
    recipe.save(run.choices_path)
    run.data_dir.mkdir()
    (run.data_dir / "table.parquet").write_bytes(b"rows")
    return run


def test_a_retry_is_called_by_its_own_id(workspace):
    first = trained(workspace, "support")
    second = smaller_copy(first, workspace)
    third = smaller_copy(second, workspace)
    assert [run.id for run in (first, second, third)] == ["support-1", "support-2", "support-3"]
    assert [Recipe.load(path).name for path in third.recipe_paths()] == ["support-3", "support-3"]
    assert (third.data_dir / "table.parquet").read_bytes() == b"rows"


def test_a_name_that_was_given_stays(workspace):
    fresh = smaller_copy(trained(workspace, "support", name="My shop"), workspace)
    assert (fresh.id, fresh.recipe().name) == ("my-shop-1", "My shop")


@pytest.mark.parametrize(("run_id", "stem"), [("support-1", "support"), ("data-2024-12", "data-2024"), ("odd", "odd")])
def test_only_the_number_is_taken_off(run_id, stem):
    assert copies.stem(run_id) == stem
