"""A measurement is kept for the very same base, method, batch and data, and for nothing else."""

import json

import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import calibration
from studio.training.types import Calibration

MEASURED = Calibration(**dict.fromkeys(Calibration.__dataclass_fields__, 1))


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


def test_a_measurement_is_found_again_for_the_same_settings_only(workspace):
    recipe = Recipe()
    assert calibration.kept(workspace, recipe) is None
    calibration.keep(workspace, recipe, MEASURED)
    assert calibration.kept(workspace, recipe.model_copy(deep=True)) == MEASURED
    other = recipe.model_copy(deep=True)
    other.training.batch_size = 64
    assert calibration.kept(workspace, other) is None
    longer = recipe.model_copy(deep=True)
    longer.training.epochs = 9
    assert calibration.kept(workspace, longer) == MEASURED, "how long it goes on does not change the speed of a step"


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"nonsense": 1})])
def test_a_broken_measurement_counts_as_none(workspace, text):
    path = calibration.kept_path(workspace, Recipe())
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert calibration.kept(workspace, Recipe()) is None
