"""What the coach says of curves made up by hand, noise included."""

from __future__ import annotations

import math
import random

import pytest

from studio.training.coach import History, diverged, review


def curve(function, steps=100, every=2, noise=0.0, seed=0):
    rng = random.Random(seed)
    return [(s, function(s) + rng.gauss(0, noise)) for s in range(1, steps + 1, every)]


def checks(*values, every=10):
    return [(i * every, value) for i, value in enumerate(values)]


def codes(history, total_steps=100):
    return [note.code for note in review(history, total_steps=total_steps, learning_rate=2e-4)]


def falling(s):
    return 1 + 2 * math.exp(-s / 30)


def test_nothing_is_said_too_early():
    assert codes(History([(1, 3.0)], [(0, 3.0)])) == []
    assert codes(History()) == []


@pytest.mark.parametrize("seed", range(5))
def test_learning_well(seed):
    history = History(curve(falling, noise=0.1, seed=seed), checks(3.0, 2.5, 2.1, 1.9, 1.7))
    assert codes(history) == ["learning"]


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_names_the_best_checkpoint(seed):
    history = History(curve(falling, noise=0.05, seed=seed), checks(3.0, 2.2, 1.9, 1.8, 1.9, 2.0, 2.1))
    notes = review(history, total_steps=100, learning_rate=2e-4)
    assert notes[0].code == "overfitting"
    assert notes[0].level == "caution"
    assert "since step 30" in notes[0].text


def test_one_bad_check_is_no_overfitting():
    assert "overfitting" not in codes(History(curve(falling), checks(3.0, 2.2, 1.9, 1.95)))


@pytest.mark.parametrize("seed", range(5))
def test_worse_than_before_tuning_is_told_first_with_what_to_do(seed):
    losses = curve(lambda s: 6.0, noise=0.3, seed=seed)
    losses[30] = losses[35] = (61, 20.0)
    note = review(History(losses, checks(5.94, 6.5, 6.4, 6.3)), total_steps=100, learning_rate=1.0)[0]
    assert (note.code, note.level) == ("worse_than_base", "caution")
    for said in ("6.30 at its best", "5.94 before", "a tenth", "another base"):
        assert said in note.text


def test_a_first_check_that_is_worse_is_too_early_to_tell():
    assert "worse_than_base" not in codes(History(curve(falling, steps=10), checks(3.0, 3.2)))


def test_one_checkpoint_better_than_the_base_is_enough():
    assert "worse_than_base" not in codes(History(curve(falling), checks(3.0, 2.5, 3.1, 3.2, 3.3)))


@pytest.mark.parametrize("seed", range(5))
def test_plateau(seed):
    history = History(curve(lambda s: 1.5, noise=0.02, seed=seed), checks(3.0, 1.6, 1.599, 1.601, 1.6))
    assert codes(history)[0] == "plateau"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops(bad):
    note = diverged(History([*curve(falling), (101, bad)]), learning_rate=1e-2)
    assert note.level == "stop"
    assert "0.002" in note.text


def test_a_validation_loss_that_is_no_number_stops():
    assert codes(History(curve(falling), checks(3.0, math.nan))) == ["diverged"]


def test_a_gradient_that_is_no_number_stops():
    assert codes(History(curve(falling), checks(3.0), [(99, math.nan)])) == ["diverged"]


def test_a_loss_that_rises_and_stays_stops():
    history = History(curve(lambda s: 2.0 if s < 40 else 9.0, noise=0.1))
    assert codes(history) == ["diverged"]


def test_a_single_jump_is_no_breakdown():
    losses = curve(falling)
    losses[30] = (61, 20.0)
    assert "diverged" not in codes(History(losses, checks(3.0, 2.0)))
    assert "spikes" not in codes(History(losses, checks(3.0, 2.0)))


@pytest.mark.parametrize("seed", range(5))
def test_several_jumps_are_told(seed):
    losses = curve(lambda s: 1.5, noise=0.03, seed=seed)
    for i in (20, 30, 40):
        losses[i] = (losses[i][0], 4.0)
    assert "spikes" in codes(History(losses, checks(3.0, 2.5, 2.0)))


@pytest.mark.parametrize("seed", range(5))
def test_a_steep_beginning_is_no_spike(seed):
    history = History(curve(lambda s: 1.8 + 5 * math.exp(-s / 8), noise=0.05, seed=seed), checks(7.0, 2.6, 2.4))
    assert "spikes" not in codes(history)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_learnt(seed):
    history = History(curve(lambda s: 3.0, noise=0.05, seed=seed), checks(3.0, 2.999, 3.001))
    note = review(history, total_steps=100, learning_rate=1e-6)[0]
    assert note.code == "nothing_learnt"
    assert "5e-06" in note.text


def test_without_validation_rows_the_coach_says_so():
    assert codes(History(curve(falling, noise=0.05))) == ["learning_unwatched"]


def test_sentences_end_and_never_shout():
    histories = [
        History(curve(falling), checks(3.0, 2.5)),
        History(curve(falling), checks(3.0, 2.2, 1.8, 1.9, 2.0)),
        History([*curve(falling), (101, math.nan)]),
        History(curve(lambda s: 3.0)),
    ]
    for history in histories:
        for note in review(history, total_steps=100, learning_rate=1e-4):
            assert note.text.endswith(".")
            assert "!" not in note.text
