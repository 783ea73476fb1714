"""What a run leaves behind: ``model/`` with weights (safetensors), tokenizer and ``tailor.json``; and the way back to
the weights of a checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.training.adapters import ADAPTER_KINDS

_TOKENIZER_FILES = ("chat_template.jinja", "generation_config.json")


def save_model(
    model: Any,
    tokenizer: Any,
    folder: Path,
    *,
    recipe: Recipe,
    base_path: Path,
    best_step: int | None,
    labels: list[str],
) -> None:
    """Write ``folder`` anew: an adapter alone, or the full weights; built beside and renamed into place."""
    from studio.models.load import weights_hash

    building = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    model.save_pretrained(building)
    tokenizer.save_pretrained(building)
    for name in _TOKENIZER_FILES:
        source = base_path / name
        if source.is_file() and not (building / name).exists():
            shutil.copyfile(source, building / name)
    adapter = recipe.method.kind in ADAPTER_KINDS
    facts = {
        "method": recipe.method.kind,
        "task": recipe.task,
        "base_id": recipe.base.id,
        "base_path": str(base_path),
        "base_hash": weights_hash(base_path),
        "adapter": adapter,
        "adapter_hash": weights_hash(building),
        "best_step": best_step,
        "labels": labels,
        "system_prompt": recipe.data.system_prompt,
        "max_length": recipe.training.max_length,
        "recipe": recipe.fingerprint(),
    }
    (building / "tailor.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.replace(folder)


def restore(model: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint back into the model that wrote it.

    Raises:
        RunError: the checkpoint does not hold this model's weights.
    """
    if (checkpoint / "adapter_model.safetensors").is_file():
        from peft import set_peft_model_state_dict

        # Any: peft's annotation names namedtuple, the function.
        result: Any = set_peft_model_state_dict(model, load_file(checkpoint / "adapter_model.safetensors"))
        wrong = list(result.unexpected_keys)
    else:
        state = {}
        for file in sorted(checkpoint.glob("model*.safetensors")):
            state.update(load_file(file))
        result = model.load_state_dict(state, strict=False)
        tied = set(getattr(model, "all_tied_weights_keys", None) or {})
        wrong = [key for key in result.missing_keys if key not in tied] + list(result.unexpected_keys)
    if wrong:
        raise RunError(
            "A checkpoint cannot be used", f"{checkpoint.name} does not fit this model.", "Start the run again."
        )
