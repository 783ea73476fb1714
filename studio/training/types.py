"""What goes into a training job and what comes out. Imports no torch, so that tasks can name these types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from studio.core.recipe import Recipe
from studio.data.types import Splits

Outcome = Literal["finished", "early", "stopped", "paused"]


class Emit(Protocol):
    """Append one event to the run's log: ``emit("metric", step=10, loss=2.1)``."""

    def __call__(self, kind: Any, **fields: Any) -> None: ...


@dataclass
class TrainJob:
    """All that is needed to train: a resolved recipe, the splits, a folder and a way to tell.

    Attributes:
        recipe: Resolved; no ``None`` left where a value is computed (method.kind, training.learning_rate, …).
        base_path: Local folder of the base model.
        splits: Cleaned and divided examples.
        run_dir: Where ``checkpoints/`` and ``model/`` go.
        emit: Appends one event.
        requested: Answers "", "pause" or "stop": what the person asked for meanwhile; polled at each step.
        resume_from: A checkpoint folder, or None.
    """

    recipe: Recipe
    base_path: Path
    splits: Splits
    run_dir: Path
    emit: Emit
    requested: Callable[[], str] = lambda: ""
    resume_from: Path | None = None

    @property
    def checkpoints_dir(self) -> Path:
        return self.run_dir / "checkpoints"

    @property
    def model_dir(self) -> Path:
        return self.run_dir / "model"


@dataclass
class TrainResult:
    """What training left behind. ``model`` (best weights restored, in eval mode) and ``tokenizer`` live in the worker
    that trained, for the report card; they are None when the run was paused.

    Attributes:
        outcome: ``finished`` (all steps), ``early`` (no more progress), ``stopped`` (the person; best kept), ``paused``.
        best_step: Step of the best validation loss (or the last step without validation rows).
        fast_path: Whether rows were packed; if not, ``fast_path_reason`` says why.
    """

    outcome: Outcome
    steps: int
    best_step: int | None
    best_validation_loss: float | None
    seconds: float
    tokens: int
    fast_path: bool
    fast_path_reason: str = ""
    model: Any = None
    tokenizer: Any = None
    labels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Calibration:
    """A few steps measured on this machine, with this base, method and data.

    Attributes:
        tokens_per_second: Real (unpadded) tokens learned from a second, steady state.
        evaluation_tokens_per_second: Same for the validation pass.
        step_overhead_s: Seconds a step takes beside its tokens.
        load_s: Seconds to load the base.
        generation_tokens_per_second: For sampled answers.
        peak_memory_gib: Highest memory of the process while measuring.
    """

    tokens_per_second: float
    evaluation_tokens_per_second: float
    step_overhead_s: float
    load_s: float
    generation_tokens_per_second: float
    peak_memory_gib: float
