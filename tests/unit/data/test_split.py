"""Splits: repeatable, in proportion, and without anything that crosses from one part to another."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from studio.core.recipe import SplitOptions
from studio.data.split import split_examples
from studio.data.text import normalise
from studio.data.types import Example, Splits

from .helpers import label, pair


def text(example: Example) -> str:
    return example.get("text") or "\n".join(m["content"] for m in example.get("messages", []) if m["role"] == "user")


def split(examples: list[Example], **options: object) -> Splits:
    return split_examples(examples, SplitOptions(**options), lambda e: e.get("label"), text)  # type: ignore[arg-type]


def parts(splits: Splits) -> list[list[Example]]:
    return [splits.train, splits.validation, splits.test]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_and_no_group_crosses(seed: int) -> None:
    generator = random.Random(seed)
    words = [f"Text {i}" for i in range(generator.randint(12, 60))]
    examples = []
    for row in range(generator.randint(10, 300)):
        said = generator.choice(words)
        said = generator.choice([said, said.upper(), f" {said}! "])
        examples.append(label(row, said, generator.choice("abc")))
    splits = split(examples, seed=seed, validation=generator.choice([0, 0.1, 0.3]), test=generator.choice([0.1, 0.4]))
    assert sorted(e["row"] for part in parts(splits) for e in part) == list(range(len(examples)))
    keys = [{normalise(text(e)) for e in part} for part in parts(splits)]
    assert not (keys[0] & keys[1])
    assert not (keys[0] & keys[2])
    assert not (keys[1] & keys[2])


def test_the_same_question_with_another_answer_stays_together() -> None:
    examples = [pair(i, f"Question {i // 2}", f"Answer {i}") for i in range(200)]
    for part in parts(split(examples)):
        assert all(count == 2 for count in Counter(text(e) for e in part).values())


def test_shares_are_kept() -> None:
    examples = [pair(i, f"Question {i}", "x") for i in range(1_000)]
    assert split(examples).sizes() == {"train": 800, "validation": 100, "test": 100}
    assert split(examples, train=0.5, validation=0, test=0.5).sizes() == {"train": 500, "validation": 0, "test": 500}


def test_labels_keep_their_proportions() -> None:
    examples = [label(i, f"Text {i}", "rare" if i % 10 == 0 else "common") for i in range(500)]
    for part, expected in zip(parts(split(examples)), (40, 5, 5), strict=True):
        assert sum(e["label"] == "rare" for e in part) == expected


def test_many_small_labels_still_fill_every_part() -> None:
    examples = [label(i, f"Text {i}", f"label {i // 3}") for i in range(150)]
    assert split(examples).sizes() == {"train": 120, "validation": 15, "test": 15}


def test_the_same_seed_gives_the_same_split() -> None:
    examples = [pair(i, f"Question {i}", "x") for i in range(100)]
    assert split(examples, seed=1) == split(examples, seed=1)
    assert split(examples, seed=1).test != split(examples, seed=2).test


@pytest.mark.parametrize("count", [10, 11, 15, 23])
def test_no_wanted_part_is_empty_from_ten_rows_on(count: int) -> None:
    for validation in (0.01, 0.1, 0.5):
        sizes = split([pair(i, f"Question {i}", "x") for i in range(count)], validation=validation, test=0.01).sizes()
        assert min(sizes.values()) >= 1


def test_one_text_only_cannot_be_divided_and_says_so() -> None:
    splits = split([pair(i, "Always the same", f"x{i}") for i in range(20)])
    assert splits.sizes() == {"train": 20, "validation": 0, "test": 0}
    assert any("too few different rows" in note for note in splits.notes)


def test_one_row_and_none() -> None:
    assert split([pair(0, "a", "b")]).sizes()["train"] == 1
    assert split([]).sizes() == {"train": 0, "validation": 0, "test": 0}


def own(count: int, names: tuple[str, ...]) -> list[Example]:
    return [{**pair(i, f"Question {i}", "x"), "split": names[i % len(names)]} for i in range(count)]


def test_the_data_s_own_split_is_kept() -> None:
    splits = split(own(30, ("train", "validation", "test")))
    assert splits.sizes() == {"train": 10, "validation": 10, "test": 10}
    assert all(e["split"] == "test" for e in splits.test)


def test_parts_the_data_does_not_name_come_from_its_training_rows() -> None:
    splits = split(own(100, ("train", "test")))
    assert splits.sizes()["test"] == 50
    assert splits.sizes()["validation"] > 0
    assert all(e["split"] == "train" for e in splits.validation)
    assert "no validation rows" in " ".join(splits.notes)


def test_texts_without_letters_are_not_all_one() -> None:
    examples = [label(i, "🙂" * (i + 1), "a") for i in range(20)]
    assert min(split(examples).sizes().values()) >= 1
