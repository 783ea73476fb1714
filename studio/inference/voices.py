"""Load what answers: the base and the tuned model of a run, each with proof of which weights it speaks with.

An adapter run needs one model in memory: the base answers with the adapter off, the tuned model with it on. A run that
changed the weights themselves needs two. For classification the "base" is the untouched base with its label layer as it
was drawn with the run's seed, before anything was learned: what the tuned model started from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelError, RunError
from studio.core.recipe import Recipe
from studio.models.load import load_causal_lm, load_sequence_classifier, load_tokenizer
from studio.models.weights import weights_hash

OFF = "__base__"
"""PEFT's word for "no adapter" in a mixed batch."""
ON = "default"
_ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True)
class Voice:
    """One side of the comparison.

    Attributes:
        model: In eval mode. Both voices of an adapter run hold the same object.
        adapter: What ``generate(adapter_names=…)`` is given for this side; None when the model has no adapter.
        weights: Name and short hash of the files the weights were read from.
    """

    model: Any
    adapter: str | None
    weights: str

    @property
    def identity(self) -> str:
        """Which weights speak, from the model object itself: "adapter off · seedling-5m 3fa2c1"."""
        if self.adapter == OFF:
            return f"adapter off · {self.weights}"
        if self.adapter is not None:
            present = self.adapter in self.model.peft_config
            return f"adapter {self.weights}" if present else f"adapter missing · {self.weights}"
        return self.weights

    @contextmanager
    def speaking(self) -> Iterator[Any]:
        """The model in the state of this side, for a plain forward pass."""
        with self.model.disable_adapter() if self.adapter == OFF else nullcontext():
            yield self.model


@dataclass(frozen=True)
class Voices:
    """Both sides of one run. ``labels`` is empty for chat."""

    base: Voice
    tuned: Voice
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int | None

    @property
    def shared(self) -> bool:
        """Whether one model speaks for both sides."""
        return self.base.model is self.tuned.model

    @property
    def device(self) -> torch.device:
        return next(self.tuned.model.parameters()).device

    @property
    def context(self) -> int:
        """Tokens the model can hold."""
        config = self.tuned.model.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        return int(getattr(text, "max_position_embeddings", None) or 1_000_000)


def load_voices(run_dir: Path, base_path: Path) -> Voices:
    """
    Raises:
        RunError: the run has no tuned model.
        ModelError: the base or the tuned weights cannot be read.
    """
    model_dir = run_dir / "model"
    facts = _facts(model_dir)
    recipe = Recipe.load(run_dir / "recipe.yaml")
    labels = tuple(str(label) for label in facts.get("labels") or ())
    kind = recipe.method.kind or str(facts.get("method", ""))
    base = _load(base_path, labels, recipe, quantised=kind == "qlora")
    base_name = f"{Path(recipe.base.id).name} {weights_hash(base_path, 6)}"
    tuned_name = f"{run_dir.name} · {weights_hash(model_dir, 6)}"
    tokenizer = load_tokenizer(model_dir if (model_dir / "tokenizer_config.json").is_file() else base_path)
    if (model_dir / _ADAPTER).is_file():
        model = _with_adapter(base, model_dir)
        voices = Voice(model, OFF, base_name), Voice(model, ON, tuned_name)
    else:
        tuned = _load(model_dir, labels, recipe)
        voices = Voice(base, None, f"untouched · {base_name}"), Voice(tuned, None, f"full weights {tuned_name}")
    return Voices(*voices, tokenizer, labels, recipe.training.max_length)


def _facts(model_dir: Path) -> dict[str, Any]:
    try:
        facts = json.loads((model_dir / "tailor.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict):
        raise RunError(
            "There is no tuned model yet",
            f"“{model_dir.parent.name}” has not been trained to the end, or its model folder is damaged.",
            "Train it first, or resume it.",
        )
    return facts


def _load(path: Path, labels: tuple[str, ...], recipe: Recipe, quantised: bool = False) -> Any:
    if labels:
        # The label layer of a fresh classifier is drawn at random: with the run's seed, and in the type it was trained
        # in, it is the one training began with.
        torch.manual_seed(recipe.training.seed)
        model = load_sequence_classifier(path, list(labels), dtype=torch.float32, quantised=quantised)
    else:
        model = load_causal_lm(path, dtype=_dtype(recipe.training.precision), quantised=quantised)
    if not quantised:
        model = model.to(_device())  # type: ignore[arg-type]  # transformers' wrapper loses self
    return model.eval()


def _dtype(precision: str) -> torch.dtype:
    """16 bit on a graphics card unless the run was trained in 32; processors answer in 32."""
    if not torch.cuda.is_available() or precision == "float32":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _with_adapter(base: Any, model_dir: Path) -> Any:
    from peft import PeftModel

    try:
        model = PeftModel.from_pretrained(base, str(model_dir), adapter_name=ON, is_trainable=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            "The adapter does not fit its base",
            f"{str(error).splitlines()[0][:200] if str(error) else type(error).__name__}.",
            "Use the base this run was trained on.",
        ) from error
    return model.eval()


def _device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
