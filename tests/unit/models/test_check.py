from dataclasses import replace

import pytest

from studio.core.recipe import Recipe
from studio.models import check as checking
from studio.models.check import check
from studio.models.folder import inspect_folder
from studio.models.types import DataFacts

FACTS = DataFacts(rows=100, lengths=(50,))


def fields(problems):
    return [p.field for p in problems]


def test_all_problems_are_told_at_once(cards, laptop):
    recipe = Recipe()
    recipe.method.kind, recipe.method.rank = "qlora", 300
    recipe.training.max_length = 9000
    recipe.training.batch_size, recipe.training.gradient_accumulation_steps = 64, 4
    recipe.data.split.validation = 0
    recipe.training.precision, recipe.training.early_stopping_patience = "fp16", 3
    assert fields(check(recipe, cards.tiny, FACTS, laptop)) == [
        "method.kind", "method.rank", "training.max_length", "training.gradient_accumulation_steps",
        "training.early_stopping_patience", "training.precision",
    ]  # fmt: skip


def test_an_untouched_recipe_has_no_problem(cards, laptop):
    assert check(Recipe(), cards.tiny, FACTS, laptop) == []


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(cards, laptop, rows):
    assert fields(check(Recipe(), cards.tiny, DataFacts(rows), laptop)) == ["data.split.train"]


def test_one_label_cannot_be_learned(cards, laptop):
    problems = check(Recipe(task="text_classification"), cards.tiny, DataFacts(50, labels=1), laptop)
    assert fields(problems) == ["data.roles"]


def test_a_base_for_another_task(cards, laptop):
    assert fields(check(Recipe(task="chat"), cards.encoder, FACTS, laptop)) == ["base.id"]


@pytest.mark.parametrize(("layers", "fine"), [(0, False), (1, True), (3, True), (4, False), (40, False)])
def test_frozen_layers_leave_some_to_learn(cards, laptop, layers, fine):
    recipe = Recipe()
    recipe.method.kind, recipe.method.freeze_layers = "freeze", layers
    assert fields(check(recipe, cards.tiny, FACTS, laptop)) == ([] if fine else ["method.freeze_layers"])


def test_a_misspelt_layer_is_named_with_the_nearest(make_folder, laptop):
    recipe = Recipe()
    recipe.method.kind, recipe.method.rank, recipe.method.target_modules = "lora", 4, "q_proj, dwn_proj, zzz"
    problems = check(recipe, inspect_folder(make_folder()), FACTS, laptop)
    assert fields(problems) == ["method.target_modules"] * 2
    assert "Use “down_proj”" in problems[0].message
    assert "Known: down_proj, q_proj" in problems[1].message


def test_no_layer_named(cards, laptop):
    recipe = Recipe()
    recipe.method.kind, recipe.method.target_modules = "lora", " , "
    assert fields(check(recipe, cards.tiny, FACTS, laptop)) == ["method.target_modules"]


def test_qlora_wants_its_package(cards, desktop, monkeypatch):
    recipe = Recipe()
    recipe.method.kind = "qlora"
    monkeypatch.setattr(checking, "find_spec", lambda name: None)
    assert "bitsandbytes" in check(recipe, cards.large, FACTS, desktop)[0].message
    monkeypatch.setattr(checking, "find_spec", lambda name: object())
    assert check(recipe, cards.large, FACTS, desktop) == []


def test_checks_that_would_never_come(cards, laptop):
    recipe = Recipe()
    recipe.training.epochs, recipe.training.batch_size, recipe.training.evaluation_interval = 1, 10, 11
    assert fields(check(recipe, cards.tiny, FACTS, laptop)) == ["training.evaluation_interval"]


def test_fp16_is_fine_on_a_graphics_card(cards, desktop):
    recipe = Recipe()
    recipe.training.precision, recipe.training.early_stopping_patience = "fp16", 3
    assert check(recipe, cards.tiny, FACTS, desktop) == []


def test_a_base_that_is_not_here_is_not_asked_for_its_layers(cards, laptop):
    recipe = Recipe()
    recipe.method.kind, recipe.method.target_modules = "lora", "anything"
    assert check(recipe, replace(cards.small, path=None), FACTS, laptop) == []
