"""What practitioners do, as one table: the constants behind the presets. Tune them here and nowhere else.

Sources. Learning rates: full fine-tuning of encoders 2e-5 to 5e-5 (Devlin et al. 2019, appendix A.3), smaller encoders
higher; LoRA about ten times the full rate and nearly the same for all sizes, 2e-4 being the common start (Hu et al.
2021; Dettmers et al. 2023, table 9; Schulman et al., "LoRA Without Regret", 2025). Models of a few million weights
are trained at 1e-3 and more from the start (Eldan & Li 2023) and bear it when tuned. Steps: fewer than about 60
changes of the weights hardly move a model whatever the number of rows, so small data gets more passes, not fewer steps.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from studio.core.hardware import Hardware

TINY = 60_000_000
"""Up to this many weights a model is tuned in full: it is cheap, and an adapter would be too small to learn with."""
SHORT_RUN_STEPS = 300
"""Up to this many steps of a tiny model take a minute or two: nothing is saved by stopping early, and the time told before
the start holds."""
PATIENCE = 5
"""Checks without progress before a run stops early: half of those a run makes."""


@dataclass(frozen=True)
class Rates:
    """Learning rates for models of up to this many weights."""

    up_to: float
    full: float
    adapter: float


DECODER_RATES = (
    Rates(20e6, 1e-3, 2e-3),
    Rates(TINY, 5e-4, 1e-3),
    Rates(200e6, 5e-5, 5e-4),
    Rates(1.3e9, 3e-5, 2e-4),
    Rates(15e9, 1e-5, 2e-4),
    Rates(float("inf"), 5e-6, 1e-4),
)
ENCODER_RATES = (
    Rates(50e6, 1e-4, 1e-3),
    Rates(120e6, 5e-5, 5e-4),
    Rates(250e6, 3e-5, 3e-4),
    Rates(float("inf"), 1e-5, 2e-4),
)
TINY_SORTING_FACTOR = 0.5
"""Tiny decoders that sort texts in full learn at half the rate. Measured with the embedded base on the sample tickets
(410 rows, 6 labels, 6 passes): 1e-3 ends at 65 % of the held-out rows right, 5e-4 at 74 %."""
HEAD_RATE = 1e-3
"""Only the last layer learns, on features that stay as they are."""


@dataclass(frozen=True)
class Pace:
    """How long a preset trains.

    Attributes:
        steps: Changes of the weights aimed at; and for tiny models, which learn with larger steps and soon by heart.
        passes: At least this many passes for few (< 2,000), some (< 20,000) and many rows.
        most: At most this many passes; and for tiny models, whose passes cost seconds.
        rate: Multiplies the learning rate: short runs take larger steps, long ones smaller.
    """

    steps: int
    tiny_steps: int
    passes: tuple[int, int, int]
    most: int
    tiny_most: int
    rate: float


PACES = {
    "quick": Pace(steps=75, tiny_steps=60, passes=(1, 1, 1), most=4, tiny_most=10, rate=1.0),
    "balanced": Pace(steps=150, tiny_steps=100, passes=(3, 2, 1), most=10, tiny_most=15, rate=1.0),
    "thorough": Pace(steps=300, tiny_steps=200, passes=(5, 3, 2), most=15, tiny_most=30, rate=0.7),
}
"""Measured with the embedded 5M base and the sample data (288 chat rows, batch 8): validation loss is best after 70 to
110 steps at 1e-3 and at 3e-4 alike (2.32 and 2.33), with the tone learned; later passes only memorise."""
PACES["custom"] = PACES["balanced"]

WRITING_BATCHES = ((100, 4), (2_000, 8), (20_000, 16))
SORTING_BATCHES = ((200, 8), (5_000, 16))
"""Rows a step learns from, by training rows: (fewer than, batch). Beyond the last: :data:`LARGEST_BATCH`. Rows sorted
into labels teach one answer each, written ones a token at a time."""
LARGEST_BATCH = 32

CHECKS_PER_RUN = 10
POINTS_PER_CURVE = 500
LENGTH_STEP = 64
"""The longest row is rounded up to a multiple of this many tokens."""
LENGTH_SLACK = 1.5
"""Rows beyond the 99th percentile are kept whole when the longest is at most this many times as long."""

_NO_BF16 = tuple(
    re.compile(rf"\b{name}")
    for name in (r"T4\b", "V100", "P100", "P40", r"P4\b", "K80", "M60", "GTX", "RTX 20[678]0", "TITAN", r"Quadro RTX")
)
"""NVIDIA cards older than Ampere, which compute fp16 fast and bf16 not."""


def rate(parameters: int, architecture: str, method: str, *, sorting: bool = False) -> float:
    """The learning rate for the balanced preset; ``sorting`` when the rows are sorted into labels."""
    if method == "head":
        return HEAD_RATE
    table = ENCODER_RATES if architecture == "encoder" else DECODER_RATES
    row = next(r for r in table if parameters <= r.up_to)
    if method in ("lora", "qlora"):
        return row.adapter
    slower = sorting and architecture == "decoder" and parameters <= TINY
    return row.full * (TINY_SORTING_FACTOR if slower else 1)


def batch(rows: int, *, sorting: bool = False) -> int:
    """Rows a step should learn from; never more than a quarter of what there is."""
    table = SORTING_BATCHES if sorting else WRITING_BATCHES
    size = next((size for below, size in table if rows < below), LARGEST_BATCH)
    return max(1, min(size, rows // 4))


def epochs(rows: int, batch_size: int, preset: str, parameters: int) -> int:
    """Passes over the rows: enough for the steps the preset aims at, within its bounds."""
    pace, tiny = PACES[preset], parameters <= TINY
    low = pace.passes[0 if rows < 2_000 else 1 if rows < 20_000 else 2]
    high = pace.tiny_most if tiny else pace.most
    wanted = math.ceil((pace.tiny_steps if tiny else pace.steps) * batch_size / max(1, rows))
    return max(low, min(high, wanted))


def precision(hardware: Hardware) -> tuple[Literal["bf16", "fp16", "float32"], str]:
    """(number format, why) for ``auto``."""
    if hardware.device == "cuda":
        name = f" {hardware.gpus[0].name.replace('-', ' ')} "
        if any(pattern.search(name) for pattern in _NO_BF16):
            return "fp16", "this graphics card is fast in fp16 and does not know bf16"
        return "bf16", "this graphics card computes it fast and it is safe"
    if hardware.device == "cpu" and hardware.cpu_bf16:
        return "bf16", "this processor computes it fast"
    return "float32", "the exact format; this machine gains nothing from 16 bit"
