"""The instruction stage: dialogues with loss on the answers only, and some plain text against forgetting.

Rows are drawn with the source's share first and, within a source, long answers ever more rarely: a small model that is asked
for three sentences keeps the thread, one that is asked for three paragraphs does not. Draws depend on the seed and the step
alone, so that a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from studio.pretraining.checkpoint import load_checkpoint, save_checkpoint
from studio.pretraining.corpus import Document, read_documents
from studio.pretraining.model import IGNORED, Optimisers, build_model, summed_loss
from studio.pretraining.packing import Mixture, read_tokens
from studio.pretraining.pretrain import Emit, Progress, checkpoint_path
from studio.pretraining.schedule import decay_factor
from studio.pretraining.settings import Instruction, Settings
from studio.pretraining.tokenizer import PAD

TEXT_WINDOW = 256
MICRO_TOKENS = 4096
ROUNDED = 64
"""Row lengths are padded up to a multiple of this: the CPU's matrix library keeps a plan, with its memory, for every new shape."""


@dataclass(frozen=True)
class Row:
    """One dialogue; ``learned[i]`` tells whether token ``i`` is part of an answer (its closing mark included)."""

    ids: list[int]
    learned: list[bool]

    @property
    def answer_length(self) -> int:
        return sum(self.learned)


def encode_dialogue(tokenizer: Tokenizer, document: Document, max_length: int) -> Row | None:
    """Tokens as the chat template writes them, cut after the last answer that fits whole; None if none does."""
    ids: list[int] = []
    learned: list[bool] = []
    whole = 0
    for message in document["messages"]:
        head = tokenizer.encode(f"<|im_start|>{message['role']}\n", add_special_tokens=False).ids
        body = tokenizer.encode(f"{message['content']}<|im_end|>", add_special_tokens=False).ids
        tail = tokenizer.encode("\n", add_special_tokens=False).ids
        answer = message["role"] == "assistant"
        ids += head + body
        learned += [False] * len(head) + [answer] * len(body)
        if len(ids) > max_length:
            break
        if answer:
            whole = len(ids)
        ids += tail
        learned += [False] * len(tail)
    return Row(ids[:whole], learned[:whole]) if whole else None


class Rows:
    """The rows of every source and the draws from them."""

    def __init__(self, rows: dict[str, list[Row]], options: Instruction) -> None:
        self._rows = {name: found for name, found in rows.items() if found and options.mixture.get(name, 0) > 0}
        self._names = list(self._rows)
        shares = np.array([options.mixture[name] for name in self._names])
        self._shares = shares / shares.sum()
        self._weights = {name: _length_weights(found, options.longest_answer) for name, found in self._rows.items()}
        self._options = options

    def draw(self, step: int) -> list[Row]:
        """Rows for ``step``: as many as fill the step's tokens."""
        random = np.random.default_rng([self._options.seed, step])
        chosen: list[Row] = []
        wanted = self._options.tokens_per_step * (1 - self._options.text_share)
        while sum(len(row.ids) for row in chosen) < wanted:
            name = self._names[random.choice(len(self._names), p=self._shares)]
            chosen.append(self._rows[name][random.choice(len(self._rows[name]), p=self._weights[name])])
        return chosen


