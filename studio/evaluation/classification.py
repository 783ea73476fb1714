"""Scores of a classifier from true and predicted labels, with intervals that pair base and tuned. No torch.

The values come from scikit-learn; the resampled ones from counts, because a thousand calls of scikit-learn take minutes.
Macro means: over the labels that occur in the test rows, each counting alike. A resample that drew no row of some label
averages over the others. Accuracy is a share of rows and has its interval from a formula; so has a macro mean whose
resamples are all alike (every row right, or none), for which that of accuracy is the narrowest that can be claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from studio.evaluation.bootstrap import Array, Interval, interval, matched_difference, resample_counts, wilson
from studio.evaluation.metrics import CLASSIFICATION_METRICS


@dataclass(frozen=True)
class Scores:
    """Base, tuned and their difference (tuned minus base), by metric."""

    base: dict[str, Interval]
    tuned: dict[str, Interval]
    difference: dict[str, Interval]


def compare(truth: Array, base: Array, tuned: Array, classes: int, seed: int) -> Scores:
    """
    Args:
        truth, base, tuned: (rows,) numbers of labels, 0 to ``classes`` - 1.
    """
    cells, counts = np.unique(np.stack([truth, base, tuned]), axis=1, return_counts=True)
    drawn = resample_counts(counts, seed)
    samples = [_from_counts(drawn, cells[0], cells[side], classes) for side in (1, 2)]
    values = [scores(truth, predicted) for predicted in (base, tuned)]
    shares = [wilson(int((truth == predicted).sum()), len(truth)) for predicted in (base, tuned)]
    gain = accuracy_gain(truth, base, tuned)
    result: tuple[dict[str, Interval], ...] = ({}, {}, {})
    for name in CLASSIFICATION_METRICS:
        for side in (0, 1):
            result[side][name] = _wide(values[side][name], samples[side][name], shares[side])
        result[2][name] = _wide(values[1][name] - values[0][name], samples[1][name] - samples[0][name], gain)
        if name == "accuracy":
            result[0][name], result[1][name], result[2][name] = *shares, gain
    return Scores(*result)


def _wide(value: float, samples: Array, share: Interval) -> Interval:
    """The resampled interval, or where it has no width that of accuracy."""
    if np.ptp(samples) > 0:
        return interval(value, samples)
    return Interval(value, min(value, share.low), max(value, share.high))


def accuracy_gain(truth: Array, rival: Array, tuned: Array) -> Interval:
    """How much more often ``tuned`` is right than ``rival`` on the same rows."""
    right, other = tuned == truth, rival == truth
    return matched_difference(int((right & ~other).sum()), int((other & ~right).sum()), len(truth))


def scores(truth: Array, predicted: Array) -> dict[str, float]:
    """Accuracy, and macro precision, recall and F1 over the labels that occur in ``truth``."""
    present = np.unique(truth)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=present, average="macro", zero_division=0
    )
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1),
        "precision": float(precision),
        "recall": float(recall),
    }


def confusion(truth: Array, predicted: Array, classes: int) -> list[list[int]]:
    """Rows are the true labels, columns what was answered."""
    return confusion_matrix(truth, predicted, labels=np.arange(classes)).tolist()


def per_class(truth: Array, base: Array, tuned: Array, labels: Sequence[str]) -> list[dict[str, float | int | str]]:
    """One line a label: test rows, and precision, recall and F1 of the tuned model, F1 of the base."""
    numbers = np.arange(len(labels))
    precision, recall, f1, rows = precision_recall_fscore_support(truth, tuned, labels=numbers, zero_division=0)
    base_f1 = precision_recall_fscore_support(truth, base, labels=numbers, zero_division=0)[2]
    return [
        {
            "label": label, "rows": int(rows[i]), "precision": float(precision[i]), "recall": float(recall[i]),
            "f1": float(f1[i]), "base_f1": float(base_f1[i]),
        }
        for i, label in enumerate(labels)
    ]  # fmt: skip


def _from_counts(drawn: Array, truth: Array, predicted: Array, classes: int) -> dict[str, Array]:
    """The same scores for each line of ``drawn`` (resamples, cells).

    Memory is (resamples, classes) a time: the confusion matrix itself is never built.
    """
    support = _sum_by(drawn, truth, classes)
    answered = _sum_by(drawn, predicted, classes)
    hits = _sum_by(np.where(truth == predicted, drawn, 0), truth, classes)
    present = support > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(answered > 0, hits / answered, 0.0)
        recall = np.where(present, hits / support, 0.0)
        f1 = np.where(present, 2 * hits / (support + answered), 0.0)
    labels = present.sum(axis=1)
    return {
        "accuracy": hits.sum(axis=1) / support.sum(axis=1),
        "macro_f1": f1.sum(axis=1) / labels,
        "precision": (precision * present).sum(axis=1) / labels,
        "recall": recall.sum(axis=1) / labels,
    }


def _sum_by(drawn: Array, groups: Array, classes: int) -> Array:
    totals = np.zeros((drawn.shape[0], classes))
    for group in np.unique(groups):
        totals[:, group] = drawn[:, groups == group].sum(axis=1)
    return totals
