from dataclasses import replace

import pytest

from studio.core.hardware import Gpu
from studio.core.recipe import Recipe
from studio.models import practice, suggest
from studio.models.estimate import planned_steps
from studio.models.types import DataFacts

FACTS = DataFacts(rows=288, lengths=tuple(range(40, 92)) * 6)


def test_nothing_stays_open_and_everything_has_a_reason(cards, laptop):
    recipe = suggest.resolve(Recipe(), cards.tiny, FACTS, laptop)
    for name in ("epochs", "learning_rate", "batch_size", "max_length", "evaluation_interval", "logging_interval"):
        assert getattr(recipe.training, name) is not None
        assert recipe.reasons[f"training.{name}"]
    assert recipe.method.kind
    assert recipe.method.alpha == 32
    assert (recipe.training.precision, recipe.training.gradient_checkpointing) == ("float32", "off")


def test_resolving_leaves_the_recipe_it_was_given_alone(cards, laptop):
    recipe = Recipe()
    suggest.resolve(recipe, cards.tiny, FACTS, laptop)
    assert recipe == Recipe()


def test_resolving_twice_changes_nothing(cards, laptop):
    once = suggest.resolve(Recipe(), cards.small, FACTS, laptop)
    assert suggest.resolve(once, cards.small, FACTS, laptop) == once


def test_what_the_person_chose_is_kept(cards, laptop):
    recipe = Recipe()
    recipe.training.learning_rate, recipe.training.epochs, recipe.method.kind = 0.02, 2.5, "head"
    resolved = suggest.resolve(recipe, cards.tiny, FACTS, laptop)
    assert (resolved.training.learning_rate, resolved.training.epochs, resolved.method.kind) == (0.02, 2.5, "head")
    assert resolved.reasons["training.learning_rate"] == "chosen by you"


@pytest.mark.parametrize(
    ("which", "method"), [("tiny", "full"), ("small", "lora"), ("large", "lora"), ("encoder", "full")]
)
def test_the_method_suits_the_size(cards, desktop, which, method):
    base = getattr(cards, which)
    assert suggest.resolve(Recipe(task=base.tasks[-1]), base, FACTS, desktop).method.kind == method


def test_an_encoder_too_large_for_all_its_weights_gets_an_adapter(cards, laptop):
    small = replace(laptop, available_memory_gib=2.6)
    assert suggest.resolve(Recipe(task="text_classification"), cards.encoder, FACTS, small).method.kind == "lora"


def test_qlora_only_where_lora_does_not_fit_and_bitsandbytes_is_there(cards, desktop, monkeypatch):
    monkeypatch.setattr(suggest, "find_spec", lambda name: object())
    assert suggest.resolve(Recipe(), cards.large, FACTS, desktop).method.kind == "lora"
    small = replace(desktop, gpus=(Gpu("NVIDIA RTX A2000", 12.0),))
    assert suggest.resolve(Recipe(), cards.large, FACTS, small).method.kind == "qlora"
    monkeypatch.setattr(suggest, "find_spec", lambda name: None)
    assert suggest.resolve(Recipe(), cards.large, FACTS, small).method.kind == "lora"


@pytest.mark.parametrize("rows", [2, 10, 40, 300, 5_000, 200_000])
@pytest.mark.parametrize("preset", suggest.PRESETS)
def test_a_run_has_enough_steps_and_a_sane_number_of_checks(cards, laptop, rows, preset):
    facts = DataFacts(rows=rows, lengths=(60,))
    recipe = Recipe()
    recipe.training.preset = preset
    resolved = suggest.resolve(recipe, cards.small, facts, laptop)
    steps = planned_steps(resolved.training, rows)
    assert resolved.training.batch_size <= max(1, rows // 4)
    if rows >= 300:
        assert steps >= 60
    assert steps // resolved.training.evaluation_interval <= 20
    assert steps / resolved.training.logging_interval <= practice.POINTS_PER_CURVE
    assert suggest.check(resolved, cards.small, facts, laptop) == []


def test_more_thorough_means_more_passes_and_smaller_steps(cards, laptop):
    resolved = suggest.presets(Recipe(), cards.small, FACTS, laptop)
    epochs = [resolved[name].training.epochs for name in suggest.PRESETS]
    rates = [resolved[name].training.learning_rate for name in suggest.PRESETS]
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]
    assert rates == sorted(rates, reverse=True)


def test_a_preset_replaces_chosen_steps_but_not_the_method(cards, laptop):
    recipe = Recipe()
    recipe.training.epochs, recipe.training.max_steps, recipe.method.rank = 99, 7, 4
    quick = suggest.presets(recipe, cards.small, FACTS, laptop)["quick"]
    assert quick.training.epochs < 99
    assert quick.training.max_steps is None
    assert quick.method.rank == 4


def test_the_longest_row_is_kept_whole_when_it_is_not_far_off(cards, laptop):
    facts = DataFacts(rows=200, lengths=(100,) * 199 + (140,))
    assert suggest.resolve(Recipe(), cards.tiny, facts, laptop).training.max_length == 192
    odd = DataFacts(rows=200, lengths=(100,) * 199 + (900,))
    resolved = suggest.resolve(Recipe(), cards.tiny, odd, laptop)
    assert resolved.training.max_length == 128
    assert "900" in resolved.reasons["training.max_length"]


