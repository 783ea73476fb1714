"""The verdict says what is proven, no more."""

import pytest

from studio.evaluation.bootstrap import Interval
from studio.evaluation.verdict import accuracy_verdict, few_rows_note, loss_verdict, number


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
    assert few_rows_note(30) is None


@pytest.mark.parametrize(
    ("value", "text"), [(9.312, "9.31"), (41.2, "41.2"), (1240.4, "1,240"), (3.2e9, "3.2e+09"), (float("nan"), "not a number")]
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text
