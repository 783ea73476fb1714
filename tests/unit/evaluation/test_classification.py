"""Scores of classifiers: the quick resampled ones agree with scikit-learn, and pairs stay pairs."""

import numpy as np
import pytest

from studio.evaluation import classification
from studio.evaluation.classification import _from_counts, accuracy_gain, compare, confusion, per_class, scores

TRUTH = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 0])
TUNED = np.array([0, 0, 1, 1, 1, 2, 2, 0, 2, 0])
BASE = np.array([3, 0, 1, 0, 1, 1, 2, 0, 0, 3])  # label 3 occurs in no true row


@pytest.mark.parametrize("predicted", [TUNED, BASE, TRUTH, np.full(10, 3)])
def test_scores_from_counts_equal_scikit_learn(predicted):
    cells, counts = np.unique(np.stack([TRUTH, predicted]), axis=1, return_counts=True)
    quick = _from_counts(counts[None, :], cells[0], cells[1], classes=4)
    for name, value in scores(TRUTH, predicted).items():
        assert quick[name][0] == pytest.approx(value), name


def test_the_same_answers_differ_by_zero_and_few_rows_leave_room_on_both_sides():
    compared = compare(TRUTH, TUNED, TUNED, classes=3, seed=0)
    for difference in compared.difference.values():
        assert difference.value == 0
        assert difference.low < 0 < difference.high


@pytest.mark.parametrize("rows", [1, 24])
def test_all_rows_right_is_no_certainty(rows):
    truth = np.arange(rows) % 4
    compared = compare(truth, (truth + 1) % 4, truth, classes=4, seed=0)
    for name, got in compared.tuned.items():
        assert (got.value, got.high) == (1, 1), name
        assert got.low < 0.9, name
        assert compared.base[name].high > 0.1, name
        assert compared.difference[name].low < 0.99, name


def test_intervals_hold_their_values():
    compared = compare(TRUTH, BASE, TUNED, classes=4, seed=0)
    for side in (compared.base, compared.tuned, compared.difference):
        for name, got in side.items():
            assert got.low <= got.value <= got.high, name


def test_a_gain_over_another_way_of_answering():
    truth = np.array([0, 1] * 40)
    gain = accuracy_gain(truth, np.zeros(80, dtype=int), truth)
    assert gain.value == 0.5
    assert gain.above_zero


def test_confusion_has_a_row_for_each_true_label_and_per_class_a_line():
    assert confusion(TRUTH, TUNED, 3) == [[3, 1, 0], [0, 2, 0], [1, 0, 3]]
    lines = per_class(TRUTH, BASE, TUNED, ["a", "b", "c", "d"])
    assert [line["rows"] for line in lines] == [4, 2, 4, 0]
    assert lines[1]["recall"] == 1
    assert lines[3]["f1"] == 0


def test_every_declared_metric_is_computed():
    assert set(scores(TRUTH, TUNED)) == set(classification.CLASSIFICATION_METRICS)
