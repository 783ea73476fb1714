"""What the Export step says of each purpose."""

import pytest

from studio.core.recipe import Recipe
from studio.ui.views import export as words
from studio.ui.views.export import PURPOSES

ADAPTER, MERGED, BUNDLE = PURPOSES


def recipe(kind: str) -> Recipe:
    made = Recipe()
    made.method.kind = kind  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("kind", ["full", "head", "freeze"])
def test_a_run_without_an_adapter_says_why_there_is_none(kind: str) -> None:
    reason = words.why_not(ADAPTER, recipe(kind))
    assert "no separate adapter" in reason
    assert reason in words.card(ADAPTER, {}, reason)
    assert words.why_not(MERGED, recipe(kind)) == ""


def test_adapter_runs_offer_all_three() -> None:
    assert [words.why_not(purpose, recipe("lora")) for purpose in PURPOSES] == ["", "", ""]


def test_each_card_says_what_it_is_for_its_size_and_what_it_needs() -> None:
    markup = words.card(MERGED, {"state": "none"}, expected=21_100_000)
    for said in ("Run it anywhere with Transformers", "merged", "about 21.1 MB", "Needs Python with transformers"):
        assert said in markup


def test_an_adapter_that_brings_its_base_is_not_called_small() -> None:
    alone, packed = (words.card(ADAPTER, {}, expected=11_800_000, with_base=with_base) for with_base in (False, True))
    assert "Only what was learned, as a small file" in alone
    assert "and the base model" in alone
    assert "with the base it sits on" in packed
    for wrong in ("Only what was learned", "small file", "and the base model"):
        assert wrong not in packed


def test_checked_is_said_only_of_what_was_checked() -> None:
    ready = {"state": "ready", "size": 2_100_000, "checked": True}
    assert "✓ checked against the app" in words.card(BUNDLE, ready)
    assert "2.1 MB, one zip file" in words.card(BUNDLE, ready)
    assert "checked against" not in words.card(BUNDLE, {**ready, "checked": False})
    assert "checked against" not in words.card(BUNDLE, {"state": "working", "progress": 0.5, "checked": True})


EXACT = {"compared": "3 greedy answers", "identical": True, "dtype": "float32", "equal": True}
ROUNDED = {**EXACT, "identical": False, "dtype": "bfloat16"}


def test_the_same_answers_are_claimed_only_where_they_were_seen_and_with_the_number_format() -> None:
    ready = {"state": "ready", "checked": True}
    said = words.card(MERGED, {**ready, "parity": EXACT})
    assert "it answers as the model in the app does, both computing in float32" in said
    said = words.card(MERGED, {**ready, "parity": ROUNDED})
    assert "answers as the model in the app does" not in said
    assert "single words of an answer may differ" in said
    assert "both computing in bfloat16" in said


def test_a_bundle_is_as_exact_as_the_least_exact_model_in_it() -> None:
    ready = {"state": "ready", "checked": True}
    said = words.card(BUNDLE, {**ready, "parity": {"equal": True, "adapter": EXACT, "model": ROUNDED}})
    assert "single words of an answer may differ" in said
    said = words.card(BUNDLE, {**ready, "parity": {"equal": True, "adapter": EXACT, "model": EXACT}})
    assert "it answers as the model in the app does" in said


def test_progress_and_failure_are_told_escaped() -> None:
    working = words.card(MERGED, {"state": "working", "progress": 0.42, "message": "Merging <x>."})
    assert 'aria-valuenow="42"' in working
    assert "Merging &lt;x&gt;." in working
    failed = words.card(MERGED, {"state": "failed", "message": "The disk is full."})
    assert "Not made" in failed
    assert "The disk is full." in failed
    assert words.button_label({"state": "failed"}) == "Try again"
