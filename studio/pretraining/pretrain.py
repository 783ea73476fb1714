"""Pre-training: a stable phase without a fixed end, and a decay phase that starts from any of its checkpoints.

Both are the same loop over a mixture of token windows; they differ in window, mixture and schedule. Events go to
``<run>/events.jsonl`` in the format of every run, so that the studio's charts can show them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from transformers import LlamaForCausalLM

from studio.pretraining.checkpoint import load_checkpoint, save_checkpoint
from studio.pretraining.model import Optimisers, build_model, summed_loss
from studio.pretraining.packing import Mixture, read_tokens
from studio.pretraining.schedule import decay_factor, stable_factor
from studio.pretraining.settings import Settings

PhaseName = Literal["stable", "decay"]
Emit = Callable[..., None]


@dataclass
class Progress:
    """Where a run stands, over all its phases; saved in every checkpoint."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Wall-clock time of the training loops."""
    phase_step: int = 0
    passes: dict[str, float] = field(default_factory=dict)
    """How often each source has been read."""
    passes_before: dict[str, float] = field(default_factory=dict)
    """How often it had been when this phase began."""


@dataclass
class Job:
    """What one call of a training loop needs to know beside the settings."""

    settings: Settings
    tokens: Path
    run: Path
    emit: Emit
    minutes: float | None = None
    """Stop (with a checkpoint) after so much wall-clock time."""
    steps: int | None = None
    """Stop after so many steps of this phase; for the decay it is also the length of the fall."""
    should_stop: Callable[[], bool] = bool


def train_phase(phase: PhaseName, job: Job) -> Progress:
    """Train one phase until its steps, the time or a signal end it; goes on from its own checkpoint if there is one.

    The decay phase begins with the weights and optimiser state of the stable checkpoint (an adopted one has no such state).
    """
    settings = job.settings.pretraining
    options = settings.stable if phase == "stable" else settings.decay
    model, optimisers, mixture, progress = _start(phase, job)
    total = job.steps or (settings.stable_steps if phase == "stable" else settings.decay_steps)
    path = checkpoint_path(job.run, phase)
    validation = validation_windows(job, options.mixture, options.window)
    meter = _Meter(job.emit, progress, total, options.mixture, settings.optimiser.matrix_learning_rate)
    began = saved = time.monotonic()
    model.train()
    while progress.phase_step < total:
        factor = (
            stable_factor(progress.phase_step, settings.warmup_steps)
            if phase == "stable"
            else decay_factor(progress.phase_step, total, settings.decay_warmup_steps)
        )
        batch = torch.from_numpy(mixture.batch(options.windows_per_step))
        loss = summed_loss(model, batch[:, :-1], batch[:, 1:]) / batch[:, 1:].numel()
        loss.backward()
        norm = optimisers.step(factor)
        progress.step += 1
        progress.phase_step += 1
        progress.tokens += batch[:, 1:].numel()
        progress.passes = progress.passes_before.copy()
        for name, passes in mixture.passes().items():
            progress.passes[name] = progress.passes.get(name, 0.0) + passes
        meter.add(float(loss.detach()), norm, factor)
        if progress.phase_step % settings.log_every == 0:
            meter.log()
        if progress.phase_step % settings.validate_every == 0 or progress.phase_step == total:
            meter.validated(validate(model, validation))
        now = time.monotonic()
        out_of_time = job.minutes is not None and now - began > job.minutes * 60
        if job.should_stop() or out_of_time:
            break
        if now - saved > settings.checkpoint_minutes * 60:
            _save(path, model, optimisers, mixture, progress)
            saved = now
    _save(path, model, optimisers, mixture, progress)
    return progress


def checkpoint_path(run: Path, phase: str) -> Path:
    return run / "checkpoints" / f"{phase}.pt"


