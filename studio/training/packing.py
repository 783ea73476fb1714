"""Which rows are computed together, and how they become one batch.

Rows are laid end to end in one flat sequence, so no padding is ever computed (Krell et al. 2021, "Efficient Sequence
Packing without Cross-contamination"). The plan of a whole run is made up front and is a pure function of the lengths,
the seed and a few numbers: a resumed run therefore sees the same rows in the same order as an unbroken one.

An optimiser step holds exactly ``batch_size × accumulation`` rows on average, dealt so that all steps of a window have
nearly the same number of tokens; each step is then dealt again into its micro-batches. Halving the batch size and
doubling the accumulation gives the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

IGNORED = -100
WINDOW_STEPS = 64
"""Rows are dealt within windows of this many steps: large enough to balance, small enough to stay random."""

TokenIds = Sequence[int] | np.ndarray


class Rows:
    """Token ids and targets of many rows in flat arrays (8 bytes a token).

    ``labels`` are aligned with ``ids``: :data:`IGNORED` where nothing is learned.
    """

    def __init__(self, rows: Sequence[tuple[TokenIds, TokenIds]]) -> None:
        self.lengths = np.array([len(ids) for ids, _ in rows], dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self.ids = np.empty(int(self.offsets[-1]), dtype=np.int32)
        self.labels = np.empty_like(self.ids)
        for (ids, labels), start, end in zip(rows, self.offsets[:-1], self.offsets[1:], strict=True):
            self.ids[start:end] = ids
            self.labels[start:end] = labels

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(self.offsets[index], self.offsets[index + 1])
        return self.ids[part], self.labels[part]

    @property
    def tokens(self) -> int:
        return int(self.offsets[-1])

    @property
    def learned(self) -> int:
        """Tokens (or rows, for labels of whole rows) that count in the loss."""
        return int((self.labels != IGNORED).sum())


@dataclass(frozen=True)
class Plan:
    """The micro-batches of a whole run, in order; each is a list of row numbers.

    Attributes:
        packs: ``steps × packs_per_step`` micro-batches. One may be empty when a step has fewer rows than micro-batches.
        steps: Optimiser steps of the run.
        steps_per_epoch: Steps it takes to see every row once.
    """

    packs: list[list[int]]
    steps: int
    steps_per_epoch: int


def make_plan(
    lengths: np.ndarray,
    *,
    batch_size: int,
    packs_per_step: int,
    epochs: float,
    max_steps: int | None,
    seed: int,
    by_length: bool = False,
) -> Plan:
    """Deal rows into steps and micro-batches.

    Args:
        lengths: Tokens of each row.
        batch_size: Average rows of a micro-batch.
        packs_per_step: Micro-batches in a step (accumulation × processes).
        epochs: Times through the rows; a fraction ends within one.
        max_steps: Overrides ``epochs``.
        by_length: Rows of like length together, for batches that are padded.
    """
    rows_per_step = batch_size * packs_per_step
    steps_per_epoch = max(1, math.ceil(len(lengths) / rows_per_step))
    steps = max_steps or max(1, math.ceil(round(epochs * steps_per_epoch, 6)))
    packs: list[list[int]] = []
    epoch = 0
    while len(packs) < steps * packs_per_step:
        order = np.random.default_rng([seed, epoch]).permutation(len(lengths))
        dealt = _padded_epoch if by_length else _packed_epoch
        packs.extend(dealt(order, lengths, batch_size, packs_per_step, np.random.default_rng([seed, epoch, 1])))
        epoch += 1
    return Plan(packs[: steps * packs_per_step], steps, steps_per_epoch)


def evaluation_packs(lengths: np.ndarray, capacity: int, *, by_length: int = 0) -> list[list[int]]:
    """Every row once: flat sequences of at most ``capacity`` tokens (one row may be longer), or, with ``by_length``
    rows, batches of that many rows of like length."""
    order = np.argsort(lengths, kind="stable").tolist()
    if by_length:
        return [order[i : i + by_length] for i in range(0, len(order), by_length)]
    packs: list[list[int]] = []
    room = 0
    for row in order:
        if not packs or lengths[row] > room:
            packs.append([])
            room = capacity
        packs[-1].append(row)
        room -= int(lengths[row])
    return packs


def _packed_epoch(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, packs_per_step: int, rng: np.random.Generator
) -> Iterator[list[int]]:
    rows_per_step = batch_size * packs_per_step
    for window in _windows(order, rows_per_step):
        steps = deal(window, lengths, math.ceil(len(window) / rows_per_step))
        rng.shuffle(steps)
        for step in steps:
            yield from deal(step, lengths, packs_per_step)


def _padded_epoch(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, packs_per_step: int, rng: np.random.Generator
) -> Iterator[list[int]]:
    for window in _windows(order, batch_size * packs_per_step):
        ordered = sorted(window, key=lambda row: lengths[row])
        packs = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
        rng.shuffle(packs)
        missing = -len(packs) % packs_per_step
        yield from [*packs, *[[]] * missing]


def _windows(order: np.ndarray, rows_per_step: int) -> Iterator[list[int]]:
    size = rows_per_step * WINDOW_STEPS
    for start in range(0, len(order), size):
        yield order[start : start + size].tolist()


def deal(rows: Sequence[int], lengths: np.ndarray, bins: int) -> list[list[int]]:
    """Divide rows into ``bins`` with nearly equal rows and tokens: longest first, in rounds, each round's longest to
    the bin with the fewest tokens (longest-processing-time rule, Graham 1969, with equal counts)."""
    ordered = sorted(rows, key=lambda row: -lengths[row])
    loads = [0] * bins
    result: list[list[int]] = [[] for _ in range(bins)]
    for start in range(0, len(ordered), bins):
        lightest = sorted(range(bins), key=loads.__getitem__)
        for row, index in zip(ordered[start : start + bins], lightest, strict=False):
            result[index].append(row)
            loads[index] += int(lengths[row])
    return result


class DocLengths(list):
    """Lengths of the documents of a flat sequence; travels to the attention as a keyword argument. A list of plain
    numbers, so that data loaders leave it alone; the boundaries on the device are made once a batch."""

    _boundaries: torch.Tensor | None = None

    def boundaries(self, device: torch.device) -> torch.Tensor:
        """Cumulative lengths with a leading 0, int32, shape (documents + 1,)."""
        if self._boundaries is None or self._boundaries.device != device:
            self._boundaries = torch.tensor([0, *np.cumsum(self)], dtype=torch.int32, device=device)
        return self._boundaries


def flat_batch(rows: Rows, pack: Sequence[int], *, next_token: bool) -> dict[str, Any]:
    """One flat sequence, shape (1, tokens), with per-document positions.

    A last document without anything to learn rounds the tokens up by at most 3 %: 16-bit kernels on a CPU are built and
    kept for every shape that occurs, so few shapes are faster and need less memory.

    Args:
        next_token: Labels are learned one position earlier (language modelling); the head is then asked for at those
            positions only (``logits_to_keep``). Otherwise labels stand where they are predicted.
    """
    parts = [rows[i] for i in pack] or [(rows.ids[:1], np.array([IGNORED], dtype=np.int32))]
    filler = filler_for(sum(len(part[0]) for part in parts))
    if filler:
        parts.append((np.repeat(parts[-1][0][-1:], filler), np.full(filler, IGNORED, dtype=np.int32)))
    ids = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    documents = DocLengths(len(part[0]) for part in parts)
    batch: dict[str, Any] = {
        "input_ids": torch.from_numpy(ids.astype(np.int64))[None],
        "labels": torch.from_numpy(labels.astype(np.int64))[None],
        "position_ids": torch.from_numpy(np.concatenate([np.arange(n) for n in documents]))[None],
        "doc_lens": documents,
    }
    if next_token:
        batch["logits_to_keep"] = torch.from_numpy(np.flatnonzero(labels[1:] != IGNORED))
    return batch


def filler_for(tokens: int) -> int:
    """Tokens that round a flat sequence up to a multiple of a power of two, about a 32nd of its length."""
    return -tokens % (1 << max(0, tokens.bit_length() - 6))


def padded_batch(rows: Rows, pack: Sequence[int], *, pad_id: int) -> dict[str, Any]:
    """The ordinary form: shape (rows, longest), padded on the right."""
    parts = [rows[i] for i in pack] or [(rows.ids[:1], np.array([IGNORED], dtype=np.int32))]
    width = max(len(part[0]) for part in parts)
    ids = np.full((len(parts), width), pad_id, dtype=np.int64)
    labels = np.full((len(parts), width), IGNORED, dtype=np.int64)
    mask = np.zeros((len(parts), width), dtype=np.int64)
    for i, (row_ids, row_labels) in enumerate(parts):
        ids[i, : len(row_ids)], labels[i, : len(row_ids)], mask[i, : len(row_ids)] = row_ids, row_labels, 1
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels),
    }


def row_labels(batch: dict[str, Any]) -> dict[str, Any]:
    """A padded batch whose rows have one label each: shape (rows,), found wherever it stands in the row."""
    return {**batch, "labels": batch["labels"].max(dim=1).values}


class PackDataset(Dataset):
    """The plan as a data set of ready batches, made one at a time."""

    def __init__(self, packs: Sequence[Sequence[int]], build: Any) -> None:
        self._packs = packs
        self._build = build

    def __len__(self) -> int:
        return len(self._packs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._build(self._packs[index])


def only_item(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The collator: each item of :class:`PackDataset` is a whole batch already."""
    (item,) = items
    return item
