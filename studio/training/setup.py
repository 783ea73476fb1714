"""Before the first step: threads, seeds, number format, the model in its place, and errors told in the person's words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from studio.core.errors import RunError
from studio.core.hardware import Hardware, detect
from studio.core.limits import is_out_of_memory
from studio.core.recipe import Recipe
from studio.training.adapters import Purpose, apply_method, set_dropout


def device() -> str:
    """``cuda``, ``mps`` or ``cpu``."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def prepare_process(seed: int) -> None:
    """All cores unless the environment says otherwise, fixed seeds, libraries quiet."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(detect().cpu_cores)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # What libraries tell their programmers is not for the person who reads the log.
    for kind in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=kind, module=r"(torch|transformers|peft|accelerate)\b")
    transformers.set_seed(seed)


def compute_dtype(precision: str, hardware: Hardware | None = None) -> torch.dtype:
    """The type matrix products are computed in. Auto: 16 bit where the machine is fast at it."""
    where = device()
    if precision == "float32":
        return torch.float32
    if where == "cuda":
        best = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, best)
    if where == "mps" or precision == "fp16":
        return torch.float32
    fast = (hardware or detect()).cpu_bf16
    return torch.bfloat16 if precision == "bf16" or fast else torch.float32


def with_method(model: Any, recipe: Recipe, purpose: Purpose) -> Any:
    """The loaded base on its device, with the recipe's dropout and the weights its method teaches set to learn. A
    quantised base was placed when it was loaded.

    Raises:
        ModelError, RecipeError: the method does not fit the model; see :func:`apply_method`.
    """
    if recipe.method.kind != "qlora":
        model = model.to(device())
    set_dropout(model, recipe.training.dropout)
    return apply_method(model, recipe.method, purpose)


def wants_gradient_checkpointing(recipe: Recipe, model: Any, tokens: int, dtype: torch.dtype) -> bool:
    """Per the recipe; ``auto`` turns it on only when weights, optimiser and activations would fill the memory.

    Args:
        tokens: Tokens of the largest micro-batch.
    """
    choice = recipe.training.gradient_checkpointing
    if choice != "auto":
        return choice == "on"
    config = model.config.get_text_config()
    hidden = getattr(config, "hidden_size", 0) or 0
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    layers = getattr(config, "num_hidden_layers", 0) or 0
    width = 2 if dtype != torch.float32 else 4
    activations = tokens * layers * (14 * hidden + 5 * inner) * width
    weights = sum(p.numel() * (p.element_size() + (12 if p.requires_grad else 0)) for p in model.parameters())
    return (weights + activations) / 1024**3 > 0.8 * detect().training_memory_gib


@contextmanager
def told_plainly(recipe: Recipe) -> Iterator[None]:
    """Out of memory, on a GPU or not, as a :class:`RunError` that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(recipe) from error


def out_of_memory(recipe: Recipe) -> RunError:
    batch = recipe.training.batch_size or 1
    if batch > 1:
        advice = f"Try again with {max(1, batch // 2)} rows at once and twice the batches per step; it learns the same."
    else:
        advice = "Choose a smaller base, a shorter longest row, or a small adapter (LoRA)."
    return RunError(
        "The memory was not enough",
        f"The run needed more memory than there is, with {batch} {'rows' if batch > 1 else 'row'} at once.",
        advice,
        code="out_of_memory",
    )