def validation_windows(job: Job, mixture: dict[str, float], window: int) -> dict[str, torch.Tensor]:
    """The first held-out windows of each source of ``mixture``: int64, shape (windows, window + 1)."""
    windows = {}
    for name, share in mixture.items():
        if share <= 0:
            continue
        tokens = read_tokens(job.tokens / name / "held_out.bin")
        count = min(job.settings.pretraining.validation_windows, (len(tokens) - 1) // window)
        if count:
            rows = [tokens[i * window : (i + 1) * window + 1] for i in range(count)]
            windows[name] = torch.from_numpy(np.stack(rows).astype(np.int64))
    return windows


@torch.no_grad()
def validate(model: LlamaForCausalLM, windows: dict[str, torch.Tensor]) -> dict[str, float]:
    """Nats a token for each source."""
    model.eval()
    losses = {}
    for name, rows in windows.items():
        total = sum(float(summed_loss(model, part[:, :-1], part[:, 1:])) for part in rows.split(8))
        losses[name] = total / rows[:, 1:].numel()
    model.train()
    return losses


class _Meter:
    """Averages between two log lines, and the events."""

    def __init__(self, emit: Emit, progress: Progress, total: int, shares: dict[str, float], rate: float) -> None:
        self._emit = emit
        self._progress = progress
        self._total = total
        self._shares = shares
        self._rate = rate
        self._clock = time.monotonic()
        self._tokens = progress.tokens
        self._losses: list[float] = []
        self._norm = 0.0
        self._factor = 0.0

    def add(self, loss: float, norm: float, factor: float) -> None:
        self._losses.append(loss)
        self._norm, self._factor = norm, factor

    def log(self) -> None:
        now = time.monotonic()
        seconds = max(now - self._clock, 1e-9)
        self._progress.seconds += seconds
        speed = (self._progress.tokens - self._tokens) / seconds
        self._emit(
            "metric",
            step=self._progress.step,
            epoch=round(max(self._progress.passes.values(), default=0.0), 4),
            loss=round(sum(self._losses) / len(self._losses), 4),
            learning_rate=self._rate * self._factor,
            gradient_norm=round(self._norm, 4),
            tokens_per_second=round(speed, 1),
            tokens=self._progress.tokens,
            memory_gib=round(psutil.Process().memory_info().rss / 2**30, 3),
        )
        self._clock, self._tokens, self._losses = now, self._progress.tokens, []

    def validated(self, losses: dict[str, float]) -> None:
        """One number weighted as the mixture is, and the parts beside it."""
        weights = {name: self._shares[name] for name in losses}
        mean = sum(losses[n] * w for n, w in weights.items()) / max(sum(weights.values()), 1e-9)
        self._emit(
            "metric",
            step=self._progress.step,
            validation_loss=round(mean, 4),
            tokens=self._progress.tokens,
            validation_losses={name: round(value, 4) for name, value in losses.items()},
        )
        self._emit(
            "status",
            message=f"{self._progress.tokens / 1e6:.2f} million tokens read; held-out loss {mean:.3f}",
            step=self._progress.step,
            total_steps=self._total,
        )


def _start(phase: PhaseName, job: Job) -> tuple[LlamaForCausalLM, Optimisers, Mixture, Progress]:
    settings = job.settings.pretraining
    options = settings.stable if phase == "stable" else settings.decay
    torch.set_num_threads(job.settings.threads)
    sources = {n: read_tokens(job.tokens / n / "train.bin") for n, share in options.mixture.items() if share > 0}
    mixture = Mixture(sources, options.mixture, options.window, settings.seed + (0 if phase == "stable" else 1))
    model = build_model(job.settings.shape, job.settings.tokenizer.vocabulary, settings.seed)
    rates = settings.optimiser.matrix_learning_rate, settings.optimiser.other_learning_rate
    optimisers = Optimisers(model, settings.optimiser, *rates)
    progress = Progress()
    own, stable = checkpoint_path(job.run, phase), checkpoint_path(job.run, "stable")
    if own.is_file() or phase == "decay":
        values = load_checkpoint(own if own.is_file() else stable)
        model.load_state_dict(values["model"])
        if values["optimisers"]:
            optimisers.restore(values["optimisers"])
        progress = Progress(**values["progress"])
        if own.is_file():
            mixture.restore(values["mixture"])
        else:
            progress.phase_step, progress.passes_before = 0, progress.passes
    return model, optimisers, mixture, progress


def _save(path: Path, model: LlamaForCausalLM, optimisers: Optimisers, mixture: Mixture, progress: Progress) -> None:
    values: dict[str, Any] = {
        "model": model.state_dict(),
        "optimisers": optimisers.state(),
        "mixture": mixture.state(),
        "progress": vars(progress).copy(),
    }
    save_checkpoint(path, values)