def test_the_longest_row_stays_within_what_the_base_reads(cards, laptop):
    facts = DataFacts(rows=20, lengths=(5000,) * 20)
    assert suggest.resolve(Recipe(), cards.tiny, facts, laptop).training.max_length == cards.tiny.context


def test_short_memory_divides_the_batch_before_it_costs_time(cards, laptop):
    facts = DataFacts(rows=5_000, lengths=(1_000,))
    roomy = suggest.resolve(Recipe(), cards.small, facts, replace(laptop, available_memory_gib=200.0)).training
    short = suggest.resolve(Recipe(), cards.small, facts, replace(laptop, available_memory_gib=8.0)).training
    assert short.batch_size < roomy.batch_size
    assert short.batch_size * short.gradient_accumulation_steps == roomy.batch_size
    assert short.gradient_checkpointing == "off"
    shortest = suggest.resolve(Recipe(), cards.small, facts, replace(laptop, available_memory_gib=4.0)).training
    assert shortest.gradient_checkpointing == "on"


@pytest.mark.parametrize(
    ("rows", "labels", "batch"), [(150, 0, 8), (90, 0, 4), (90, 6, 8), (3_000, 0, 16), (20_000, 6, 32)]
)
def test_the_batch_suits_the_rows_whatever_the_task_is_called(cards, desktop, rows, labels, batch):
    facts = DataFacts(rows=rows, lengths=(60,), labels=labels)
    training = suggest.resolve(Recipe(task="of a plug-in"), cards.tiny, facts, desktop).training
    assert training.batch_size * training.gradient_accumulation_steps == batch


def test_without_validation_rows_the_run_does_not_wait_for_them(cards, laptop):
    recipe = Recipe()
    recipe.data.split.validation = 0
    resolved = suggest.resolve(recipe, cards.tiny, FACTS, laptop)
    assert resolved.training.early_stopping_patience == 0
    assert suggest.check(resolved, cards.tiny, FACTS, laptop) == []


def test_rows_that_the_person_held_back_in_a_column_are_waited_for(cards, laptop):
    recipe = Recipe()
    recipe.data.split.validation, recipe.data.split.column = 0, "part"
    resolved = suggest.resolve(recipe, cards.small, FACTS, laptop)
    assert resolved.training.early_stopping_patience > 0


def test_a_short_run_of_a_tiny_model_is_never_stopped_early_unless_asked(cards, laptop):
    def patience(card, **chosen):
        recipe = Recipe()
        for name, value in chosen.items():
            setattr(recipe.training, name, value)
        resolved = suggest.resolve(recipe, card, FACTS, laptop)
        return resolved.training.early_stopping_patience, resolved.reasons["training.early_stopping_patience"]

    assert patience(cards.tiny) == (
        0,
        "0: so short a run is worth finishing; the best of its checks is kept all the same",
    )
    assert patience(cards.tiny, max_steps=10_000)[0] > 0
    assert patience(cards.small, max_steps=20)[0] > 0
    for chosen in (2, practice.PATIENCE):
        assert patience(cards.tiny, early_stopping_patience=chosen) == (chosen, "chosen by you")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("NVIDIA H200", "bf16"), ("NVIDIA GeForce RTX 4090", "bf16"), ("NVIDIA RTX 2000 Ada Generation", "bf16"),
     ("NVIDIA T400", "bf16"), ("Tesla T4", "fp16"), ("Tesla V100-SXM2-16GB", "fp16"),
     ("NVIDIA GeForce GTX 1660", "fp16"), ("NVIDIA GeForce RTX 2080 Ti", "fp16")],
)  # fmt: skip
def test_the_number_format_suits_the_graphics_card(desktop, name, expected):
    assert practice.precision(replace(desktop, gpus=(Gpu(name, 16.0),)))[0] == expected


def test_a_processor_computes_in_bf16_only_where_that_is_fast(laptop):
    assert practice.precision(laptop)[0] == "float32"
    assert practice.precision(replace(laptop, cpu_bf16=True))[0] == "bf16"


def test_a_fixed_number_of_steps_decides_the_passes(cards, laptop):
    recipe = Recipe()
    recipe.training.max_steps, recipe.training.batch_size = 36, 8
    assert suggest.resolve(recipe, cards.tiny, FACTS, laptop).training.epochs == 1.0


def test_a_tiny_decoder_sorts_texts_with_smaller_steps_than_it_chats(cards, laptop):
    chat = suggest.resolve(Recipe(), cards.tiny, FACTS, laptop).training.learning_rate
    sorting = replace(FACTS, labels=6)
    assert (
        suggest.resolve(Recipe(task="text_classification"), cards.tiny, sorting, laptop).training.learning_rate < chat
    )


def test_rows_counted_with_another_tokenizer_are_said_to_be_counted_so(cards, laptop, tmp_path):
    there, away = (replace(cards.small, path=path) for path in (tmp_path, None))
    reasons = [suggest.resolve(Recipe(), c, FACTS, laptop).reasons["training.max_length"] for c in (there, away)]
    assert reasons[0].endswith("your longest row has 91 tokens")
    assert reasons[1].endswith("your longest row has about 91 tokens")
