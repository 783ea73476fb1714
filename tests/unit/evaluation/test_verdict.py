"""The verdict says what is proven, no more."""

import pytest

from studio.evaluation.bootstrap import Interval
from studio.evaluation.verdict import NEXT_STEP, accuracy_verdict, few_rows_note, loss_verdict, number

ONE_ROW = Interval(0.87, float("nan"), float("nan"))
SURE = Interval(1.2, 1.0, 1.4)


@pytest.mark.parametrize(
    ("gain", "opening"),
    [
        (Interval(1.2, 1.0, 1.4), "Clearly better."),
        (Interval(0.02, 0.01, 0.03), "A little better."),
        (Interval(0.3, -0.1, 0.7), "No proof of a gain."),
        (Interval(0.0, 0.0, 0.0), "No proof of a gain."),
        (Interval(-0.4, -0.5, -0.3), "Worse."),
    ],
)
def test_loss_verdicts(gain, opening):
    assert loss_verdict(84, 41.2, 9.31, gain).startswith(opening)


@pytest.mark.parametrize(
    ("gain", "opening"),
    [
        (Interval(0.5, 0.4, 0.6), "Clearly better"),
        (Interval(0.02, 0.001, 0.04), "A little better"),
        (Interval(0.1, -0.05, 0.25), "No proof of a gain"),
        (Interval(-0.1, -0.2, -0.05), "Worse"),
    ],
)
def test_accuracy_verdicts(gain, opening):
    verdict = accuracy_verdict(84, Interval(0.91, 0.84, 0.96), "always answering “billing”", 0.22, gain)
    assert verdict.startswith(opening)
    assert "91 %" in verdict
    assert "84 %" in verdict
    assert "22 %" in verdict


def test_small_tests_are_warned_of():
    assert "Only 1 row was" in few_rows_note(1)
    assert "Only 29 rows were" in few_rows_note(29)
    assert few_rows_note(30) == ""


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_very_few_rows_prove_nothing_however_large_the_gain(rows):
    told = loss_verdict(rows, 58.6, 24.5, ONE_ROW if rows == 1 else SURE)
    assert told.startswith("Too few rows to say: perplexity 58.6 → 24.5")
    assert "nan" not in told
    sorted_right = accuracy_verdict(rows, Interval(1, 0.4, 1), "always answering “a”", 0.3, Interval(0.7, 0.2, 1))
    assert sorted_right.startswith("Too few rows to say")
    assert "Hold back at least 30 rows" in sorted_right


@pytest.mark.parametrize("rows", [10, 29])
def test_few_rows_are_never_clear_and_the_verdict_itself_says_so(rows):
    told = loss_verdict(rows, 41.2, 9.31, SURE)
    sorted_right = accuracy_verdict(rows, Interval(1, 0.86, 1), "always answering “a”", 0.3, Interval(0.7, 0.5, 0.9))
    for verdict in (told, sorted_right):
        assert "Clearly" not in verdict
        assert verdict.startswith(f"Better, as far as {rows} rows can tell")
        assert f"Only {rows} rows were held back" in verdict


def test_answers_that_became_less_like_the_right_ones_are_told_beside_a_gain():
    assert "less like the right ones (chrF 10 → 8.37)" in loss_verdict(84, 41.2, 9.31, SURE, (10.0, 8.37))
    assert "chrF" not in loss_verdict(84, 41.2, 9.31, SURE, (10.0, 12.0))


CAUSE = "Likely cause: the learning rate is 1,000 times the suggested 0.001."


@pytest.mark.parametrize("gain", [Interval(0.1, -0.1, 0.3), Interval(-0.4, -0.5, -0.3)])
def test_without_a_gain_the_likely_cause_or_the_next_step_is_named(gain):
    share = Interval(0.2, 0.1, 0.3)
    assert CAUSE in loss_verdict(84, 6.0, 6.4, gain, cause=CAUSE)
    assert CAUSE in accuracy_verdict(84, share, "always answering “a”", 0.3, gain, CAUSE)
    assert NEXT_STEP not in loss_verdict(84, 6.0, 6.4, gain, cause=CAUSE)
    for advice in (loss_verdict(84, 6.0, 6.4, gain), accuracy_verdict(84, share, "the base", 0.3, gain)):
        assert NEXT_STEP in advice or "smaller learning rate" in advice


def test_a_gain_needs_no_cause():
    assert CAUSE not in loss_verdict(84, 41.2, 9.31, SURE, cause=CAUSE)
    assert CAUSE not in loss_verdict(1, 41.2, 9.31, ONE_ROW, cause=CAUSE)


@pytest.mark.parametrize(
    ("value", "text"), [(9.312, "9.31"), (41.2, "41.2"), (1240.4, "1,240"), (3.2e9, "3.2e+09"), (float("nan"), "not a number")]
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text
