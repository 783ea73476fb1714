"""What a run will need, told before it starts: memory, disk and passes from shapes; time from a measurement.

Memory (bytes; N weights, T trainable ones, h hidden size, L layers, V vocabulary, n tokens computed at once):

    weights       N × (4 when all are trained, 2 or 4 when frozen, about 0.6 in 4 bit)
    gradients     T × 4
    optimiser     T × 8 for AdamW (two moments, Kingma & Ba 2015), T × 0.1 for Adafactor (Shazeer & Stern 2018)
    16-bit copy   N × 2 when float32 weights compute in bf16 or fp16 (the copies autocast keeps for a step)
    activations   34 × h × n × L in 16 bit, twice that in float32 (Korthikanti et al. 2022, eq. 2, without the term for
                  attention scores, which fused attention never stores); with gradient checkpointing 2 × h × n × L for
                  the kept inputs of the layers plus one layer in full (ibid., section 5)
    output        n × 0.7 × V × 8 for chat: scores in float32 and their gradients, only where a token is learned
    runtime       0.7 GiB for Python, torch and its libraries, 1.2 GiB with CUDA

A measured peak (:class:`~studio.training.types.Calibration`) replaces the sum where there is one.
"""

from __future__ import annotations

import math
from typing import Protocol

from studio.core.hardware import GIB, Hardware
from studio.core.recipe import MethodOptions, Recipe, TrainingOptions
from studio.models import practice
from studio.models.types import BaseCard, DataFacts, Estimate, Verdict

LEARNED_SHARE = 0.7
"""Share of a chat row's tokens that are learned (the answers)."""
SAMPLE_PROMPTS, SAMPLE_TOKENS = 3, 64
"""Answers written at each check when the recipe names no prompts, and how long they are."""
EXAM_ANSWERS, EXAM_SECONDS = 20, 8.0
"""Answers each model writes for the report card, and the longest it may take over them."""
_EXAM_SPEED_UP = 3.0
"""Ten answers at once, against the three at once that were measured."""
_BOOKKEEPING_S, _CHECK_S = 0.014, 0.03
"""What the Trainer, the event log and the coach take beside a step, and beside a check; measured on two cores."""
_WRITTEN_A_SECOND = 400e6
"""Bytes of a checkpoint written, flushed and summed in a second; an ordinary disk."""
_RUNTIME_GIB = {"cuda": 1.2}
_LINEAR_SUM = 18.5
"""Sum of (inputs + outputs) of a block's linear layers in units of the hidden size: queries 2, keys and values 2.5,
output 2, three feed-forward matrices 4 each."""
_FIT, _TIGHT = 0.8, 1.0
"""Up to this share of the memory it fits; up to this it is tight."""


class Measured(Protocol):
    """The shape of :class:`studio.training.types.Calibration`, which lies above this package."""

    @property
    def tokens_per_second(self) -> float: ...
    @property
    def evaluation_tokens_per_second(self) -> float: ...
    @property
    def step_overhead_s(self) -> float: ...
    @property
    def load_s(self) -> float: ...
    @property
    def generation_tokens_per_second(self) -> float: ...
    @property
    def peak_memory_gib(self) -> float: ...


