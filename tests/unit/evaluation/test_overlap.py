"""chrF behaves as published."""

import pytest

from studio.evaluation.overlap import chrf


def test_equal_texts_score_100_whatever_their_spaces():
    assert chrf("the cat sat", "the  cat\nsat") == pytest.approx(100)


def test_texts_with_no_letter_in_common_score_0():
    assert chrf("abc", "xyz") == 0


def test_a_value_worked_out_by_hand():
    # 1-grams: 2 of 2 said, 2 of 3 wanted; 2-grams: 1 of 1, 1 of 2. P = 1, R = (2/3 + 1/2) / 2 = 7/12; 5PR / (4P + R).
    assert chrf("ab", "abc") == pytest.approx(100 * 5 * (7 / 12) / (4 + 7 / 12))


@pytest.mark.parametrize(("answer", "reference", "score"), [("", "", 100), ("", "word", 0), ("word", " ", 0)])
def test_empty_texts(answer, reference, score):
    assert chrf(answer, reference) == score
