"""Look at a model folder without loading it: what it is, how large, and whether the studio can use it.

Refused, each with its reason: pickled weights only (opening them may run code), models that need code of their own
(``trust_remote_code`` is never used), adapters, encoder-decoders, weights that are already compressed, no tokenizer.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError
from studio.core.hardware import GIB
from studio.models import weights
from studio.models.architectures import support
from studio.models.types import Architecture, BaseCard

SOURCE_FILE = "tailor-source.json"
"""Written beside downloaded weights once they are complete: hub_id, revision, licence."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
_MAX_CONFIG = 10 * 1024**2
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
_OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "mpnet"}
)
"""Types that number positions from pad_token_id + 1 on, so that many of the table's rows are never used."""


def inspect_folder(path: Path) -> BaseCard:
    """Read a model folder's config and weight headers. Remembered until one of them changes.

    Raises:
        ModelError: it is not a folder with a model the studio can tune; the text says why and what to do.
    """
    path = path.expanduser().absolute()
    if not path.is_dir():
        raise ModelError("There is no such folder", f"{path} is not a folder.", "Check the path of the model's folder.")
    config = path / "config.json"
    stamps = tuple(
        (item.name, item.stat().st_mtime_ns, item.stat().st_size) for item in sorted(path.iterdir()) if item.is_file()
    )
    if not config.is_file():
        raise _not_a_model(path, [name for name, _, _ in stamps])
    return _inspect(path, stamps)


@lru_cache(maxsize=64)
def _inspect(path: Path, stamps: tuple[tuple[str, int, int], ...]) -> BaseCard:
    names = [name for name, _, _ in stamps]
    config = read_config(path / "config.json")
    architecture, tasks = check_config(config, path.name)
    if not weights.weight_files(path):
        raise no_safetensors(path.name, names)
    check_tokenizer(names, path.name)
    text = text_part(config)
    tied = bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False)))
    source = _json(path / SOURCE_FILE)
    return BaseCard(
        id=str(path),
        title=str(source.get("hub_id") or path.name).rpartition("/")[2],
        parameters=weights.parameters(path, tied),
        context=_context(path, config, text),
        licence=str(source.get("licence") or "") or _licence(path),
        good_for="Your own model folder." if not source.get("hub_id") else "A model from the Hub.",
        architecture=architecture,
        tasks=tasks,
        hub_id=source.get("hub_id"),
        path=path,
        hidden_size=_number(text, _HIDDEN),
        layers=_number(text, _LAYERS),
        vocabulary=_number(text, ("vocab_size",)),
        family=str(config.get("model_type", "")),
        download_gib=sum(size for name, _, size in stamps if name.endswith(".safetensors")) / GIB,
    )


def read_config(path: Path) -> dict[str, Any]:
    """
    Raises:
        ModelError: config.json is not a JSON object.
    """
    try:
        if path.stat().st_size > _MAX_CONFIG:
            raise ValueError
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError
    except (OSError, ValueError):
        raise ModelError(
            "The model's settings cannot be read",
            f"{path.name} is not a readable JSON file.",
            "Download or copy the model again.",
        ) from None
    return config


def check_config(config: dict[str, Any], name: str) -> tuple[Architecture, tuple[str, ...]]:
    """What kind of model a config describes, and the tasks it can be tuned for.

    Raises:
        ModelError: the studio cannot tune it.
    """
    kind = str(config.get("model_type") or "")
    if not kind:
        raise ModelError(
            "This is not a language model",
            f"The config.json of {name} names no model type.",
            "Choose a folder or Hub id of a Transformers language model.",
        )
    known = support(kind)
    if not known.any:
        own_code = bool(config.get("auto_map"))
        raise ModelError(
            "This model needs code of its own" if own_code else "This kind of model is not known",
            f"{name} can only be opened by running code that comes with it, which the studio never does."
            if own_code
            else f"{name} is of type “{kind}”, which is not a language model the studio can tune.",
            "Choose a base from the list, or one whose type Transformers knows.",
        )
    if config.get("is_encoder_decoder"):
        raise ModelError(
            "This kind of model cannot be tuned here yet",
            f"{name} is an encoder-decoder (“{kind}”).",
            "Choose a chat model for chat, or an encoder for sorting texts.",
        )
    if config.get("quantization_config") or config.get("quantization"):
        raise ModelError(
            "These weights are already compressed",
            f"{name} holds quantised weights, and tuning needs the full ones.",
            "Choose the uncompressed version; QLoRA compresses it while it trains.",
        )
    names = [str(n) for n in config.get("architectures") or []]
    written = any(n.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for n in names)
    decoder = known.causal_lm and (written or not known.masked_lm)
    tasks = (("chat",) if decoder else ()) + (("text_classification",) if known.sequence_classification else ())
    return ("decoder" if decoder else "encoder"), tasks