def estimate(
    recipe: Recipe,
    card: BaseCard,
    facts: DataFacts,
    hardware: Hardware,
    calibration: Measured | None = None,
    validation_rows: int = 0,
    test_rows: int = 0,
    free_disk_gib: float | None = None,
) -> Estimate:
    """What a resolved recipe will need.

    Args:
        calibration: Measured with this base, method and data here; without it ``seconds`` stays None.
        free_disk_gib: Where the run will lie; when given, a disk too small counts as "won't fit".
    """
    steps = planned_steps(recipe.training, facts.rows)
    row_tokens = mean_tokens(facts, recipe.training.max_length)
    per_step = effective_batch(recipe.training)
    seen_rows = min(steps * per_step, math.ceil(facts.rows * passes(recipe.training, facts.rows)))
    tokens = round(seen_rows * row_tokens)
    computed = memory_gib(card, recipe.method, recipe.training, facts, hardware)
    memory = calibration.peak_memory_gib * 1.1 if calibration else computed
    available = hardware.training_memory_gib
    disk = disk_gib(card, recipe.method, recipe.training)
    verdict = verdict_for(memory, available)
    reasons = [
        f"Memory: {memory:.1f} GB, measured here." if calibration else f"Memory: {memory:.1f} GB, computed from the model's size.",
        _seen(recipe, facts, steps, per_step),
        f"Disk: {disk:.2f} GB for the tuned model and up to {recipe.training.keep_checkpoints + 1} checkpoints.",
    ]  # fmt: skip
    if verdict != "fits":
        reasons.append(f"This machine has {available:.1f} GB of memory free for it.")
    if free_disk_gib is not None and disk > free_disk_gib:
        verdict = "won't fit"
        reasons.append(f"Only {free_disk_gib:.1f} GB of disk are free.")
    seconds = speed = None
    if calibration:
        evaluations = steps // max(1, recipe.training.evaluation_interval or steps) if validation_rows else 0
        checkpoint = checkpoint_gib(card, recipe.method, recipe.training)
        seconds = _seconds(
            calibration, recipe, steps, tokens, row_tokens, evaluations, validation_rows, test_rows, checkpoint
        )
        speed = calibration.tokens_per_second
        reasons.append(f"Time: from {speed:,.0f} tokens a second measured on this machine.")
        if recipe.training.early_stopping_patience and validation_rows:
            reasons.append("The run may end sooner when it no longer improves.")
    return Estimate(
        memory_gib=memory,
        available_gib=available,
        disk_gib=disk,
        steps=steps,
        passes=float(f"{passes(recipe.training, facts.rows):.3g}"),
        tokens=tokens,
        verdict=verdict,
        seconds=seconds,
        tokens_per_second=speed,
        measured=calibration is not None,
        reasons=tuple(reasons),
    )


def _seen(recipe: Recipe, facts: DataFacts, steps: int, per_step: int) -> str:
    done, count = f"{steps:,} step{'' if steps == 1 else 's'} of {per_step:,} rows", passes(recipe.training, facts.rows)
    if count < 1:
        return f"{done}: {min(facts.rows, steps * per_step):,} of {facts.rows:,} rows are seen, once."
    return f"{done}: every row is seen about {count:g} times."


def _seconds(
    measured: Measured,
    recipe: Recipe,
    steps: int,
    tokens: int,
    row_tokens: float,
    evaluations: int,
    validation_rows: int,
    test_rows: int,
    checkpoint_gib: float,
) -> float:
    """Load, learn, check, keep checkpoints, write sample answers, and the report card at the end (base and tuned on the
    test rows)."""
    reading = max(1e-9, measured.evaluation_tokens_per_second)
    total = measured.load_s + tokens / max(1e-9, measured.tokens_per_second) + steps * measured.step_overhead_s
    total += evaluations * validation_rows * row_tokens / reading
    total += steps * _BOOKKEEPING_S + evaluations * (_CHECK_S + checkpoint_gib * GIB / _WRITTEN_A_SECOND)
    writing = measured.generation_tokens_per_second
    if writing > 0:
        prompts = len(recipe.training.sample_prompts) or SAMPLE_PROMPTS
        total += evaluations * prompts * SAMPLE_TOKENS / writing
        exam_tokens = min(EXAM_ANSWERS, test_rows) * SAMPLE_TOKENS
        total += 2 * min(EXAM_SECONDS, exam_tokens / (writing * _EXAM_SPEED_UP))
    return total + 2 * test_rows * row_tokens / reading


# -- counting ---------------------------------------------------------------------------------------------------------


def effective_batch(training: TrainingOptions) -> int:
    """Rows one step learns from."""
    return max(1, (training.batch_size or 1) * training.gradient_accumulation_steps)


def planned_steps(training: TrainingOptions, rows: int) -> int:
    """How many steps a resolved recipe takes over ``rows`` training rows; the trainer plans with the same numbers."""
    if training.max_steps:
        return training.max_steps
    each = math.ceil(max(1, rows) / effective_batch(training))
    return max(1, math.ceil(round(each * (training.epochs or 1), 6)))


