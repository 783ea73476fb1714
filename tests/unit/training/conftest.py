"""Tiny random models: seconds, not minutes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from studio.core.assets import assets_dir
from studio.core.recipe import Recipe
from studio.data.types import Example, Splits
from studio.training.types import TrainJob

SEEDLING = assets_dir() / "base" / "seedling-5m"
SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.fixture(autouse=True)
def _calm() -> None:
    """One thread: these models are too small for more."""
    torch.set_num_threads(1)


def tiny(name: str, **changes: Any) -> Any:
    """A random causal language model of the architecture, float32, eval mode."""
    torch.manual_seed(0)
    config_class = {
        "llama": transformers.LlamaConfig,
        "qwen3": transformers.Qwen3Config,
        "gemma2": transformers.Gemma2Config,
        "gemma3": transformers.Gemma3TextConfig,
        "mistral": transformers.MistralConfig,
        "granite": transformers.GraniteConfig,
        "gpt2": transformers.GPT2Config,
    }[name]
    values = dict(SMALL)
    if name == "gpt2":
        values = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
    if name in ("gemma2", "gemma3"):
        values |= {"query_pre_attn_scalar": 8}
    config = config_class(**values | changes)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a base lies on disk: the embedded base's tokenizer, and a far smaller random model."""
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        shutil.copyfile(SEEDLING / name, folder / name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tiny(
        "llama",
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        tie_word_embeddings=True,
    ).save_pretrained(folder)
    return folder


def chats(count: int, start: int = 0) -> list[Example]:
    """Short questions and answers of uneven length, no two alike."""
    return [
        {
            "row": i,
            "messages": [
                {"role": "user", "content": f"What is {i} plus {i % 7}?" + " Tell me more." * (i % 3)},
                {"role": "assistant", "content": f"It is {i + i % 7}." + " That is all there is." * (i % 5)},
            ],
        }
        for i in range(start, start + count)
    ]


def texts(count: int) -> list[Example]:
    words = {"fruit": "apple pear plum", "metal": "iron tin zinc", "bird": "robin wren jay"}
    names = list(words)
    return [
        {
            "row": i,
            "text": f"{words[names[i % 3]].split()[i // 3 % 3]} number {i}" + " again" * (i % 4),
            "label": names[i % 3],
        }
        for i in range(count)
    ]


class Log:
    """Collects events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind, **fields})

    def values(self, kind: str, field: str) -> list[Any]:
        return [event[field] for event in self.events if event["kind"] == kind and field in event]


def make_job(folder: Path, base: Path, splits: Splits, *, method: str = "full", **training: Any) -> TrainJob:
    """A job with everything resolved; float32, two checks, no early stopping unless asked for."""
    values = {
        "epochs": 1.0, "learning_rate": 1e-3, "batch_size": 4, "max_length": 128, "evaluation_interval": 3,
        "logging_interval": 1, "precision": "float32", "early_stopping_patience": 0, "seed": 7,
    } | training  # fmt: skip
    recipe = Recipe.from_dict(
        {
            "task": "text_classification" if "text" in splits.train[0] else "chat",
            "method": {"kind": method, "rank": 4, "freeze_layers": 1, "dropout": 0.1 if method == "lora" else 0.0},
            "training": values,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    return TrainJob(recipe=recipe, base_path=base, splits=splits, run_dir=folder, emit=Log())
