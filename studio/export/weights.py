"""Loading and merging the tuned model for an export. Needs torch.

Everything here opens safetensors only and never runs code that came with a model.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from studio.core.errors import ExportError, StudioError
from studio.export.scripts import LOCAL_BASE
from studio.export.source import Source

SHARD_SIZE = "4GB"
_TOKENIZER = re.compile(
    r"(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|.*\.model|spiece.*|chat_template.*)"
)
_MODEL_TEXTS = ("config.json", "generation_config.json", "model.safetensors.index.json")
_LICENCES = re.compile(r"(LICEN[CS]E|NOTICE|USE_POLICY).*", re.IGNORECASE)
LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError, StudioError)


@contextmanager
def opened(what: str) -> Iterator[None]:
    """Turns whatever a library says about unreadable weights into a sentence.

    Raises:
        ExportError: in the place of any error of loading; running out of memory keeps its own words.
    """
    try:
        yield
    except MemoryError:
        raise _no_memory() from None
    except LOAD_ERRORS as error:
        if "out of memory" in str(error).lower():
            raise _no_memory() from None
        if isinstance(error, ExportError):
            raise
        raise ExportError(
            f"{what} cannot be opened",
            f"Its files are damaged or incomplete ({type(error).__name__}).",
            "Train the run again, or resume it from its last checkpoint.",
        ) from error
    finally:
        gc.collect()


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_base(source: Source, dtype: str) -> Any:
    """The untouched base in full precision, with a head for the run's labels where it classifies."""
    import torch

    from studio.models.load import load_causal_lm, load_sequence_classifier

    kind = getattr(torch, dtype)
    if source.classifies:
        return load_sequence_classifier(source.base_path, source.labels, dtype=kind)
    return load_causal_lm(source.base_path, dtype=kind)


def load_in_app(source: Source, dtype: str) -> Any:
    """The tuned model as the playground opens it: base and adapter, or the run's own full weights."""
    import torch

    from studio.models.load import load_causal_lm, load_sequence_classifier

    if source.has_adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(load_base(source, dtype), source.model_dir)
        return _settle(model, source)
    kind = getattr(torch, dtype)
    if source.classifies:
        return _settle(load_sequence_classifier(source.model_dir, source.labels, dtype=kind), source)
    return _settle(load_causal_lm(source.model_dir, dtype=kind), source)


def load_exported(source: Source, folder: Path, dtype: str) -> Any:
    """An unpacked export as anybody would open it: plain transformers and PEFT, nothing of the studio."""
    import torch
    import transformers

    auto = getattr(transformers, source.task.auto_class)
    plain = {"dtype": getattr(torch, dtype), "trust_remote_code": False, "use_safetensors": True}
    if not (folder / "adapter_config.json").is_file():
        return _settle(auto.from_pretrained(folder, **plain), source)
    from peft import PeftModel

    heads = {"id2label": dict(enumerate(source.labels))} if source.classifies else {}
    local = folder / LOCAL_BASE
    base = auto.from_pretrained(local if local.is_dir() else source.base_path, **plain, **heads)
    if source.classifies and base.config.pad_token_id is None:
        base.config.pad_token_id = transformers.AutoTokenizer.from_pretrained(folder).pad_token_id
    return _settle(PeftModel.from_pretrained(base, folder), source)


def merge(source: Source, target: Path) -> None:
    """Write base and adapter as one model into ``target``; needs the memory of one model and no more."""
    import torch

    with opened("The tuned model"):
        model = load_in_app(source, source.dtype)
        with torch.no_grad():
            merged = model.merge_and_unload(safe_merge=True)
        if source.classifies:
            merged.config.id2label = dict(enumerate(source.labels))
            merged.config.label2id = {label: i for i, label in enumerate(source.labels)}
        merged.config.dtype = getattr(torch, source.dtype)
        merged.to("cpu").save_pretrained(target, max_shard_size=SHARD_SIZE)
        del model, merged
    for config in target.glob("*config.json"):
        _without_folders(config)


def tokenizer_files(source: Source, work: Path) -> list[Path]:
    """The run's tokenizer and chat template; the base's where the run kept none.

    A base without a chat template gets the one that training used, written into ``work``: without it the export would
    not read conversations as the app does.
    """
    for place in (source.model_dir, source.base_path):
        found = sorted(p for p in place.iterdir() if p.is_file() and _TOKENIZER.fullmatch(p.name))
        if any(p.name.startswith(("tokenizer", "vocab", "spiece")) or p.suffix == ".model" for p in found):
            break
    else:
        raise ExportError("The tokenizer is gone", "Neither the run nor its base holds one.", "Choose the base again.")
    if source.classifies or any(p.name.startswith("chat_template") for p in found) or _names_template(place):
        return found
    from studio.data.render import ChatRenderer

    template = work / "chat_template.jinja"
    template.write_text(ChatRenderer.from_folder(source.base_path).chat_template, encoding="utf-8")
    return [*found, template]


def _names_template(folder: Path) -> bool:
    """Whether the template stands in the tokenizer's settings, as in older models."""
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False


def model_files(folder: Path) -> list[Path]:
    """Weights and settings of a full model; nothing that could run code."""
    texts = [folder / name for name in _MODEL_TEXTS if (folder / name).is_file()]
    return [*texts, *sorted(p for p in folder.glob("*.safetensors") if not p.name.startswith("adapter"))]


def licence_files(source: Source) -> list[tuple[str, Path]]:
    """The base's licence texts and model card: who passes a model on passes these on too."""
    found = [(f"BASE_{p.name}", p) for p in sorted(source.base_path.iterdir()) if _LICENCES.fullmatch(p.name)]
    readme = source.base_path / "README.md"
    return [*found, *([("BASE_README.md", readme)] if readme.is_file() else [])]


def adapter_config(source: Source, target: Path) -> Path:
    """The adapter's settings with the base's public name in the place of a folder of this machine."""
    try:
        values = json.loads((source.model_dir / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ExportError(
            "The tuned model cannot be opened", "Its adapter_config.json is damaged.", "Train the run again."
        ) from None
    values["base_model_name_or_path"] = source.hub_id or LOCAL_BASE
    path = target / "adapter_config.json"
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def copy_texts(source: Source, folder: Path, target: Path) -> None:
    """Copy a full model's small text files, folders of this machine left out."""
    for path in model_files(folder):
        if path.suffix == ".json":
            shutil.copyfile(path, target / path.name)
            _without_folders(target / path.name)


def _without_folders(path: Path) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(values, dict) and values.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")


def _settle(model: Any, source: Source) -> Any:
    return model.to(device()).eval()


def _no_memory() -> ExportError:
    return ExportError(
        "There is not enough memory for this export",
        "Base and adapter together do not fit.",
        "Export the adapter only, close other programs, or use a machine with more memory.",
        code="out_of_memory",
    )