def passes(training: TrainingOptions, rows: int) -> float:
    """How often each row is seen."""
    if training.max_steps:
        return training.max_steps * effective_batch(training) / max(1, rows)
    return float(training.epochs or 1)


def mean_tokens(facts: DataFacts, max_length: int | None) -> float:
    """Average tokens of a row, cut at ``max_length``; a guess of 128 when nothing has been counted."""
    if not facts.lengths:
        return float(min(128, max_length or 128))
    limit = max_length or max(facts.lengths)
    return max(1.0, sum(min(n, limit) for n in facts.lengths) / len(facts.lengths))


# -- memory and disk --------------------------------------------------------------------------------------------------


def verdict_for(memory: float, available: float) -> Verdict:
    if memory <= _FIT * available:
        return "fits"
    return "tight" if memory <= _TIGHT * available else "won't fit"


def computes_in_16_bit(training: TrainingOptions, hardware: Hardware) -> bool:
    """Whether matrix products run in bf16 or fp16."""
    chosen = training.precision
    if chosen == "auto":
        chosen = practice.precision(hardware)[0]
    return chosen in ("bf16", "fp16")


def trainable(card: BaseCard, method: MethodOptions, labels: int = 0) -> float:
    """How many weights learn; ``labels`` is 0 for models that write text."""
    h, layers = card.hidden_size or 1, max(1, card.layers)
    head = float(max(2, labels) * h) if labels else float(card.vocabulary * h)
    match method.kind:
        case "lora" | "qlora":
            share = 1.0
            if method.target_modules.strip() != "all-linear":
                share = min(1.0, len([n for n in method.target_modules.split(",") if n.strip()]) / 7)
            return method.rank * _LINEAR_SUM * h * layers * share + (head if labels else 0)
        case "head":
            return head
        case "freeze":
            blocks = max(0.0, card.parameters - card.vocabulary * h)
            return blocks * max(0, layers - method.freeze_layers) / layers + head
        case _:
            return float(card.parameters)


def memory_gib(
    card: BaseCard,
    method: MethodOptions,
    training: TrainingOptions,
    facts: DataFacts,
    hardware: Hardware,
) -> float:
    """Highest memory of training, by the formula at the top of this module."""
    half = computes_in_16_bit(training, hardware)
    learning = trainable(card, method, facts.labels)
    n, h = float(card.parameters), float(card.hidden_size or 1)
    adapter = method.kind in ("lora", "qlora")
    if method.kind == "qlora":
        weights = n * 0.6
    elif adapter or method.kind == "head":
        weights = n * (2 if half else 4)
    else:
        weights = n * (6 if half else 4)
    states = learning * (4 + (0.1 if training.optimizer == "adafactor" else 8))
    length = training.max_length or 512
    tokens = max(float(length), (training.batch_size or 1) * mean_tokens(facts, training.max_length))
    layer = (34.0 if half else 68.0) * h * tokens
    if method.kind == "head":
        activations = 2 * layer
    elif training.gradient_checkpointing == "on":
        activations = (2.0 if half else 4.0) * h * tokens * card.layers + layer
    else:
        activations = layer * max(1, card.layers)
    output = tokens * LEARNED_SHARE * card.vocabulary * 8 if not facts.labels else 0.0
    return (weights + states + activations + output) / GIB + _RUNTIME_GIB.get(hardware.device, 0.7)


def disk_gib(card: BaseCard, method: MethodOptions, training: TrainingOptions) -> float:
    """Checkpoints, the tuned model, and the download where it is still to come."""
    copies = training.keep_checkpoints + 1
    download = 0.0 if card.path is not None else card.download_gib
    return copies * checkpoint_gib(card, method, training) + _kept(card, method) * 4 / GIB + download + 0.02


def checkpoint_gib(card: BaseCard, method: MethodOptions, training: TrainingOptions) -> float:
    """One checkpoint: the weights that changed, and the optimiser's states."""
    states = trainable(card, method) * (0.1 if training.optimizer == "adafactor" else 8)
    return (_kept(card, method) * 4 + states) / GIB


def _kept(card: BaseCard, method: MethodOptions) -> float:
    return trainable(card, method) if method.kind in ("lora", "qlora") else float(card.parameters)
