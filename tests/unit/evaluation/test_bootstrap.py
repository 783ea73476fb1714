"""Intervals hold what they promise."""

import numpy as np

from studio.evaluation.bootstrap import UNKNOWN, interval, resample_counts, resample_ratios


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