def batches(rows: list[Row]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(inputs, targets), rows of like length together, padded on the right; targets outside answers are -100."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    group: list[Row] = []
    for row in ordered:
        if group and (len(group) + 1) * _rounded(len(row.ids) - 1) > MICRO_TOKENS:
            yield _pad(group)
            group = []
        group.append(row)
    if group:
        yield _pad(group)


@dataclass
class InstructJob:
    settings: Settings
    work: Path
    run: Path
    emit: Emit
    start: str = "decay"
    """Checkpoint to start from."""
    steps: int | None = None
    should_stop: Callable[[], bool] = bool


def instruct(job: InstructJob) -> Progress:
    """Run the stage from the decayed weights; goes on from its own checkpoint if there is one."""
    options = job.settings.instruction
    torch.set_num_threads(job.settings.threads)
    rows, held_out = load_rows(job)
    texts = {n: read_tokens(job.work / "tokens" / n / "train.bin") for n, s in options.text_mixture.items() if s > 0}
    text = Mixture(texts, options.text_mixture, TEXT_WINDOW, options.seed) if options.text_share > 0 else None
    model, optimisers, progress = _start(job, text)
    total = job.steps or options.steps
    path = checkpoint_path(job.run, "instruct")
    clock, losses, tokens = time.monotonic(), [], progress.tokens
    model.train()
    while progress.phase_step < total and not job.should_stop():
        factor = decay_factor(progress.phase_step, total, options.warmup_steps)
        loss, count, read = _step_loss(model, rows.draw(progress.phase_step), text, options)
        norm = optimisers.step(factor, scale=1 / count)
        progress.step += 1
        progress.phase_step += 1
        progress.tokens += read
        losses.append(loss / count)
        if progress.phase_step % job.settings.pretraining.log_every == 0:
            now = time.monotonic()
            progress.seconds += now - clock
            job.emit(
                "metric",
                step=progress.step,
                loss=round(sum(losses) / len(losses), 4),
                learning_rate=options.matrix_learning_rate * factor,
                gradient_norm=round(norm, 4),
                tokens_per_second=round((progress.tokens - tokens) / max(now - clock, 1e-9), 1),
                tokens=progress.tokens,
            )
            clock, losses, tokens = now, [], progress.tokens
        if progress.phase_step % 100 == 0 or progress.phase_step == total:
            job.emit("metric", step=progress.step, validation_loss=round(answer_loss(model, held_out), 4))
            _save(path, model, optimisers, text, progress)
    _save(path, model, optimisers, text, progress)
    return progress


def load_rows(job: InstructJob) -> tuple[Rows, list[Row]]:
    """Training rows, and the held-out rows of all sources together."""
    from studio.pretraining.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(job.work / "tokenizer")
    options = job.settings.instruction
    parts: dict[str, dict[str, list[Row]]] = {"train": {}, "held_out": {}}
    for name, share in options.mixture.items():
        if share <= 0:
            continue
        for part, found in parts.items():
            documents = read_documents(job.work / "text" / name / f"{part}.jsonl")
            encoded = (encode_dialogue(tokenizer, document, options.max_length) for document in documents)
            found[name] = [row for row in encoded if row is not None]
    return Rows(parts["train"], options), [row for found in parts["held_out"].values() for row in found]


@torch.no_grad()
def answer_loss(model: LlamaForCausalLM, rows: list[Row]) -> float:
    """Nats an answer token, over ``rows``."""
    model.eval()
    total, count = 0.0, 0
    for inputs, targets in batches(rows):
        total += float(summed_loss(model, inputs, targets))
        count += int((targets != IGNORED).sum())
    model.train()
    return total / max(count, 1)


def _step_loss(
    model: LlamaForCausalLM, rows: list[Row], text: Mixture | None, options: Instruction
) -> tuple[float, int, int]:
    """Gradients of the summed loss are left in the model; returns (sum, learned tokens, tokens read)."""
    parts = list(batches(rows))
    if text is not None:
        windows = max(1, round(options.tokens_per_step * options.text_share / TEXT_WINDOW))
        batch = torch.from_numpy(text.batch(windows))
        parts.append((batch[:, :-1], batch[:, 1:]))
    total, count, read = 0.0, 0, 0
    for inputs, targets in parts:
        loss = summed_loss(model, inputs, targets)
        loss.backward()
        total += float(loss.detach())
        count += int((targets != IGNORED).sum())
        read += int((inputs != PAD).sum())
    return total, count, read


def _start(job: InstructJob, text: Mixture | None) -> tuple[LlamaForCausalLM, Optimisers, Progress]:
    options = job.settings.instruction
    own = checkpoint_path(job.run, "instruct")
    values = load_checkpoint(own if own.is_file() else checkpoint_path(job.run, job.start))
    model = build_model(job.settings.shape, job.settings.tokenizer.vocabulary, options.seed)
    model.load_state_dict(values["model"])
    optimisers = Optimisers(model, options.optimiser, options.matrix_learning_rate, options.other_learning_rate)
    progress = Progress(**values["progress"])
    if own.is_file():
        optimisers.restore(values["optimisers"])
        if text is not None:
            text.restore(values["mixture"])
    else:
        progress.phase_step = 0
    return model, optimisers, progress


def _save(
    path: Path, model: LlamaForCausalLM, optimisers: Optimisers, text: Mixture | None, progress: Progress
) -> None:
    values = {
        "model": model.state_dict(),
        "optimisers": optimisers.state(),
        "mixture": text.state() if text is not None else {"drawn": 0, "used": {}},
        "progress": vars(progress).copy(),
    }
    save_checkpoint(path, values)


def _length_weights(rows: list[Row], longest: int) -> np.ndarray:
    over = np.array([max(0, row.answer_length - longest) for row in rows]) / longest
    weights = np.exp2(-over)
    return np.asarray(weights / weights.sum())


def _rounded(length: int) -> int:
    return -(-length // ROUNDED) * ROUNDED


def _pad(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    length = _rounded(max(len(row.ids) for row in rows) - 1)
    inputs = torch.full((len(rows), length), PAD)
    targets = torch.full((len(rows), length), IGNORED)
    for i, row in enumerate(rows):
        inputs[i, : len(row.ids) - 1] = torch.tensor(row.ids[:-1])
        wanted = [token if learned else IGNORED for token, learned in zip(row.ids[1:], row.learned[1:], strict=True)]
        targets[i, : len(wanted)] = torch.tensor(wanted)
    return inputs, targets
