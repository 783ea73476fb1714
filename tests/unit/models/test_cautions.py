"""Settings far off and bases that do not know the rows' language are told, and stop nobody."""

from dataclasses import replace

import pytest

from studio.core.recipe import Recipe
from studio.models import suggest
from studio.models.catalogue import catalogue, embedded
from studio.models.cautions import cautions, language_caution, likely_cause, speaks
from studio.models.types import DataFacts

FACTS = DataFacts(rows=288, lengths=tuple(range(40, 92)) * 6)
ENGLISH = ("English",)


def told(card, hardware, facts=FACTS, language="", **chosen):
    recipe = Recipe()
    for name, value in chosen.items():
        setattr(recipe.training, name, value)
    return {c.field: c.message for c in cautions(suggest.resolve(recipe, card, facts, hardware), card, facts, language)}


@pytest.mark.parametrize("preset", suggest.PRESETS)
@pytest.mark.parametrize("which", ["tiny", "small", "large"])
@pytest.mark.parametrize("rows", [2, 20, 288, 50_000])
def test_what_is_suggested_needs_no_caution(cards, desktop, which, rows, preset):
    assert told(getattr(cards, which), desktop, DataFacts(rows, (60,)), preset=preset) == {}


@pytest.mark.parametrize(
    ("chosen", "field", "said"),
    [
        ({"learning_rate": 1.0}, "training.learning_rate", "1,000 times the suggested 0.001"),
        ({"learning_rate": 0.01}, "training.learning_rate", "10 times"),
        ({"learning_rate": 1e-4}, "training.learning_rate", "hardly anything is learnt"),
        ({"epochs": 0.001}, "training.epochs", "0.001 passes are less than one step"),
        ({"epochs": 0.1}, "training.epochs", "only 4 steps"),
        ({"epochs": 500.0}, "training.epochs", "by heart"),
        ({"max_steps": 2}, "training.max_steps", "only 2 steps"),
    ],
)
def test_a_value_ten_times_off_is_told_at_its_field(cards, laptop, chosen, field, said):
    found = told(cards.tiny, laptop, **chosen)
    assert list(found) == [field]
    assert said in found[field]


@pytest.mark.parametrize(
    "chosen", [{"learning_rate": 9e-3}, {"learning_rate": 1.2e-4}, {"epochs": 0.5}, {"max_steps": 40}]
)
def test_a_value_less_far_off_is_the_persons_business(cards, laptop, chosen):
    assert told(cards.tiny, laptop, **chosen) == {}


def test_a_caution_is_no_problem(cards, laptop):
    recipe = Recipe()
    recipe.training.learning_rate, recipe.training.epochs = 1.0, 0.001
    assert suggest.check(suggest.resolve(recipe, cards.tiny, FACTS, laptop), cards.tiny, FACTS, laptop) == []


def test_the_likely_cause_is_a_sentence_or_nothing(laptop, tmp_path):
    card = embedded()
    recipe = suggest.resolve(Recipe(), card, FACTS, laptop)
    assert likely_cause(recipe, card.path, 288, sorting=False) == ""
    recipe.training.learning_rate = 1.0
    assert likely_cause(recipe, card.path, 288, sorting=False).startswith("Likely cause: the learning rate is 1,000")
    assert likely_cause(recipe, tmp_path / "gone", 288, sorting=False) == ""


@pytest.mark.parametrize(
    ("languages", "language", "known"),
    [
        (ENGLISH, "Arabic", False),
        (ENGLISH, "mostly German", False),
        (ENGLISH, "several languages", False),
        (ENGLISH, "English", None),
        (ENGLISH, "mostly English", None),
        (ENGLISH, "", None),
        ((), "Arabic", None),
        (("Arabic", "English"), "mostly Arabic", True),
        (("German", "English"), "Arabic", False),
        (("German", "English"), "several languages", True),
        (("many",), "Arabic", True),
    ],
)
def test_who_speaks_what(cards, languages, language, known):
    card = replace(cards.tiny, languages=languages)
    assert speaks(card, language) is known
    assert bool(language_caution(card, language)) == (known is False)


def test_a_base_that_does_not_know_the_rows_is_told(cards, laptop):
    english = replace(cards.tiny, title="Seed", languages=ENGLISH)
    message = told(english, laptop, language="Arabic")["base.id"]
    assert "Seed knows English only, and your rows are in Arabic" in message
    assert "multilingual" in message


def test_the_catalogue_names_languages_as_the_data_step_does():
    from studio.data.stats import _LANGUAGES

    known = {*_LANGUAGES.values(), "many"}
    assert {name for card in catalogue() for name in card.languages} <= known
    assert sum(bool(card.languages) for card in catalogue()) >= len(catalogue()) - 1
    assert embedded().languages == ENGLISH
