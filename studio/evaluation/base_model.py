"""The weights a run started from, to be measured beside the tuned ones: never the tuned model by another name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.training.types import TrainJob, TrainResult


def base_causal_lm(job: TrainJob, result: TrainResult) -> AbstractContextManager[Any]:
    """The language model before tuning, on the device of the tuned one: the same model with its adapter off, or the base
    loaded anew."""

    def load() -> Any:
        from studio.models.load import load_causal_lm

        return load_causal_lm(job.base_path, dtype=next(result.model.parameters()).dtype)

    return _before_tuning(result, load)


def base_classifier(job: TrainJob, result: TrainResult) -> AbstractContextManager[Any]:
    """The classifier before tuning, its last layer fresh, drawn as the run's seed says; else as :func:`base_causal_lm`."""

    def load() -> Any:
        import torch

        from studio.models.load import load_sequence_classifier

        torch.manual_seed(job.recipe.training.seed)
        dtype = next(result.model.parameters()).dtype
        model = load_sequence_classifier(job.base_path, result.labels, dtype=dtype)
        model.config.pad_token_id = result.model.config.pad_token_id
        return model

    return _before_tuning(result, load)


def base_notes(job: TrainJob) -> list[str]:
    """What a reader of the report must know of the base that was measured."""
    if job.recipe.method.kind == "qlora":
        return [
            "The base was measured in the 4-bit form in which it was tuned; at full precision it may do a little better."
        ]
    return []


@contextmanager
def _before_tuning(result: TrainResult, load: Callable[[], Any]) -> Iterator[Any]:
    if hasattr(result.model, "disable_adapter"):
        with result.model.disable_adapter():
            yield result.model
        return
    device = next(result.model.parameters()).device
    if device.type == "cuda":
        result.model.to("cpu")  # one model at a time on the accelerator
    try:
        yield load().to(device).eval()
    finally:
        result.model.to(device)
