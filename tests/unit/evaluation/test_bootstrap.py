"""Intervals hold what they promise."""

import math

import numpy as np
import pytest

from studio.evaluation.bootstrap import (
    UNKNOWN,
    interval,
    matched_difference,
    resample_counts,
    resample_ratios,
    wilson,
)


def test_about_95_of_100_intervals_hold_the_true_value():
    generator = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        rows = generator.normal(2.0, 0.7, size=(80, 1))
        samples = resample_ratios(rows, np.ones(80), seed=trial, resamples=400)[:, 0]
        got = interval(float(rows.mean()), samples)
        held += got.low <= 2.0 <= got.high
    assert 0.89 <= held / 200 <= 0.99


def test_a_paired_difference_is_surer_than_the_two_values_apart():
    generator = np.random.default_rng(1)
    hardness = generator.normal(3, 1, size=60)
    totals = np.stack([hardness, hardness - 0.1 + generator.normal(0, 0.02, size=60)], axis=1)
    samples = resample_ratios(totals, np.ones(60), seed=1)
    apart = interval(totals[:, 0].mean(), samples[:, 0])
    paired = interval(0.1, samples[:, 0] - samples[:, 1])
    assert paired.above_zero
    assert paired.high - paired.low < (apart.high - apart.low) / 10


def test_long_rows_weigh_as_many_tokens_as_they_have():
    samples = resample_ratios(np.array([[10.0], [1.0]]), np.array([100.0, 1.0]), seed=0, resamples=500)
    assert set(np.round(np.unique(samples), 6)) == {0.1, round(11 / 101, 6), 1.0}


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random((30, 2))
    first, second = (resample_ratios(values, np.ones(30), seed=7) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, resample_ratios(values, np.ones(30), seed=8))


def test_a_resample_of_counts_keeps_the_number_of_rows():
    drawn = resample_counts(np.array([5, 3, 2]), seed=3, resamples=50)
    assert drawn.shape == (50, 3)
    assert (drawn.sum(axis=1) == 10).all()


def test_what_is_not_a_number_stays_unknown_and_becomes_null():
    got = interval(float("nan"), np.array([1.0, 2.0]))
    assert got == UNKNOWN or got.as_dict() == {"value": None, "low": None, "high": None}
    assert interval(1.0, np.array([np.nan])).as_dict()["low"] is None


def test_one_row_has_a_value_and_no_interval():
    samples = resample_ratios(np.array([[30.0, 20.0]]), np.array([10.0]), seed=0)
    got = interval(1.0, samples[:, 0] - samples[:, 1])
    assert got.as_dict() == {"value": 1.0, "low": None, "high": None}
    assert not got.above_zero
    assert not got.below_zero


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(24, 24, 0.862, 1.0), (0, 24, 0.0, 0.138), (15, 20, 0.531, 0.888), (1, 1, 0.207, 1.0)],
)
def test_a_share_of_rows_has_the_interval_of_the_textbook(right, rows, low, high):
    got = wilson(right, rows)
    assert (got.value, got.low, got.high) == pytest.approx((right / rows, low, high), abs=1e-3)


def test_about_95_of_100_wilson_intervals_hold_a_share_near_one():
    held = [wilson(int(n), 24) for n in np.random.default_rng(0).binomial(24, 0.95, size=2000)]
    assert 0.92 <= sum(got.low <= 0.95 <= got.high for got in held) / len(held) <= 0.99


@pytest.mark.parametrize(("gained", "lost", "rows"), [(0, 0, 24), (24, 0, 24), (0, 24, 24), (3, 1, 24), (1, 0, 1)])
def test_a_matched_difference_never_collapses_and_holds_its_value(gained, lost, rows):
    got = matched_difference(gained, lost, rows)
    assert -1 <= got.low <= got.value <= got.high <= 1
    assert got.high - got.low > 0.05
    other = matched_difference(lost, gained, rows)
    assert math.isclose(other.low, -got.high)


def test_about_95_of_100_matched_intervals_hold_the_true_difference():
    outcomes = np.random.default_rng(1).multinomial(60, [0.35, 0.1, 0.55], size=2000)
    held = [matched_difference(int(gained), int(lost), 60) for gained, lost, _ in outcomes]
    assert 0.93 <= sum(got.low <= 0.25 <= got.high for got in held) / len(held) <= 0.98
