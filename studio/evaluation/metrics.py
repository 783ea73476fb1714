"""What is measured on the held-back rows: one line a metric, read by the report card, the screens and the model card.

Imports no torch, so that the app may ask for titles.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """Words for the person, which way is better, and whether it is the one the verdict rests on."""

    title: str
    higher_is_better: bool
    headline: bool = False


CAUSAL_LM_METRICS: dict[str, Metric] = {
    "loss": Metric("Surprise per token of the right answer (held-out loss, nats)", False, headline=True),
    "perplexity": Metric("Choices it wavers between at each token (perplexity)", False),
    "chrf": Metric("Likeness of its own answers to the right ones (chrF, 0 to 100)", True),
}
CLASSIFICATION_METRICS: dict[str, Metric] = {
    "accuracy": Metric("Rows sorted right (accuracy)", True, headline=True),
    "macro_f1": Metric("Balance of found and right, every label counted alike (macro F1)", True),
    "precision": Metric("Right when it names a label (macro precision)", True),
    "recall": Metric("Rows of a label that it finds (macro recall)", True),
}


def headline(metrics: dict[str, Metric]) -> str:
    """The name of the metric the verdict rests on."""
    return next(name for name, metric in metrics.items() if metric.headline)
