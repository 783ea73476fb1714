"""Tiny model folders and machines, made here: no download, nothing read from outside the checkout."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio.core.assets import assets_dir
from studio.core.hardware import Gpu, Hardware
from studio.core.workspace import Workspace
from studio.models.types import BaseCard

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "intermediate_size": 32,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 8192,
    "max_position_embeddings": 64, "tie_word_embeddings": True, "pad_token_id": 3, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
TENSORS = {
    "model.embed_tokens.weight": (8192, 16),
    "model.layers.0.self_attn.q_proj.weight": (16, 16),
    "model.layers.0.mlp.down_proj.weight": (16, 32),
    "model.layers.1.self_attn.q_proj.weight": (16, 16),
    "model.layers.1.mlp.down_proj.weight": (16, 32),
    "model.norm.weight": (16,),
}


def write_safetensors(path: Path, tensors: dict[str, tuple[int, ...]], cut: int = 0) -> None:
    """A file of zeros with these shapes; the last ``cut`` bytes left out."""
    header, offset = {}, 0
    for name, shape in tensors.items():
        size = 4
        for n in shape:
            size *= n
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset - cut))


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """``make_folder(name, config_changes, without=[files])``: a model folder with the embedded base's tokenizer."""

    def make(name: str = "tiny", without: tuple[str, ...] = (), **changes: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config = {k: v for k, v in {**LLAMA, **changes}.items() if v is not None}
        (folder / "config.json").write_text(json.dumps(config))
        write_safetensors(folder / "model.safetensors", TENSORS)
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(assets_dir() / "base" / "seedling-5m" / file, folder / file)
        for file in without:
            (folder / file).unlink()
        return folder

    return make


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A fresh workspace, and a Hugging Face cache that is empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def laptop() -> Hardware:
    return Hardware("cpu", 2, 16.0, 12.0, (), cpu_bf16=False)


@pytest.fixture
def desktop() -> Hardware:
    """With a 24 GB graphics card."""
    return Hardware("cpu", 16, 64.0, 60.0, (Gpu("NVIDIA GeForce RTX 4090", 24.0),), cpu_bf16=True)


def card(**changes: object) -> BaseCard:
    values: dict[str, object] = {
        "id": "x", "title": "X", "parameters": 5_000_000, "context": 1024, "licence": "MIT", "good_for": "Tests.",
        "hidden_size": 256, "layers": 4, "vocabulary": 8192,
    }  # fmt: skip
    return BaseCard(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def cards() -> SimpleNamespace:
    """Four sizes: tiny, small (135M), large (8B), and an encoder."""
    return SimpleNamespace(
        tiny=card(),
        small=card(id="135m", parameters=134_515_008, hidden_size=576, layers=30, vocabulary=49152, context=8192),
        large=card(id="8b", parameters=8_030_261_248, hidden_size=4096, layers=32, vocabulary=128256, context=131072),
        encoder=card(
            id="bert", parameters=109_482_240, hidden_size=768, layers=12, vocabulary=30522, context=512,
            architecture="encoder", tasks=("text_classification",),
        ),
    )  # fmt: skip


@pytest.fixture
def safetensors_file() -> Callable[..., None]:
    """``safetensors_file(path, {name: shape}, cut=0)``"""
    return write_safetensors
