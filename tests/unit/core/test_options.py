"""One declaration per setting: what forms, flags and messages are generated from."""

import pytest

from studio.core.errors import FieldProblem, RecipeError
from studio.core.options import Options, describe, option
from studio.core.recipe import SECTIONS, Recipe, TrainingOptions


class Cloth(Options):
    length: int = option(3, title="Length", help="How long.", unit="m", ge=1, le=9, group="Size")
    weight: float | None = option(None, title="Weight", help="How heavy.", gt=0)
    plain: int = 1


def test_a_setting_is_described_from_its_declaration():
    length, weight = describe(Cloth)
    assert (length.kind, length.default, length.minimum, length.maximum, length.unit) == ("int", 3, 1, 9, "m")
    assert (weight.kind, weight.optional, weight.default, weight.minimum) == ("float", True, None, 0)
    assert (length.above, weight.above, weight.below) == (False, True, False)


def test_fields_without_a_declaration_are_not_shown():
    assert "plain" not in [info.name for info in describe(Cloth)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_can_be_shown_to_a_person(section):
    for info in describe(SECTIONS[section]):
        assert info.title
        assert info.help.endswith(".")
        assert info.tier in {"simple", "advanced", "internal"}
        if info.kind == "choice":
            assert set(info.labels) == set(info.choices), info.name


def test_all_problems_are_told_at_once_each_at_its_field():
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(
            {"training": {"learning_rate": -1, "epochs": "many", "schedule": "zigzag"}, "method": {"rank": 0}}
        )
    assert {p.field for p in caught.value.problems} == {
        "training.learning_rate",
        "training.epochs",
        "training.schedule",
        "method.rank",
    }


def test_an_unknown_key_is_refused_by_name_with_the_nearest_known_one():
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict({"training": {"learnin_rate": 0.1}})
    (problem,) = caught.value.problems
    assert problem.field == "training.learnin_rate"
    assert "learning_rate" in problem.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "abc", [], {}])
def test_a_learning_rate_must_be_a_usable_number(value):
    with pytest.raises(RecipeError):
        Recipe.from_dict({"training": {"learning_rate": value}})


def test_assignments_are_checked_too():
    options = TrainingOptions()
    with pytest.raises(ValueError, match="greater than"):
        options.epochs = -1


def test_settings_are_counted_not_what_is_wrong_with_them():
    one, other = FieldProblem("training.epochs", "Too large."), FieldProblem("method.rank", "Too small.")
    assert RecipeError([one, FieldProblem(one.field, "Odd.")]).title == "One setting needs a change"
    assert RecipeError([one, other]).title == "2 settings need a change"
