"""Cards, presets and the receipt of the Model step."""

from dataclasses import replace

from studio.core.errors import FieldProblem
from studio.core.recipe import Recipe
from studio.models.types import BaseCard, Estimate
from studio.ui.views import model as words

CARD = BaseCard(
    id="tiny",
    title="Tiny 5M",
    parameters=5_250_000,
    context=512,
    licence="Apache-2.0",
    good_for="Trying.",
    embedded=True,
)
BIG = BaseCard(id="org/big", title="Big <b>7B</b>", parameters=7_000_000_000, context=8192, licence="MIT", good_for="Much.", gated=True, download_gib=14.2)  # fmt: skip
ESTIMATE = Estimate(memory_gib=0.9, available_gib=6.2, disk_gib=0.02, steps=315, passes=3, tokens=1000, verdict="fits", seconds=170, measured=True)  # fmt: skip
OFFERS = [(CARD, "fits", "Ready now."), (BIG, "won't fit", "")]


def test_the_suggested_card_says_why_and_the_chosen_one_what_it_costs() -> None:
    markup = words.cards(OFFERS, "tiny", suggested="tiny", estimate=ESTIMATE)
    assert "Suggested" in markup
    assert "Ready now." in markup
    assert "✓ fits · about 3 min · 0.9 GB" in markup
    assert "✕ won&#x27;t fit" in markup
    assert markup.count('aria-checked="true"') == 1
    assert "needs a login at the Hub" in markup
    assert "download 14 GB" in markup


def test_what_a_catalogue_or_a_folder_says_is_escaped() -> None:
    assert "<b>7B" not in words.cards(OFFERS, "tiny")


def test_the_search_wants_every_word_wherever_it_stands() -> None:
    assert [card.id for card, _, _ in words.matching(OFFERS, "big mit")] == ["org/big"]
    assert words.matching(OFFERS, "big apache") == []
    assert [card.id for card, _, _ in words.matching(OFFERS, "", fitting_only=True)] == ["tiny"]
    assert "No base" in words.cards([], "tiny")


def test_a_preset_says_what_it_costs() -> None:
    assert words.preset_label("Quick", replace(ESTIMATE, passes=1, seconds=40), False) == "Quick\n1 pass · about 40 s"
    assert words.preset_label("Quick", replace(ESTIMATE, seconds=None), True) == "Quick\n3 passes · measuring…"
    assert words.preset_label("Quick", None, False) == "Quick"


def test_a_part_of_a_pass_is_never_no_pass() -> None:
    assert words.passes(replace(ESTIMATE, passes=0.001)) == "0.001 passes"
    assert words.passes(replace(ESTIMATE, passes=0.25)) == "0.25 passes"
    assert words.passes(replace(ESTIMATE, passes=2.96)) == "3 passes"


def test_nothing_fits_while_settings_are_wrong() -> None:
    for wrong, said in ((1, "✕ mend 1 setting first"), (2, "✕ mend 2 settings first")):
        markup = words.receipt(ESTIMATE, Recipe(), wrong=wrong)
        assert said in markup
        assert "fits" not in markup
        card = words.cards([(CARD, "fits", "")], "tiny", estimate=ESTIMATE, wrong=wrong)
        assert said in card
        assert "fits" not in card


def test_the_receipt_names_the_fields_that_are_marked_for_they_may_be_folded_away() -> None:
    markup = words.receipt(ESTIMATE, Recipe(), wrong=2, marked=["Rank", "Times <through>"])
    assert "Marked above: Rank, Times &lt;through&gt;." in markup


def test_the_receipt_names_the_fields_that_are_far_off() -> None:
    assert "△ Far from what is suggested: Rate, Passes." in words.receipt(ESTIMATE, Recipe(), far=["Rate", "Passes"])
    assert "Far from" not in words.receipt(ESTIMATE, Recipe(), far=["Rate"], wrong=1)


def test_a_caution_stands_in_the_receipt_beside_the_verdict() -> None:
    markup = words.receipt(ESTIMATE, Recipe(), cautions=[FieldProblem("base.id", "English <only>.")])
    assert "△ English &lt;only&gt;." in markup
    assert "✓ fits" in markup


def test_a_card_says_when_it_does_not_know_the_language_of_the_rows() -> None:
    english, some = replace(CARD, languages=("English",)), replace(CARD, languages=("English", "German"))

    def markup(card: BaseCard, language: str) -> str:
        return words.cards([(card, "fits", "")], "", language=language)

    assert "△ English only; your rows are in Arabic." in markup(english, "mostly Arabic")
    assert "△ Not named among its languages: your rows are in Arabic." in markup(some, "Arabic")
    for card, language in ((english, "English"), (english, ""), (some, "German"), (CARD, "Arabic")):
        assert "△" not in markup(card, language)


def test_the_receipt_holds_memory_time_disk_steps_passes_what_is_kept_and_the_verdict() -> None:
    recipe = Recipe()
    recipe.method.kind = "lora"
    markup = words.receipt(ESTIMATE, recipe)
    for said in ("0.9 GB of 6.2 GB", "about 3 min", "20 MB", "315 in 3 passes", "a small adapter", "✓ fits"):
        assert said in markup


def test_a_time_that_was_not_measured_is_not_made_up() -> None:
    unmeasured = replace(ESTIMATE, seconds=None, measured=False)
    assert "measuring…" in words.receipt(unmeasured, Recipe(), measuring=True)
    assert "measured once the base is on this machine" in words.receipt(
        unmeasured, Recipe(), why_not="measured once the base is on this machine"
    )


def test_problems_without_a_field_stand_in_the_receipt_escaped() -> None:
    markup = words.receipt(None, None, problems=[FieldProblem("data", "No <rows>.")])
    assert "No &lt;rows&gt;." in markup