def text_part(config: dict[str, Any]) -> dict[str, Any]:
    """The language model's own settings; models that also see keep them one level down."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def check_tokenizer(names: list[str], model: str) -> None:
    """
    Raises:
        ModelError: there is no tokenizer.json among the files.
    """
    if "tokenizer.json" not in names:
        old = {"tokenizer.model", "spiece.model", "vocab.txt", "vocab.json"} & set(names)
        raise ModelError(
            "The tokenizer is missing",
            f"{model} has no tokenizer.json" + (f", only the older {sorted(old)[0]}." if old else "."),
            "Save it with AutoTokenizer.from_pretrained(…).save_pretrained(…) into the same folder."
            if old
            else "Copy the tokenizer files of the model into the same folder.",
        )


def no_safetensors(model: str, names: list[str]) -> ModelError:
    """The error for a model without safetensors weights."""
    pickled = sorted(name for name in names if name.endswith(PICKLES))
    if pickled:
        return ModelError(
            "Only pickled weights",
            f"{model} holds {pickled[0].rpartition('/')[2]}. Such a file can run code when it is opened, so the studio never opens one.",
            "Choose a version with safetensors weights; many models have one under another id.",
        )
    if any(name.endswith(".gguf") for name in names):
        return ModelError(
            "GGUF weights cannot be tuned",
            f"{model} holds a GGUF file, which is for running and not for tuning.",
            "Choose the original model with safetensors weights.",
        )
    return ModelError(
        "There are no weights here", f"{model} holds no model.safetensors.", "Download or copy the model again."
    )


def _not_a_model(path: Path, names: list[str]) -> ModelError:
    if "adapter_config.json" in names:
        base = _json(path / "adapter_config.json").get("base_model_name_or_path")
        return ModelError(
            "This is an adapter, not a base",
            f"{path.name} holds an adapter{f' for {base}' if base else ''}.",
            "Choose the base it was made for, or export it merged first.",
        )
    if any(name.endswith((".gguf", *PICKLES)) for name in names):
        return no_safetensors(path.name, names)
    return ModelError(
        "This is not a model folder",
        f"{path.name} has no config.json.",
        "Choose the folder that holds config.json and model.safetensors.",
    )


def _context(path: Path, config: dict[str, Any], text: dict[str, Any]) -> int:
    """Longest input in tokens: the position table's, less reserved rows, and no more than the tokenizer states."""
    positions = _number(text, _CONTEXT) or 512
    if config.get("model_type") in _OFFSET_POSITIONS:
        positions -= int(text.get("pad_token_id") or 0) + 1
    stated = _json(path / "tokenizer_config.json").get("model_max_length")
    if isinstance(stated, (int, float)) and 8 <= stated < positions:
        positions = int(stated)
    return max(8, positions)


def _licence(path: Path) -> str:
    """The licence named at the head of the model card, or "not stated"."""
    try:
        lines = (path / "README.md").read_text(encoding="utf-8", errors="replace")[:20_000].splitlines()
    except OSError:
        return "not stated"
    if not lines or lines[0].strip() != "---":
        return "not stated"
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, _, value = line.partition(":")
        if key.strip() in ("license", "license_name") and value.strip():
            return value.strip().strip("\"'")
    return "not stated"


def _number(values: dict[str, Any], names: tuple[str, ...]) -> int:
    found = next((values[n] for n in names if isinstance(values.get(n), int) and values[n] > 0), 0)
    return int(found)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
