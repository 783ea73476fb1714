"""One or two plain sentences that say what the numbers prove, and no more than they prove."""

from __future__ import annotations

from studio.evaluation.bootstrap import Interval

FEW_ROWS = 30
CLEAR_LOSS_GAIN = 0.05
"""Nats per token; about five per cent off the perplexity. Below it a sure gain is called a small one."""
CLEAR_ACCURACY_GAIN = 0.03
NO_NUMBERS = (
    "The tuned model gives no usable numbers (NaN): training went out of hand. "
    "Tune again with a smaller learning rate; do not use this model."
)


def few_rows_note(rows: int) -> str | None:
    if rows >= FEW_ROWS:
        return None
    counted = "Only 1 row was" if rows == 1 else f"Only {rows} rows were"
    return f"{counted} held back for this test. With fewer than {FEW_ROWS} the numbers are rough; hold back more to be sure."


def loss_verdict(rows: int, base: float, tuned: float, gain: Interval) -> str:
    """
    Args:
        base: The base's perplexity.
        tuned: The tuned model's perplexity.
        gain: Base's loss minus tuned's, nats per token: above zero is a gain.
    """
    measured = f"perplexity {number(base)} → {number(tuned)} on {count(rows)} that training never saw"
    margin = f"95 % interval of the difference in loss: {signed(gain.low)} to {signed(gain.high)}"
    if gain.above_zero and gain.value >= CLEAR_LOSS_GAIN:
        return f"Clearly better. The tuned model finds the right answers much less surprising: {measured} ({margin})."
    if gain.above_zero:
        return f"A little better. The gain is small but more than chance: {measured} ({margin})."
    if gain.below_zero:
        return (
            f"Worse. The right answers surprise the tuned model more than the base: {measured} ({margin}). "
            "Try a smaller learning rate or fewer passes."
        )
    return f"No proof of a gain. Chance alone could explain the difference: {measured} ({margin})."


def accuracy_verdict(rows: int, tuned: Interval, rival: str, rival_accuracy: float, gain: Interval) -> str:
    """
    Args:
        rival: What it is measured against, for the middle of a sentence ("always answering “billing”").
        gain: Tuned accuracy minus the rival's.
    """
    measured = (
        f"it sorts {percent(tuned.value)} of {count(rows)} right that training never saw "
        f"(95 % interval {percent(tuned.low)} to {percent(tuned.high)}), and {rival} {percent(rival_accuracy)}"
    )
    if gain.above_zero and gain.value >= CLEAR_ACCURACY_GAIN:
        return f"Clearly better than without your data: {measured}."
    if gain.above_zero:
        return f"A little better than without your data: {measured}. The gain is small but more than chance."
    if gain.below_zero:
        return f"Worse than without your data: {measured}. Check the labels, or try a smaller learning rate."
    return f"No proof of a gain: {measured}. Chance alone could explain the difference."


def number(value: float) -> str:
    """Three figures: 9.31, 41.2, 1,240."""
    if value != value or abs(value) == float("inf"):
        return "not a number"
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def percent(value: float) -> str:
    return f"{value * 100:.0f} %"


def count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
