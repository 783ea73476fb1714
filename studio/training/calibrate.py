"""Measure a few real steps on this machine, so that "about 3 minutes" is a measurement and not a guess.

Loads the base, applies the method, and runs packed steps on the person's own rows for a few seconds; nothing is kept.
Meant for a process of its own: the peak memory it reports is the process's.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any

import torch

from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.training import engine, setup
from studio.training.attention import inner_model, plain_attention
from studio.training.engine import MakeWork, Work
from studio.training.progress import memory_gib
from studio.training.types import Calibration

MAX_SECONDS = 6.0
MIN_STEPS = 3
_ROWS = 256


def calibrate(make_work: MakeWork, recipe: Recipe, base_path: Path, splits: Splits) -> Calibration:
    """
    Args:
        make_work: The task's own, so that what is measured is what will be trained.
        recipe: Resolved, as for a :class:`~studio.training.types.TrainJob`.
        splits: The real rows; a few hundred of them are used.

    Raises:
        RunError: out of memory (``code="out_of_memory"``).
        DataError: no row has anything to learn.
    """
    setup.prepare_process(recipe.training.seed)
    with setup.told_plainly(recipe), _PeakMemory() as peak:
        few = Splits(train=splits.train[:_ROWS], validation=(splits.validation or splits.train)[:32], test=splits.test)
        started = time.perf_counter()
        work = make_work(recipe, base_path, few)
        load_s = time.perf_counter() - started
        try:
            speed, overhead = _measure_steps(work, recipe)
            evaluation = _measure_evaluation(work)
            generation = _measure_generation(work)
        finally:
            work.finish()
    return Calibration(
        tokens_per_second=speed,
        evaluation_tokens_per_second=evaluation,
        step_overhead_s=overhead,
        load_s=load_s,
        generation_tokens_per_second=generation,
        peak_memory_gib=peak.gib,
    )


def _measure_steps(work: Work, recipe: Recipe) -> tuple[float, float]:
    """(real tokens a second in forward and backward, seconds of the optimiser's part of a step); the first is warm-up."""
    plan = engine.make_plan(work, recipe)
    learning = [p for p in work.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-9, fused=True)
    device = next(work.model.parameters()).device
    work.model.train()
    speeds: list[float] = []
    overheads: list[float] = []
    begun = time.perf_counter()
    step = 0
    while step <= MIN_STEPS or time.perf_counter() - begun < MAX_SECONDS / 2:
        pack = plan.packs[step % len(plan.packs)]
        batch = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in work.batch(work.rows, pack).items()}
        labels = batch.pop("labels")
        started = time.perf_counter()
        with _autocast(work):
            outputs = work.model(**batch)
        work.path.loss(outputs, labels).backward()
        _wait(device)
        computed = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        _wait(device)
        if step > 0:
            speeds.append(int(work.rows.lengths[pack].sum()) / (computed - started))
            overheads.append(time.perf_counter() - computed)
        step += 1
        if time.perf_counter() - begun > MAX_SECONDS and step > 1:
            break
    return statistics.median(speeds), statistics.median(overheads)


def _measure_evaluation(work: Work) -> float:
    rows = work.validation
    if rows is None:
        return 0.0
    started = time.perf_counter()
    with _autocast(work):
        engine.evaluate(work, work.model)
    return rows.tokens / (time.perf_counter() - started)


def _measure_generation(work: Work) -> float:
    """Tokens a second of three answers written together; 0 for models that do not write."""
    model = work.model
    if not work.next_token:
        return 0.0
    prompt = torch.from_numpy(work.rows[0][0][:16].astype("int64"))[None].repeat(3, 1)
    prompt = prompt.to(next(model.parameters()).device)
    model.eval()
    with torch.no_grad(), plain_attention(model), _autocast(work):
        started = time.perf_counter()
        out = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, temperature=None, top_p=None,
            top_k=None, min_new_tokens=16, max_new_tokens=16, pad_token_id=0, use_cache=True,
        )  # fmt: skip
        taken = time.perf_counter() - started
    return (out.shape[1] - prompt.shape[1]) * len(prompt) / taken


def _autocast(work: Work) -> Any:
    kind = next(inner_model(work.model).parameters()).device.type
    return torch.autocast(kind, work.dtype, enabled=work.dtype != torch.float32)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _PeakMemory:
    """The most memory this process (or the GPU) held meanwhile, GiB."""

    def __enter__(self) -> _PeakMemory:
        self.gib = memory_gib()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self.gib = max(self.gib, memory_gib())

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.gib = max(self.gib, memory_gib())
