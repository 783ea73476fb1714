"""The classification task's own judgement."""

from studio.core.assets import assets_dir
from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.tasks.text_classification import TextClassificationTask

task = TextClassificationTask()


def rows(*pairs):
    return [{"row": i, "text": text, "label": label} for i, (text, label) in enumerate(pairs)]


def test_both_sides_are_needed():
    assert [e["row"] for e in task.usable(rows(("a", "x"), ("", "x"), ("a", " "), ("b", "y")))] == [0, 3]


def test_prompts_take_turns_among_the_labels():
    assert task.prompts(rows(("a1", "x"), ("a2", "x"), ("b1", "y"), ("c1", "z")), 3) == ["a1", "b1", "c1"]


def test_prompts_are_as_many_as_there_are():
    assert task.prompts(rows(("a1", "x"), ("a1", "x"), ("", "y")), 3) == ["a1"]
    assert task.prompts([], 3) == []


def test_a_split_keeps_labels_in_proportion_and_groups_by_text():
    (example,) = rows(("a", "x"))
    assert (task.stratum(example), task.group_key(example)) == ("x", "a")


def test_the_rows_counted_are_the_rows_the_trainer_reads():
    recipe = Recipe(task=task.name)
    recipe.training.max_length = 64
    examples = rows(("The parcel never came.", "a long label of many words"), ("Where is my order?", "b"))
    base = assets_dir() / "base" / "seedling-5m"
    work = task.make_work(recipe, base, Splits(train=examples, validation=[], test=[]))
    assert task.lengths(examples, base) == work.rows.lengths.tolist()
