"""The classification task's own judgement."""

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
