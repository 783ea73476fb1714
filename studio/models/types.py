"""The nouns of the model side: BaseCard, DataFacts, Estimate."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Verdict = Literal["fits", "tight", "won't fit"]
Architecture = Literal["decoder", "encoder"]


@dataclass(frozen=True)
class BaseCard:
    """One base model as the catalogue (or a local folder's config) describes it.

    Attributes:
        id: Catalogue id, Hub id or folder path; what ``recipe.base.id`` holds.
        parameters: Number of weights.
        context: Longest input in tokens.
        licence: SPDX id or the licence's name.
        gated: Whether the Hub asks for a login and an accepted licence.
        tasks: Names of the tasks it can be tuned for.
        good_for: One sentence.
        path: Local folder when the weights are on this machine, else None.
        languages: English names of the languages its makers say it knows, or "many" (a hundred or more); empty when they say
            nothing, or nobody has looked.
    """

    id: str
    title: str
    parameters: int
    context: int
    licence: str
    good_for: str
    architecture: Architecture = "decoder"
    gated: bool = False
    tasks: tuple[str, ...] = ("chat", "text_classification")
    hub_id: str | None = None
    path: Path | None = None
    hidden_size: int = 0
    layers: int = 0
    vocabulary: int = 0
    embedded: bool = False
    family: str = ""
    download_gib: float = 0.0
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataFacts:
    """What suggestions and estimates need to know of the data.

    Attributes:
        rows: Rows to learn from (the training split).
        lengths: Tokens of each row, or of a sample of them; empty when nothing has been counted yet.
        labels: Number of different labels; 0 where there are none.
    """

    rows: int
    lengths: tuple[int, ...] = ()
    labels: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run will need, told before it starts.

    ``seconds`` and ``tokens_per_second`` are None until a calibration on this machine has been measured
    (``measured`` says so); memory and disk are computed from shapes.
    """

    memory_gib: float
    available_gib: float
    disk_gib: float
    steps: int
    passes: float
    tokens: int
    verdict: Verdict
    seconds: float | None = None
    tokens_per_second: float | None = None
    measured: bool = False
    reasons: tuple[str, ...] = field(default_factory=tuple)
