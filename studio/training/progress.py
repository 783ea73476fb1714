"""What happens between the steps: events, checks on the validation rows, the best checkpoint, pause and stop.

One Trainer callback. Everything it must remember to go on after a pause is plain JSON in the checkpoint's marker.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from transformers import TrainerCallback

from studio.training import coach
from studio.training.checkpoints import checkpoint_path, mark_complete, prune
from studio.training.types import Emit, Outcome


class Evaluate(Protocol):
    def __call__(self, model: Any) -> dict[str, float]:
        """Metrics on the validation rows; ``validation_loss`` among them."""
        ...


@dataclass
class Pace:
    """The numbers a run is steered by, all resolved."""

    total_steps: int
    steps_per_epoch: int
    evaluation_interval: int
    patience: int
    keep_checkpoints: int
    learning_rate: float
    tokens_by_step: np.ndarray
    """Real tokens seen after each step; index 0 is 0."""


@dataclass
class Memory:
    """What outlives a pause."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    gradient_norms: list[tuple[int, float]] = field(default_factory=list)
    best_step: int | None = None
    best_loss: float | None = None
    checks_without_progress: int = 0
    seconds: float = 0.0
    last_note: str = ""

    def history(self) -> coach.History:
        return coach.History(self.losses, self.validation, self.gradient_norms)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Memory:
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        for name in ("losses", "validation", "gradient_norms"):
            known[name] = [(int(step), math.nan if v is None else float(v)) for step, v in known.get(name, [])]
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Progress(TrainerCallback):
    """
    Args:
        evaluate: Checks the validation rows; None when there are none.
        sample: Answers the fixed prompts; None when the task has none.
        memory: Fresh, or as read from the checkpoint the run goes on from.
    """

    def __init__(
        self,
        pace: Pace,
        emit: Emit,
        requested: Any,
        checkpoints_dir: Path,
        evaluate: Evaluate | None,
        sample: Any,
        memory: Memory | None = None,
    ) -> None:
        self.pace, self.memory = pace, memory or Memory()
        self.outcome: Outcome = "finished"
        self.failure: coach.Note | None = None
        self._emit_event, self._requested, self._folder = emit, requested, checkpoints_dir
        self._evaluate, self._sample = evaluate, sample
        self._resumed = memory is not None
        self._begun = time.monotonic()
        self._step_begun = self._begun
        self._step_seconds: float | None = None
        self._check_seconds = 0.0
        self._learning_seconds, self._tokens_at = 0.0, 0
        self._leader = True

    # -- Trainer's hooks ----------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self._leader = state.is_world_process_zero
        self._begun = time.monotonic() - self.memory.seconds
        self._tokens_at = int(self.pace.tokens_by_step[state.global_step])
        if self._resumed:
            self._status(f"Going on from step {state.global_step}.", state.global_step)
            return
        self._status("Looking at the base before the first step.", 0)
        if self._evaluate:
            started = time.monotonic()
            metrics = self._evaluate(model)
            self.memory.validation.append((0, metrics["validation_loss"]))
            self._emit("metric", step=0, epoch=0.0, **metrics)
            self._check_seconds = time.monotonic() - started
        self._answer_prompts(model, 0)
        self._status("Learning.", 0)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._step_begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        taken = time.monotonic() - self._step_begun
        self._learning_seconds += taken
        self._step_seconds = taken if self._step_seconds is None else 0.9 * self._step_seconds + 0.1 * taken
        step, pace = state.global_step, self.pace
        request = self._agreed_request()
        last = step >= pace.total_steps
        due = step % pace.evaluation_interval == 0 or last
        if due or request == "stop":
            self._check(model, step, state, control)
            if not self.failure and self._exhausted() and not last:
                self.outcome = "early"
                control.should_training_stop = True
            # A check takes a while: what was asked meanwhile must not wait for one more step.
            request = request or self._agreed_request()
        if request and not last and not control.should_training_stop:
            self.outcome = "paused" if request == "pause" else "stopped"
            control.should_training_stop = True
            control.should_save = not self.failure
        if control.should_save:
            # The loss shown is an average since the last log; a checkpoint must not cut one in two.
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if not logs or "loss" not in logs:
            return
        step, loss, norm = state.global_step, float(logs["loss"]), float(logs.get("grad_norm", math.nan))
        self.memory.losses.append((step, loss))
        self.memory.gradient_norms.append((step, norm))
        tokens = int(self.pace.tokens_by_step[step])
        speed = (tokens - self._tokens_at) / self._learning_seconds if self._learning_seconds > 0 else None
        self._learning_seconds, self._tokens_at = 0.0, tokens
        self._emit(
            "metric",
            step=step,
            epoch=self._epoch(step),
            loss=loss,
            learning_rate=float(logs["learning_rate"]),
            gradient_norm=norm,
            tokens_per_second=round(speed, 1) if speed else None,
            memory_gib=round(memory_gib(), 3),
            tokens=tokens,
        )
        self._status("Learning.", step)
        self._look_for_breakdown(control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.memory.seconds = time.monotonic() - self._begun
        if not self._leader:
            return
        mark_complete(checkpoint_path(self._folder, state.global_step), self.memory.as_dict())
        prune(self._folder, self.pace.keep_checkpoints, self.memory.best_step)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _check(self, model: Any, step: int, state: Any, control: Any) -> None:
        """Validation rows, prompts, the coach; a checkpoint is kept at each check."""
        if self.memory.validation and self.memory.validation[-1][0] == step:
            return
        started = time.monotonic()
        if self._evaluate:
            metrics = self._evaluate(model)
            loss = metrics["validation_loss"]
            self.memory.validation.append((step, loss))
            self._emit("metric", step=step, epoch=self._epoch(step), **metrics)
            self._look_for_breakdown(control)
            if self.failure:
                return
            if self.memory.best_loss is None or loss < self.memory.best_loss:
                self.memory.best_step, self.memory.best_loss = step, loss
                self.memory.checks_without_progress = 0
            else:
                self.memory.checks_without_progress += 1
        else:
            self.memory.best_step = step
        self._answer_prompts(model, step)
        self._coach()
        self._check_seconds = time.monotonic() - started
        control.should_save = True

    def _answer_prompts(self, model: Any, step: int) -> None:
        if self._sample and self._leader:
            for prompt, answer in self._sample(model):
                self._emit("sample", step=step, prompt=prompt, answer=answer)

    def _coach(self) -> None:
        """Say the most important thing, when it is a new one."""
        notes = coach.review(
            self.memory.history(), total_steps=self.pace.total_steps, learning_rate=self.pace.learning_rate
        )
        if notes and notes[0].code != self.memory.last_note:
            self.memory.last_note = notes[0].code
            self._emit("note", **notes[0].as_dict())

    def _look_for_breakdown(self, control: Any) -> None:
        if self.failure:
            return
        self.failure = coach.diverged(self.memory.history(), learning_rate=self.pace.learning_rate)
        if self.failure:
            self._emit("note", **self.failure.as_dict())
            control.should_training_stop = True
            control.should_save = False

    def _exhausted(self) -> bool:
        return 0 < self.pace.patience <= self.memory.checks_without_progress

    def _agreed_request(self) -> str:
        """What the person asked for; with several processes, what the first one read."""
        request = str(self._requested() or "") if self._leader else ""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            shared = [request]
            torch.distributed.broadcast_object_list(shared, src=0)
            request = str(shared[0])
        return request

    def _epoch(self, step: int) -> float:
        return round(step / self.pace.steps_per_epoch, 4)

    def _status(self, message: str, step: int) -> None:
        self._emit(
            "status",
            message=message,
            step=step,
            total_steps=self.pace.total_steps,
            seconds_left=self._seconds_left(step),
            best_step=self.memory.best_step,
        )

    def _seconds_left(self, step: int) -> float | None:
        if self._step_seconds is None:
            return None
        left = self.pace.total_steps - step
        checks = math.ceil(left / self.pace.evaluation_interval)
        return round(left * self._step_seconds + checks * self._check_seconds, 1)

    def _emit(self, kind: str, **fields: Any) -> None:
        if self._leader:
            self._emit_event(kind, **fields)


def memory_gib() -> float:
    """What the run holds now: the GPU's peak, or this process's memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1024**3
    return psutil.Process().memory_info().rss / 1024**3
