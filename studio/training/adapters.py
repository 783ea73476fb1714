"""What part of the base is changed: all of it, a LoRA adapter beside it, the head only, or all but the first layers."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from studio.core.errors import FieldProblem, ModelError, RecipeError
from studio.core.recipe import MethodOptions
from studio.training.attention import inner_model

Purpose = Literal["causal_lm", "sequence_classification"]
_PEFT_TASK = {"causal_lm": "CAUSAL_LM", "sequence_classification": "SEQ_CLS"}
ADAPTER_KINDS = frozenset({"lora", "qlora"})


def apply_method(model: Any, method: MethodOptions, purpose: Purpose) -> Any:
    """Make the right weights learn; returns the model to train (a PEFT model for adapters).

    Raises:
        ModelError: the model has no part of the kind the method needs.
        RecipeError: ``method.target_modules`` names nothing in this model.
    """
    match method.kind:
        case "lora" | "qlora":
            return _with_adapter(model, method, purpose)
        case "head":
            _freeze_all(model)
            for parameter in _head(model, purpose).parameters():
                parameter.requires_grad_(True)
        case "freeze":
            _freeze_first(model, method.freeze_layers)
        case _:
            model.requires_grad_(True)
    return model


def set_dropout(model: nn.Module, probability: float | None) -> None:
    """Every dropout of the base; None keeps the base's own."""
    if probability is None:
        return
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = probability  # type: ignore[assignment]  # torch: only tensors and modules


def base_dtype(method: MethodOptions, compute: torch.dtype) -> torch.dtype:
    """The type the base is loaded in: weights that learn stay in float32, a base beside an adapter needs not."""
    return compute if method.kind in ADAPTER_KINDS and compute == torch.bfloat16 else torch.float32


def _with_adapter(model: Any, method: MethodOptions, purpose: Purpose) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    names = [name.strip() for name in method.target_modules.split(",") if name.strip()]
    targets: str | list[str] = "all-linear" if names in ([], ["all-linear"]) else names
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha or 2 * method.rank,
        lora_dropout=method.dropout,
        target_modules=targets,
        task_type=_PEFT_TASK[purpose],
    )
    if method.kind == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        return get_peft_model(model, config)
    except ValueError:
        linear = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        message = f"This base has no layers of that name. It has: {', '.join(sorted(linear))}."
        raise RecipeError([FieldProblem("method.target_modules", message)]) from None


def _head(model: Any, purpose: Purpose) -> nn.Module:
    if purpose == "causal_lm":
        return _own_output_head(model)
    for name in ("score", "classifier", "classification_head"):
        head = getattr(model, name, None)
        if isinstance(head, nn.Module):
            return head
    raise ModelError(
        "This base has no last layer of its own", "The classification head was not found.", "Choose another method."
    )


def _own_output_head(model: Any) -> nn.Module:
    """The output layer; one that shares its weights with the input embeddings gets a copy, so that only it changes."""
    head = model.get_output_embeddings()
    if head is None:
        raise ModelError(
            "This base has no last layer of its own", "The output layer was not found.", "Choose another method."
        )
    if head.weight is model.get_input_embeddings().weight:
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.config.get_text_config().tie_word_embeddings = False
        model.config.tie_word_embeddings = False
        model.all_tied_weights_keys = {}
    return head


def _freeze_all(model: nn.Module) -> None:
    model.requires_grad_(False)


def _freeze_first(model: Any, count: int) -> None:
    """Embeddings (and an output layer that shares their weights) and the first ``count`` layers stay as they are."""
    layers = _layers(model)
    if count >= len(layers):
        message = (
            f"This base has {len(layers)} layers; keep fewer than that as they are, or choose “only the last layer”."
        )
        raise RecipeError([FieldProblem("method.freeze_layers", message)])
    model.requires_grad_(True)
    model.get_input_embeddings().requires_grad_(False)
    for layer in layers[:count]:
        layer.requires_grad_(False)


def _layers(model: Any) -> nn.ModuleList:
    wanted = getattr(inner_model(model).config.get_text_config(), "num_hidden_layers", 0)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted and wanted:
            return module
    raise ModelError(
        "The layers of this base were not found",
        "Its first layers cannot be kept as they are.",
        "Choose another method.",
    )
