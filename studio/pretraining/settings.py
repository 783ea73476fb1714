"""Every number of the recipe, read from one YAML file and checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.core.errors import StudioError

DEFAULT_SETTINGS = Path(__file__).with_name("settings.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """One part of the corpus: rows with ``text``, ``messages`` or Dolly's columns, or pairs that we wrote (the folder ``everyday``).

    ``file`` is relative to the text folder; with ``./`` in front it lies beside this module.
    """

    file: str
    title: str
    licence: str
    attribution: str = ""
    kind: Literal["text", "markdown", "book", "messages", "instruction", "pairs"] = "text"
    group: str = ""
    """Regular expression whose first group, found in ``source``, names what belongs together (three levels of one article)."""
    exclude: tuple[str, ...] = ()
    """Documents whose ``source`` holds one of these are left out."""


class Corpus(_Strict):
    held_out_share: float = Field(0.005, gt=0, lt=0.5)
    """Share of each source's characters, in whole groups of documents, that is never trained on."""
    held_out_least: int = Field(3, ge=1)
    """At least so many groups are held out of each source."""
    sources: dict[str, Source]


class Tokenizer(_Strict):
    vocabulary: int = 8192
    sample_megabytes: float = 24
    """Text that the vocabulary is learned on, taken from the sources in the shares of the stable mixture."""


class Shape(_Strict):
    hidden_size: int = 256
    layers: int = 6
    heads: int = 4
    key_value_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 768
    context: int = 1024
    rope_theta: float = 10_000.0


class Optimiser(_Strict):
    matrix_learning_rate: float = 0.02
    """Muon's, for the matrices inside the layers; the update is scaled by sqrt(max(1, rows/columns)) (Jordan 2024)."""
    other_learning_rate: float = 0.004
    """AdamW's, for the embedding (shared with the output) and the norms."""
    momentum: float = 0.95
    matrix_weight_decay: float = 0.01
    gradient_clip: float = 1.0


class Phase(_Strict):
    """A stretch of training with one mixture: the stable phase, the decay that ends it, the instruction stage."""

    window: int = 256
    windows_per_step: int = 16
    mixture: dict[str, float]
    """Source → share of the windows; made to add up to 1."""


class Pretraining(_Strict):
    seed: int = 17
    warmup_steps: int = 100
    stable_steps: int = 100_000
    """An upper limit: the stable phase may be cut by hand at any step."""
    decay_steps: int = 500
    decay_warmup_steps: int = 0
    """Steps in which the rates rise before they fall: for weights that come without their optimisers' state."""
    checkpoint_minutes: float = 10
    validate_every: int = 200
    validation_windows: int = 32
    """Held-out windows a source for the loss that is logged on the way."""
    log_every: int = 10
    stable: Phase
    decay: Phase
    optimiser: Optimiser = Optimiser()


class Instruction(_Strict):
    seed: int = 18
    max_length: int = 512
    tokens_per_step: int = 4096
    steps: int = 400
    warmup_steps: int = 20
    matrix_learning_rate: float = 0.004
    other_learning_rate: float = 0.001
    text_share: float = Field(0.15, ge=0, lt=1)
    """Share of each step's tokens that is plain text with loss on all of it, against forgetting."""
    longest_answer: int = 96
    """Tokens: longer answers are drawn ever more rarely (half as often at twice this length)."""
    mixture: dict[str, float]
    text_mixture: dict[str, float]
    optimiser: Optimiser = Optimiser()


class Settings(_Strict):
    name: str
    begins_from: str = ""
    """For the card: the released model whose weights were adopted, with its history in a sentence; empty: from nothing."""
    threads: int = 1
    corpus: Corpus
    tokenizer: Tokenizer = Tokenizer()
    shape: Shape = Shape()
    pretraining: Pretraining
    instruction: Instruction

    def used_sources(self) -> list[str]:
        """Sources that some phase draws from, in the file's order."""
        mixtures = (
            self.pretraining.stable.mixture,
            self.pretraining.decay.mixture,
            self.instruction.mixture,
            self.instruction.text_mixture,
        )
        return [name for name in self.corpus.sources if any(m.get(name, 0) > 0 for m in mixtures)]


def read_settings(path: Path = DEFAULT_SETTINGS) -> Settings:
    """The settings in ``path``; a file that says ``extends: other.yaml`` changes only what it names.

    Raises:
        StudioError: the file cannot be read or a setting is unknown or out of range; all problems are told at once.
    """
    try:
        settings = Settings.model_validate(_read_yaml(path))
    except (OSError, yaml.YAMLError) as error:
        raise StudioError("The settings cannot be read", str(error), f"Check {path}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StudioError("The settings do not hold", problems, f"Correct {path}.") from error
    unknown = {
        name
        for mixture in (
            settings.pretraining.stable.mixture,
            settings.pretraining.decay.mixture,
            settings.instruction.mixture,
            settings.instruction.text_mixture,
        )
        for name in mixture
        if name not in settings.corpus.sources
    }
    if unknown:
        raise StudioError(
            "A mixture names an unknown source",
            f"{', '.join(sorted(unknown))} is not among corpus.sources.",
            f"Correct {path}.",
        )
    return settings


def _read_yaml(path: Path) -> Any:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if isinstance(values, dict) and "extends" in values:
        return _merged(_read_yaml(path.parent / str(values.pop("extends"))), values)
    return values


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``, level by level; mixtures are replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        deeper = isinstance(value, dict) and isinstance(below.get(key), dict) and not key.endswith("mixture")
        merged[key] = _merged(below[key], value) if deeper else value
    return merged
