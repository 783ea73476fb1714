"""One or two plain sentences that say what the numbers prove, and no more than they prove."""

from __future__ import annotations

from studio.evaluation.bootstrap import Interval

FEW_ROWS = 30
"""Below it nothing is called clear: percentile intervals of so few rows are too narrow (T. C. Hesterberg, "What Teachers
Should Know About the Bootstrap", The American Statistician 69, 2015, table 1)."""
TOO_FEW_ROWS = 10
"""Below it nothing is claimed at all."""
CLEAR_LOSS_GAIN = 0.05
"""Nats per token; about five per cent off the perplexity. Below it a sure gain is called a small one."""
CLEAR_ACCURACY_GAIN = 0.03
NO_NUMBERS = (
    "The tuned model gives no usable numbers (NaN): training went out of hand. "
    "Tune again with a smaller learning rate; do not use this model."
)
NEXT_STEP = "More rows to learn from, more passes or a larger base may bring one."


def few_rows_note(rows: int) -> str:
    """What few rows mean for the numbers; "" when there are enough."""
    if rows >= FEW_ROWS:
        return ""
    counted = "Only 1 row was" if rows == 1 else f"Only {rows} rows were"
    return f"{counted} held back for this test. With fewer than {FEW_ROWS} the numbers are rough; hold back more to be sure."


def loss_verdict(
    rows: int,
    base: float,
    tuned: float,
    gain: Interval,
    likeness: tuple[float, float] | None = None,
    cause: str = "",
) -> str:
    """
    Args:
        base: The base's perplexity.
        tuned: The tuned model's perplexity.
        gain: Base's loss minus tuned's, nats per token: above zero is a gain.
        likeness: chrF of the base's own answers and of the tuned model's, where they were measured.
        cause: Why it may have gone wrong, as sentences; told where there is no gain.
    """
    measured = f"perplexity {number(base)} → {number(tuned)} on {count(rows)} that training never saw"
    if rows < TOO_FEW_ROWS:
        return _too_few(measured, rows, "" if gain.value > 0 else cause)
    told = f"{measured} (95 % interval of the difference in loss: {signed(gain.low)} to {signed(gain.high)})."
    if gain.above_zero:
        parts = [_loss_gain(rows, gain, told)]
        if likeness and likeness[1] < likeness[0]:
            figures = f"{number(likeness[0])} → {number(likeness[1])}"
            parts.append(
                f"Its own answers, though, came out less like the right ones (chrF {figures}): read some in Compare."
            )
    elif gain.below_zero:
        advice = cause or "Try a smaller learning rate or fewer passes."
        parts = [f"Worse. The right answers surprise the tuned model more than the base: {told}", advice]
    else:
        parts = [f"No proof of a gain. Chance alone could explain the difference: {told}", cause or NEXT_STEP]
    return _sentences(*parts, few_rows_note(rows))


def _loss_gain(rows: int, gain: Interval, told: str) -> str:
    if gain.value < CLEAR_LOSS_GAIN:
        return f"A little better. The gain is small but more than chance: {told}"
    if rows < FEW_ROWS:
        return f"Better, as far as {count(rows)} can tell: {told}"
    return f"Clearly better. The tuned model finds the right answers much less surprising: {told}"


def accuracy_verdict(
    rows: int, tuned: Interval, rival: str, rival_accuracy: float, gain: Interval, cause: str = ""
) -> str:
    """
    Args:
        rival: What it is measured against, for the middle of a sentence ("always answering “billing”").
        gain: Tuned accuracy minus the rival's.
        cause: Why it may have gone wrong, as sentences; told where there is no gain.
    """
    shares = f"it sorts {percent(tuned.value)} of {count(rows)} right that training never saw"
    if rows < TOO_FEW_ROWS:
        return _too_few(f"{shares}, and {rival} {percent(rival_accuracy)}", rows, "" if gain.value > 0 else cause)
    measured = f"{shares} (95 % interval {percent(tuned.low)} to {percent(tuned.high)}), and {rival} {percent(rival_accuracy)}."
    rough = few_rows_note(rows)
    if gain.above_zero and gain.value < CLEAR_ACCURACY_GAIN:
        return _sentences(
            f"A little better than without your data: {measured}", "The gain is small but more than chance.", rough
        )
    if gain.above_zero:
        opening = f"Better, as far as {count(rows)} can tell" if rough else "Clearly better than without your data"
        return _sentences(f"{opening}: {measured}", rough)
    if gain.below_zero:
        advice = cause or "Check the labels, or try a smaller learning rate."
        return _sentences(f"Worse than without your data: {measured}", advice, rough)
    return _sentences(
        f"No proof of a gain: {measured}", "Chance alone could explain the difference.", cause or NEXT_STEP, rough
    )


def _too_few(measured: str, rows: int, cause: str) -> str:
    return _sentences(
        f"Too few rows to say: {measured}, and chance alone could do that.", cause,
        f"Hold back at least {FEW_ROWS} rows to know whether it got better.",
    )  # fmt: skip


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


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
