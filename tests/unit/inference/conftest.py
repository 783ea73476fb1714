"""Tiny runs as training leaves them: an adapter, full weights, a classifier."""

import json
from pathlib import Path

import pytest
import torch

from studio.core.assets import assets_dir
from studio.core.recipe import Recipe

BASE = assets_dir() / "base" / "seedling-5m"
LABELS = ["praise", "complaint", "question"]


@pytest.fixture(scope="session")
def base_path() -> Path:
    return BASE


def make_run(folder: Path, method: str, labels: list[str] = (), *, strength: float = 0.05) -> Path:
    """A run folder with a model whose changes are random numbers of the given size (0: the base itself)."""
    from peft import LoraConfig, get_peft_model

    from studio.models.load import load_causal_lm, load_sequence_classifier, load_tokenizer

    recipe = Recipe(name=folder.name)
    recipe.base.id, recipe.base.path, recipe.method.kind = "seedling-5m", str(BASE), method
    folder.mkdir(parents=True)
    recipe.save(folder / "recipe.yaml")
    torch.manual_seed(recipe.training.seed)
    model = load_sequence_classifier(BASE, list(labels)) if labels else load_causal_lm(BASE)
    if method == "lora":
        kind = "SEQ_CLS" if labels else "CAUSAL_LM"
        model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type=kind))
    wanted = "lora_B" if method == "lora" else "layers.3.mlp"
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if strength and (wanted in name or ("score" in name and weight.requires_grad)):
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * strength)
    model.save_pretrained(folder / "model")
    load_tokenizer(BASE).save_pretrained(folder / "model")
    (folder / "model" / "tailor.json").write_text(json.dumps({"method": method, "labels": list(labels)}))
    (folder / "state.json").write_text('{"state": "finished"}')
    return folder


@pytest.fixture(scope="session")
def adapter_run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "support-3", "lora")


@pytest.fixture(scope="session")
def same_run(tmp_path_factory) -> Path:
    """An adapter that changes nothing."""
    return make_run(tmp_path_factory.mktemp("runs") / "same-1", "lora", strength=0)


@pytest.fixture(scope="session")
def full_run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "full-1", "full")


@pytest.fixture(scope="session")
def classifier_run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "tickets-1", "lora", LABELS)
