from dataclasses import dataclass, replace

import pytest

from studio.core.recipe import Recipe
from studio.models import suggest
from studio.models.estimate import estimate, memory_gib, planned_steps
from studio.models.types import DataFacts

FACTS = DataFacts(rows=100, lengths=(40, 60))


@dataclass
class Measured:
    tokens_per_second: float = 1000.0
    evaluation_tokens_per_second: float = 4000.0
    step_overhead_s: float = 0.01
    load_s: float = 2.0
    generation_tokens_per_second: float = 96.0
    peak_memory_gib: float = 1.0


def recipe_of(cards, machine, card=None, **training):
    recipe = Recipe()
    for name, value in training.items():
        setattr(recipe.training, name, value)
    return suggest.resolve(recipe, card or cards.tiny, FACTS, machine)


def test_steps_passes_and_tokens(cards, laptop):
    recipe = recipe_of(cards, laptop, epochs=3.0, batch_size=8)
    told = estimate(recipe, cards.tiny, FACTS, laptop)
    assert told.steps == 39
    assert told.passes == 3.0
    assert told.tokens == 300 * 50
    assert told.seconds is None
    assert not told.measured


def test_a_part_of_an_epoch_counts(cards, laptop):
    recipe = recipe_of(cards, laptop, epochs=0.5, batch_size=10)
    assert planned_steps(recipe.training, 100) == 5


def test_less_than_a_pass_is_told_as_such(cards, laptop):
    told = estimate(recipe_of(cards, laptop, epochs=0.001, batch_size=8), cards.tiny, FACTS, laptop)
    assert (told.steps, told.passes) == (1, 0.001)
    assert "1 step of 8 rows: 8 of 100 rows are seen, once." in told.reasons


def test_a_limit_on_steps_overrides_the_passes(cards, laptop):
    recipe = recipe_of(cards, laptop, max_steps=5, batch_size=10)
    told = estimate(recipe, cards.tiny, FACTS, laptop)
    assert (told.steps, told.passes, told.tokens) == (5, 0.5, 2500)


def test_cut_rows_count_only_what_is_read(cards, laptop):
    recipe = recipe_of(cards, laptop, epochs=1.0, batch_size=10, max_length=40)
    assert estimate(recipe, cards.tiny, FACTS, laptop).tokens == 100 * 40


def test_every_part_of_the_run_takes_its_time(cards, laptop):
    recipe = recipe_of(cards, laptop, epochs=3.0, batch_size=10, evaluation_interval=10)
    told = estimate(recipe, cards.tiny, FACTS, laptop, Measured(), validation_rows=20, test_rows=20)
    assert told.measured
    assert told.tokens_per_second == 1000
    assert told.memory_gib == pytest.approx(1.1)
    learning = 2.0 + 15_000 / 1000 + 30 * 0.01
    checking = 3 * (20 * 50 / 4000 + 3 * 64 / 96)
    exam = 2 * (20 * 50 / 4000 + 20 * 64 / (96 * 3))
    assert learning + checking + exam < told.seconds < 1.3 * (learning + checking + exam)


@pytest.mark.parametrize(
    "slower",
    [
        {"tokens_per_second": 500.0}, {"evaluation_tokens_per_second": 100.0}, {"step_overhead_s": 0.5}, {"load_s": 9.0},
        {"generation_tokens_per_second": 40.0},
    ],
    ids=lambda slower: next(iter(slower)),
)  # fmt: skip
def test_whatever_is_slower_makes_the_run_longer(cards, laptop, slower):
    recipe = recipe_of(cards, laptop, epochs=3.0, batch_size=10, evaluation_interval=10)
    usual, slow = (
        estimate(recipe, cards.tiny, FACTS, laptop, measured, validation_rows=20, test_rows=20).seconds
        for measured in (Measured(), Measured(**slower))
    )
    assert slow > usual


def test_without_validation_rows_no_time_goes_to_checks(cards, laptop):
    recipe = recipe_of(cards, laptop, epochs=3.0, batch_size=10, evaluation_interval=10)
    with_checks = estimate(recipe, cards.tiny, FACTS, laptop, Measured(), validation_rows=20).seconds
    assert estimate(recipe, cards.tiny, FACTS, laptop, Measured()).seconds < with_checks - 3 * 3 * 64 / 96


def test_the_verdict_follows_the_memory_that_is_free(cards, laptop):
    recipe = recipe_of(cards, laptop)
    needed = estimate(recipe, cards.tiny, FACTS, laptop).memory_gib
    for free, verdict in ((needed * 2, "fits"), (needed * 1.1, "tight"), (needed * 0.9, "won't fit")):
        machine = replace(laptop, available_memory_gib=free + 1)
        assert estimate(recipe, cards.tiny, FACTS, machine).verdict == verdict


def test_a_full_disk_does_not_fit_either(cards, laptop):
    told = estimate(recipe_of(cards, laptop), cards.tiny, FACTS, laptop, free_disk_gib=0.01)
    assert told.verdict == "won't fit"
    assert any("disk" in reason.lower() for reason in told.reasons)


def test_methods_need_less_memory_in_the_expected_order(cards, desktop):
    recipe = recipe_of(cards, desktop, cards.large, batch_size=4, max_length=512)
    needed = {}
    for kind in ("full", "freeze", "lora", "qlora"):
        recipe.method.kind, recipe.method.freeze_layers = kind, 24
        needed[kind] = memory_gib(cards.large, recipe.method, recipe.training, FACTS, desktop)
    assert needed["full"] > needed["freeze"] > needed["lora"] > needed["qlora"]
    assert 110 < needed["full"] < 170
    assert 15 < needed["lora"] < 24
    assert needed["qlora"] < 11


def test_checkpointing_and_adafactor_save_memory(cards, laptop):
    recipe = recipe_of(cards, laptop, cards.small, batch_size=8, max_length=2048)
    recipe.method.kind = "full"

    def needed():
        return memory_gib(cards.small, recipe.method, recipe.training, FACTS, laptop)

    plain = needed()
    recipe.training.gradient_checkpointing = "on"
    checkpointed = needed()
    recipe.training.optimizer = "adafactor"
    assert plain > checkpointed > needed()


def test_disk_counts_the_download_only_when_it_is_still_to_come(cards, laptop, tmp_path):
    far = replace(cards.small, download_gib=5.0)
    recipe = recipe_of(cards, laptop, far)
    here = replace(far, path=tmp_path)
    difference = estimate(recipe, far, FACTS, laptop).disk_gib - estimate(recipe, here, FACTS, laptop).disk_gib
    assert difference == pytest.approx(5.0)


def test_sorting_texts_has_no_vocabulary_of_scores(cards, laptop):
    recipe = recipe_of(cards, laptop, cards.small, batch_size=32, max_length=512)
    sorting = replace(FACTS, labels=5)
    arguments = (cards.small, recipe.method, recipe.training)
    assert memory_gib(*arguments, sorting, laptop) < memory_gib(*arguments, FACTS, laptop)


def test_unknown_lengths_still_give_an_answer(cards, laptop):
    assert estimate(recipe_of(cards, laptop), cards.tiny, DataFacts(rows=50), laptop).tokens > 0
