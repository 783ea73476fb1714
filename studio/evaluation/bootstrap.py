"""How sure a number is: percentile intervals by resampling the held-back rows.

The rows of a test split are one draw out of many that could have been held back. Drawing rows with replacement and
computing the metric again, 1,000 times, shows how much it would vary (B. Efron, R. Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13). Base and tuned are computed on the *same* drawn rows, so their difference gets an
interval of its own, much narrower than the two apart: the paired bootstrap of P. Koehn, "Statistical Significance Tests
for Machine Translation Evaluation", EMNLP 2004.

Resampling knows no values but those it was given: where they are all alike it would call a guess a certainty. One row
therefore gets no interval, and shares of rows get intervals that do not collapse when all or none are right:
:func:`wilson` for one model, :func:`matched_difference` for two on the same rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RESAMPLES = 1_000
CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value and the 95 % interval around it, whose ends are NaN where nothing can be said of them."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For a report; what is not a finite number becomes None, as JSON has no other word for it."""
        return {key: (float(n) if np.isfinite(n) else None) for key, n in vars(self).items()}

    @property
    def above_zero(self) -> bool:
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        return self.high < 0


UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


def interval(value: float, samples: Array) -> Interval:
    """The middle 95 % of the resampled values; without any that is finite, the value alone."""
    finite = samples[np.isfinite(samples)]
    if not np.isfinite(value):
        return UNKNOWN
    if finite.size == 0:
        return Interval(float(value), float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(finite, [tail, 100 - tail])
    return Interval(float(value), float(low), float(high))


def wilson(successes: int, rows: int) -> Interval:
    """A share of rows with its score interval (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", JASA 22, 1927), which keeps its width when all or none succeed: 24 of 24 is 86 % to 100 %."""
    share, squared = successes / rows, _Z**2 / rows
    middle = (share + squared / 2) / (1 + squared)
    reach = _Z / (1 + squared) * math.sqrt(share * (1 - share) / rows + squared / (4 * rows))
    return Interval(share, min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach)))


def matched_difference(gained: int, lost: int, rows: int) -> Interval:
    """The difference of two shares of the same rows (A. Agresti, Y. Min, "Simple improved confidence intervals for
    comparing matched proportions", Statistics in Medicine 24, 2005): half a row is added to each of the four outcomes.

    Args:
        gained: Rows that only the first model has right.
        lost: Rows that only the second has right.
    """
    value, more, less, count = (gained - lost) / rows, gained + 0.5, lost + 0.5, rows + 2
    middle = (more - less) / count
    reach = _Z / count * math.sqrt(more + less - (more - less) ** 2 / count)
    return Interval(value, min(value, max(-1.0, middle - reach)), max(value, min(1.0, middle + reach)))


def resample_ratios(totals: Array, weights: Array, seed: int, resamples: int = RESAMPLES) -> Array:
    """Resampled ``sum(totals) / sum(weights)``: a mean per token when rows have different numbers of tokens.

    Args:
        totals: (rows, systems), e.g. summed losses of base and tuned.
        weights: (rows,), e.g. learned tokens.

    Returns:
        (resamples, systems); each line uses the same drawn rows for every system. All NaN for a single row, which says
        nothing about how much rows differ.
    """
    rows = len(weights)
    if rows < 2:
        return np.full((resamples, totals.shape[1]), np.nan)
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // max(1, rows * totals.shape[1]))
    parts = []
    for start in range(0, resamples, at_once):
        drawn = generator.integers(rows, size=(min(at_once, resamples - start), rows))
        parts.append(totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1)[:, None])
    return np.concatenate(parts)


def resample_counts(cells: Array, seed: int, resamples: int = RESAMPLES) -> Array:
    """Resampled counts of rows that fall into the same cell (true label, base's answer, tuned's answer).

    Drawing rows with replacement and counting cells is one multinomial draw over the cells, which costs the same for a
    hundred rows and for a million.

    Args:
        cells: (cells,) number of rows in each.

    Returns:
        (resamples, cells) of whole numbers, each line adding up to the number of rows.
    """
    rows = int(cells.sum())
    return np.random.default_rng(seed).multinomial(rows, cells / rows, size=resamples)
