"""The one way a model is tuned: transformers' ``Trainer`` with packed batches, our loss, and :class:`Progress`.

Tasks hand over what is theirs (rows, loss, samples) as a :class:`Work`; nothing here knows what is being learned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.training import packing, saving, setup
from studio.training.attention import PLAIN, inner_model, use_attention
from studio.training.checkpoints import checkpoint_path, forget_after, read_memory, step_of
from studio.training.packing import Rows
from studio.training.parity import PackedPath
from studio.training.progress import Memory, Pace, Progress
from studio.training.types import TrainJob, TrainResult


@dataclass
class Work:
    """What a task brings.

    Attributes:
        path: How the model is fed, and its loss (``__call__`` for the Trainer, ``measure`` for validation).
        next_token: Whether labels are learned one position earlier.
        sample: Answers the fixed prompts, or None.
    """

    model: Any
    tokenizer: Any
    path: PackedPath
    rows: Rows
    validation: Rows | None
    next_token: bool
    dtype: torch.dtype
    labels: list[str] = field(default_factory=list)
    sample: Callable[[Any], list[tuple[str, str]]] | None = None

    def finish(self) -> None:
        """The model is an ordinary one again."""
        self.path.loss.release()
        use_attention(self.model, PLAIN)

    def batch(self, rows: Rows, pack: list[int]) -> dict[str, Any]:
        if self.path.packed:
            return packing.flat_batch(rows, pack, next_token=self.next_token)
        pad = self.tokenizer.pad_token_id
        batch = packing.padded_batch(rows, pack, pad_id=pad if pad is not None else self.tokenizer.eos_token_id or 0)
        return batch if self.next_token else packing.row_labels(batch)


MakeWork = Callable[[Recipe, Path, Splits], Work]


def train(make_work: MakeWork, job: TrainJob) -> TrainResult:
    """Do the job with what the task makes of it.

    Raises:
        DataError: no row has anything to learn.
        RunError: out of memory (``code="out_of_memory"``), or the run broke down (``code="diverged"``).
    """
    setup.prepare_process(job.recipe.training.seed)
    with setup.told_plainly(job.recipe):
        return run(make_work(job.recipe, job.base_path, job.splits), job)


def run(work: Work, job: TrainJob) -> TrainResult:
    """Train, keep the best, save it to ``job.model_dir``.

    Raises:
        RunError: the run broke down before anything useful was learnt, or memory was not enough.
    """
    recipe = job.recipe
    plan = make_plan(work, recipe)
    memory = _memory_of(job)
    if work.path.reason:
        job.emit(
            "note",
            code="slow_path",
            level="caution",
            text=f"{work.path.reason} Training uses padded batches, which is slower.",
            step=0,
        )
    progress = Progress(
        make_pace(work, plan, recipe),
        job.emit,
        job.requested,
        job.checkpoints_dir,
        partial(evaluate, work) if work.validation is not None and len(work.validation) else None,
        work.sample,
        memory,
    )
    trainer = make_trainer(work, plan, job, progress)
    trainer.train(resume_from_checkpoint=str(job.resume_from) if job.resume_from else None)
    return _conclude(work, job, progress, trainer)


def make_plan(work: Work, recipe: Recipe) -> packing.Plan:
    """The micro-batches of the whole run."""
    training = recipe.training
    return packing.make_plan(
        work.rows.lengths,
        batch_size=training.batch_size or 8,
        packs_per_step=training.gradient_accumulation_steps * int(os.environ.get("WORLD_SIZE", "1")),
        epochs=training.epochs or 1,
        max_steps=training.max_steps,
        seed=training.seed,
        by_length=not work.path.packed,
    )


def make_pace(work: Work, plan: packing.Plan, recipe: Recipe) -> Pace:
    training = recipe.training
    per_pack = np.array([work.rows.lengths[pack].sum() if pack else 0 for pack in plan.packs])
    per_step = per_pack.reshape(plan.steps, -1).sum(1)
    return Pace(
        total_steps=plan.steps,
        steps_per_epoch=plan.steps_per_epoch,
        evaluation_interval=training.evaluation_interval or max(1, round(plan.steps / 10)),
        patience=training.early_stopping_patience or 0,
        keep_checkpoints=training.keep_checkpoints,
        learning_rate=training.learning_rate or 1e-4,
        tokens_by_step=np.concatenate([[0], np.cumsum(per_step)]),
    )


def make_trainer(work: Work, plan: packing.Plan, job: TrainJob, progress: Progress) -> Trainer:
    largest = max(int(work.rows.lengths[pack].sum()) if pack else 1 for pack in plan.packs)
    arguments = training_arguments(job, plan.steps, work.dtype)
    if setup.wants_gradient_checkpointing(job.recipe, work.model, largest, work.dtype):
        arguments.activation_checkpointing = True
        arguments.activation_checkpointing_kwargs = {"use_reentrant": False}
    trainer = Trainer(
        model=work.model,
        args=arguments,
        train_dataset=packing.PackDataset(plan.packs, partial(work.batch, work.rows)),
        data_collator=packing.only_item,
        compute_loss_func=work.path.loss,
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def training_arguments(job: TrainJob, steps: int, dtype: torch.dtype) -> TrainingArguments:
    """The recipe in the Trainer's own words. Logging, saving and checking are :class:`Progress`'s."""
    training = job.recipe.training
    schedule: dict[str, Any] = {}
    if training.schedule == "warmup_stable_decay":
        schedule = {"lr_scheduler_kwargs": {"num_decay_steps": max(1, round(0.2 * steps))}}
    name = "constant_with_warmup" if training.schedule == "constant" else training.schedule
    return TrainingArguments(
        output_dir=str(job.checkpoints_dir),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        max_steps=steps,
        learning_rate=training.learning_rate or 1e-4,
        lr_scheduler_type=name,
        **schedule,
        warmup_steps=round(training.warmup_ratio * steps),
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_gradient_norm,
        optim="adafactor" if training.optimizer == "adafactor" else "adamw_torch_fused",
        logging_steps=training.logging_interval or max(1, round(steps / 500)),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=training.seed,
        use_cpu=setup.device() == "cpu",
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        dataloader_pin_memory=setup.device() == "cuda",
    )


@torch.no_grad()
def evaluate(work: Work, model: Any) -> dict[str, float]:
    """Loss per learned token (or row) over all validation rows, and what else the loss measures."""
    rows = work.validation
    if rows is None:
        return {}
    capacity = max(int(rows.lengths.max()), min(8192, 16 * int(rows.lengths.mean())))
    packs = packing.evaluation_packs(rows.lengths, capacity, by_length=0 if work.path.packed else 16)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    rank, world = _rank_and_world()
    for pack in packs[rank::world]:
        batch = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in work.batch(rows, pack).items()}
        labels = batch.pop("labels")
        sums += torch.tensor(work.path.loss.measure(model(**batch), labels), dtype=torch.float64)
    model.train(training)
    if world > 1:
        on_device = sums.to(device)
        torch.distributed.all_reduce(on_device)
        sums = on_device.cpu()
    loss, count, right = (float(value) for value in sums)
    metrics = {"validation_loss": loss / max(1.0, count)}
    if right == right:
        metrics["validation_accuracy"] = right / max(1.0, count)
    return metrics


def _conclude(work: Work, job: TrainJob, progress: Progress, trainer: Trainer) -> TrainResult:
    memory, pace = progress.memory, progress.pace
    steps = trainer.state.global_step
    result = TrainResult(
        outcome=progress.outcome,
        steps=steps,
        best_step=memory.best_step,
        best_validation_loss=memory.best_loss,
        seconds=round(memory.seconds, 3),
        tokens=int(pace.tokens_by_step[steps]),
        fast_path=work.path.packed,
        fast_path_reason=work.path.reason,
        labels=list(work.labels),
    )
    if progress.outcome == "paused":
        return result
    if progress.failure:
        base = memory.history().base
        if memory.best_loss is None or (base is not None and memory.best_loss >= base):
            text, _, advice = progress.failure.text.partition(". ")
            raise RunError("The run broke down", f"{text}.", advice, code="diverged")
        result.outcome = "early"
    model = trainer.accelerator.unwrap_model(work.model, keep_fp32_wrapper=False)
    if (memory.best_step is not None and memory.best_step != steps) or progress.failure:
        saving.restore(model, checkpoint_path(job.checkpoints_dir, memory.best_step or 0))
    work.finish()
    model.eval()
    inner_model(model).config.use_cache = True
    if trainer.is_world_process_zero():
        saving.save_model(
            model, work.tokenizer, job.model_dir,
            recipe=job.recipe, base_path=job.base_path, best_step=memory.best_step, labels=work.labels,
        )  # fmt: skip
    result.model, result.tokenizer = model, work.tokenizer
    return result


def _memory_of(job: TrainJob) -> Memory | None:
    """
    Raises:
        RunError: the checkpoint to go on from is not whole.
    """
    if job.resume_from is None:
        return None
    values = read_memory(job.resume_from)
    if values is None:
        raise RunError(
            "This checkpoint cannot be read", f"{job.resume_from.name} is not whole.", "Resume from an earlier one."
        )
    forget_after(job.checkpoints_dir, step_of(job.resume_from))
    return Memory.from_dict(values)


def _rank_and_world() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
