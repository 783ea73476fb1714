"""The report card: base and tuned on the rows that training never saw. Runs in the worker that trained.

Base means the very weights the run started from (:mod:`studio.evaluation.base_model`). Per-row results go to
``predictions.jsonl`` beside the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.core.errors import RunError
from studio.data.types import Example
from studio.evaluation import classification
from studio.evaluation.base_model import base_causal_lm, base_classifier, base_notes
from studio.evaluation.bootstrap import Array, Interval, interval, resample_ratios
from studio.evaluation.metrics import CAUSAL_LM_METRICS, CLASSIFICATION_METRICS, Metric, headline
from studio.evaluation.predictions import conversation_lines, label_lines, write_predictions
from studio.evaluation.verdict import NO_NUMBERS, accuracy_verdict, loss_verdict
from studio.models.cautions import likely_cause

if TYPE_CHECKING:
    from studio.training.types import TrainJob, TrainResult

NO_ROWS = "No rows were held back, so nothing can be said about how good this model is. Hold some back in Prepare."


def evaluate_causal_lm(job: TrainJob, result: TrainResult) -> dict[str, Any]:
    """Held-out loss, perplexity and likeness of answers, base and tuned.

    Raises:
        RunError: there is no model to evaluate (the run was paused).
    """
    from studio.evaluation import losses
    from studio.evaluation.answers import TOKENS, likeness

    _need_model(result)
    examples, notes = _held_back(job)
    encoded, rendered = _encode_conversations(job, examples)
    if len(rendered) < len(examples):
        left_out = len(examples) - len(rendered)
        notes.append(f"{left_out} of {len(examples)} rows hold no answer within the length limit and were left out.")
    if not encoded:
        return _empty(job, CAUSAL_LM_METRICS, notes)
    pad_id = _pad_id(result.tokenizer)
    tuned = losses.row_losses(result.model, encoded, pad_id, _progress(job, result, "tuned model"))
    tuned_likeness = likeness(result, rendered, job)
    with base_causal_lm(job, result) as base_model:
        base = losses.row_losses(base_model, encoded, pad_id, _progress(job, result, "base"))
        base_likeness = likeness(result, rendered, job, model=base_model, rows=list(tuned_likeness))
    tokens = np.array([row.learned for row in encoded], dtype=float)
    totals = np.stack([base, tuned], axis=1)
    samples = resample_ratios(totals, tokens, job.recipe.training.seed)
    values = totals.sum(axis=0) / tokens.sum()
    gain = interval(values[0] - values[1], samples[:, 0] - samples[:, 1])
    with np.errstate(over="ignore"):
        columns = {"loss": (values, samples), "perplexity": (np.exp(values), np.exp(samples))}
    shared = [row for row in tuned_likeness if row in base_likeness]
    alike = None
    if shared:
        pairs = np.array([[base_likeness[row].score, tuned_likeness[row].score] for row in shared])
        columns["chrf"] = (pairs.mean(axis=0), resample_ratios(pairs, np.ones(len(pairs)), job.recipe.training.seed))
        alike = (float(columns["chrf"][0][0]), float(columns["chrf"][0][1]))
        notes.append(
            f"Likeness of answers was measured on {len(shared)} rows, the first {TOKENS} tokens of each answer."
        )
    metrics = {name: _entry(CAUSAL_LM_METRICS[name], *columns[name]) for name in columns}
    write_predictions(
        job.run_dir, conversation_lines(rendered, tokens, base, tuned, base_likeness, tuned_likeness)
    )  # fmt: skip
    usable = bool(np.isfinite(values[1]))
    (before, after), _ = columns["perplexity"]
    cause = likely_cause(job.recipe, job.base_path, len(job.splits.train), sorting=False)
    verdict = loss_verdict(len(encoded), float(before), float(after), gain, alike, cause) if usable else NO_NUMBERS
    return _report(job, len(encoded), CAUSAL_LM_METRICS, metrics, verdict, [*notes, *base_notes(job)])


def evaluate_classifier(job: TrainJob, result: TrainResult) -> dict[str, Any]:
    """Accuracy, macro F1, precision, recall and confusion matrices, base and tuned.

    Raises:
        RunError: there is no model to evaluate (the run was paused).
    """
    from studio.data.render import TextRenderer
    from studio.evaluation.predict import class_probabilities

    _need_model(result)
    examples, notes = _held_back(job)
    if not examples:
        return _empty(job, CLASSIFICATION_METRICS, notes)
    renderer = TextRenderer.from_folder(job.base_path)
    rows = renderer.encode_many([example.get("text", "") for example in examples], job.recipe.training.max_length)
    pad_id = _pad_id(result.tokenizer)
    tuned = class_probabilities(result.model, rows, pad_id, _progress(job, result, "tuned model"))
    with base_classifier(job, result) as base_model:
        base = class_probabilities(base_model, rows, pad_id, _progress(job, result, "base"))
    strange = sorted({e.get("label", "") for e in examples} - set(result.labels))
    if strange:
        notes.append(f"{len(strange)} labels of these rows never occur in the rows learned from and count as missed.")
    labels = [*result.labels, *strange]
    truth = np.array([labels.index(example.get("label", "")) for example in examples])
    write_predictions(job.run_dir, label_lines(examples, labels, base, tuned))
    report = _compare_classifiers(job, labels, truth, _likeliest(base), _likeliest(tuned), notes)
    if not np.isfinite(tuned).all():
        report["verdict"] = NO_NUMBERS
        for entry in report["metrics"].values():
            entry["tuned"] = entry["difference"] = {"value": None, "low": None, "high": None}
    return report


def _likeliest(probabilities: Array) -> Array:
    """The label each row was given; numbers that are none never win."""
    return np.nan_to_num(probabilities, nan=-1.0).argmax(axis=1)


def _compare_classifiers(
    job: TrainJob, labels: list[str], truth: Array, base: Array, tuned: Array, notes: list[str]
) -> dict[str, Any]:
    seed = job.recipe.training.seed
    compared = classification.compare(truth, base, tuned, len(labels), seed)
    metrics = {
        name: _words(metric) | {
            "base": compared.base[name].as_dict(),
            "tuned": compared.tuned[name].as_dict(),
            "difference": compared.difference[name].as_dict(),
        }
        for name, metric in CLASSIFICATION_METRICS.items()
    }  # fmt: skip
    common = Counter(example.get("label", "") for example in job.splits.train).most_common(1)
    majority = common[0][0] if common else labels[0]
    majority_accuracy = float((truth == labels.index(majority)).mean()) if majority in labels else 0.0
    base_accuracy = compared.base["accuracy"].value
    # The base guesses; to be of use the model must beat the better of the two ways to answer without having learned.
    if base_accuracy > majority_accuracy or np.array_equal(base, tuned):
        rival, rival_accuracy = "the base that has not seen your data", base_accuracy
        gain = compared.difference["accuracy"]
    else:
        rival, rival_accuracy = f"always answering “{majority}”", majority_accuracy
        gain = classification.accuracy_gain(truth, np.full_like(truth, labels.index(majority)), tuned)
    notes = [
        *notes,
        "The base cannot know your labels: it has a fresh, untrained last layer, so its numbers are chance level.",
        f"Always answering “{majority}”, the most frequent label, would be right on {majority_accuracy * 100:.0f} % of these rows.",
    ]
    cause = likely_cause(job.recipe, job.base_path, len(job.splits.train), sorting=True)
    verdict = accuracy_verdict(len(truth), compared.tuned["accuracy"], rival, rival_accuracy, gain, cause)
    report = _report(job, len(truth), CLASSIFICATION_METRICS, metrics, verdict, [*notes, *base_notes(job)])
    return report | {
        "labels": labels,
        "confusion": {side: classification.confusion(truth, answer, len(labels)) for side, answer in (("base", base), ("tuned", tuned))},
        "per_class": classification.per_class(truth, base, tuned, labels),
        "majority": {"label": majority, "accuracy": majority_accuracy},
    }  # fmt: skip


# -- the rows ----------------------------------------------------------------------------------------------------------


def _need_model(result: TrainResult) -> None:
    if result.model is None:
        raise RunError("There is no model to test", "The run was paused before it ended.", "Resume the run.")


def _held_back(job: TrainJob) -> tuple[list[Example], list[str]]:
    """The test rows; without any, the validation rows and a note that says what this means."""
    if job.splits.test:
        return job.splits.test, []
    if job.splits.validation:
        return job.splits.validation, [
            "No test rows were held back, so the validation rows were used. They also chose the best checkpoint, "
            "which makes these numbers a little too good."
        ]
    return [], [NO_ROWS]


def _encode_conversations(job: TrainJob, examples: list[Example]) -> tuple[list[Any], list[Example]]:
    """The rows exactly as training renders them; rows whose answer lies beyond the length limit fall out."""
    from studio.data.render import ChatRenderer
    from studio.evaluation.losses import EncodedRow

    renderer = ChatRenderer.from_folder(job.base_path)
    encoded, kept = [], []
    conversations = [example.get("messages", []) for example in examples]
    together = renderer.encode_many(conversations, job.recipe.training.max_length)
    for example, rendered in zip(examples, together, strict=True):
        row = EncodedRow(rendered.ids, rendered.labels)
        if row.learned:
            encoded.append(row)
            kept.append(example)
    return encoded, kept


def _pad_id(tokenizer: Any) -> int:
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    return int(tokenizer.eos_token_id or 0)


# -- what is written ---------------------------------------------------------------------------------------------------


def _words(metric: Metric) -> dict[str, Any]:
    return {"title": metric.title, "higher_is_better": metric.higher_is_better}


def _entry(metric: Metric, values: Array, samples: Array) -> dict[str, Any]:
    """Base, tuned and tuned minus base, each with its interval. ``values``: (2,), ``samples``: (resamples, 2)."""
    sides: list[Interval] = [interval(float(values[i]), samples[:, i]) for i in (0, 1)]
    with np.errstate(invalid="ignore"):
        difference = interval(float(values[1] - values[0]), samples[:, 1] - samples[:, 0])
    return _words(metric) | {
        "base": sides[0].as_dict(), "tuned": sides[1].as_dict(), "difference": difference.as_dict(),
    }  # fmt: skip


def _report(
    job: TrainJob, rows: int, declared: dict[str, Metric], metrics: dict[str, Any], verdict: str, notes: list[str]
) -> dict[str, Any]:
    return {
        "task": job.recipe.task,
        "rows": rows,
        "headline": headline(declared),
        "metrics": metrics,
        "verdict": verdict,
        "labels": [],
        "confusion": {},
        "notes": notes,
    }


def _empty(job: TrainJob, declared: dict[str, Metric], notes: list[str]) -> dict[str, Any]:
    return {
        "task": job.recipe.task, "rows": 0, "headline": headline(declared), "metrics": {}, "verdict": NO_ROWS, "labels": [],
        "confusion": {}, "notes": notes,
    }  # fmt: skip


def _progress(job: TrainJob, result: TrainResult, which: str) -> Callable[[float], None]:
    """Tells the screen at every tenth."""
    told = [-1]

    def tell(fraction: float) -> None:
        if int(fraction * 10) > told[0]:
            told[0] = int(fraction * 10)
            job.emit(
                "status",
                message=f"Testing the {which}: {fraction * 100:.0f} % of the held-back rows.",
                step=result.steps,
                total_steps=result.steps,
            )

    return tell
