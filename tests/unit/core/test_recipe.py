"""A recipe repeats a run: YAML in and out, and a fingerprint over what decides the result."""

import pytest
import yaml

from studio.core.errors import RecipeError
from studio.core.recipe import AppliedFix, Recipe, Source


def filled() -> Recipe:
    recipe = Recipe(name="support-1", task="chat")
    recipe.data.sources = [Source(path="a.csv", sha256="00")]
    recipe.data.roles = {"user": "question", "assistant": "answer"}
    recipe.data.fixes = [AppliedFix(check="exact_duplicates", fix="drop_duplicates")]
    recipe.training.learning_rate = 2e-4
    recipe.reasons["training.learning_rate"] = "chosen by you"
    return recipe


def test_yaml_round_trip_keeps_everything(tmp_path):
    filled().save(tmp_path / "recipe.yaml")
    assert Recipe.load(tmp_path / "recipe.yaml") == filled()


def test_the_file_is_plain_yaml_a_person_can_read():
    assert yaml.safe_load(filled().to_yaml())["training"]["learning_rate"] == 2e-4


def test_fingerprint_ignores_name_and_reasons_but_not_settings():
    one, two = filled(), filled()
    two.name, two.reasons = "other", {}
    assert one.fingerprint() == two.fingerprint()
    two.training.seed = 7
    assert one.fingerprint() != two.fingerprint()


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b", "a: [1, 2", "!!python/object/apply:os.system ['true']", "\x00"]
)
def test_what_is_not_a_recipe_ends_in_a_message(text):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text)
    assert caught.value.problems[0].message


def test_a_recipe_of_a_newer_studio_is_refused_with_that_as_the_one_reason():
    text = Recipe().to_yaml().replace("version: 1", "version: 2") + "new_setting: 1\n"
    with pytest.raises(RecipeError, match="newer studio") as caught:
        Recipe.from_yaml(text)
    assert [problem.field for problem in caught.value.problems] == ["version"]
    assert "Update Tailor Studio" in str(caught.value)


def test_an_empty_section_means_the_defaults():
    assert Recipe.from_yaml("training:\nmethod:\n").training == Recipe().training


def test_a_missing_or_binary_file_ends_in_a_message(tmp_path):
    with pytest.raises(RecipeError, match="There is no file"):
        Recipe.load(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RecipeError, match="cannot be read"):
        Recipe.load(tmp_path / "x.yaml")


@pytest.mark.parametrize("level", ["[", "{a: ", "- ", "? ", "{[", "-\t"])
def test_a_file_nested_without_end_is_refused_and_ends_nothing(level):
    with pytest.raises(RecipeError):
        Recipe.from_yaml(level * 200_000)


def test_depth_written_line_by_line_is_refused_too():
    with pytest.raises(RecipeError):
        Recipe.from_yaml("\n".join(" " * depth + "a:" for depth in range(4000)))
