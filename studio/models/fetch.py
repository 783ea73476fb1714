"""Bring a base's files to this machine: safetensors, tokenizer, config; never a pickle, never code.

A downloaded base lies in ``<workspace>/models/<org>--<name>`` with a small file that says it is complete; a copy in the
Hugging Face cache of this machine is used as it is. Everything that can go wrong on the way (no network, a gated or
misspelt id, pickled weights only, a full disk) ends in a :class:`ModelError` that says what to do next.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError
from studio.core.hardware import GIB, free_disk_gib
from studio.core.workspace import Workspace, default_workspace
from studio.models.folder import (
    SOURCE_FILE,
    check_config,
    check_tokenizer,
    inspect_folder,
    no_safetensors,
    read_config,
    text_part,
)
from studio.models.types import BaseCard

__all__ = [
    "describe",
    "downloaded",
    "fetch",
    "inspect_folder",
    "is_hub_id",
    "is_local",
    "local_folder",
    "not_here",
]

Progress = Callable[[str, float], None]
TIMEOUT_S = 5.0
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_CATALOGUE_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")
_OTHERS = frozenset({
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "chat_template.json",
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md",
    "NOTICE", "USE_POLICY.md",
})  # fmt: skip
"""Files taken beside the weights. None of them can hold code."""


def is_hub_id(text: str) -> bool:
    """Whether ``text`` has the form ``organisation/name``."""
    return bool(_HUB_ID.fullmatch(text)) and ".." not in text and "--" not in text


def is_local(card: BaseCard, workspace: Workspace) -> bool:
    """Whether the base can be used now, without a download."""
    return _found(card, workspace) is not None


def local_folder(card: BaseCard, workspace: Workspace) -> Path:
    """
    Raises:
        ModelError: the base is not on this machine yet.
    """
    folder = _found(card, workspace)
    if folder is None:
        raise not_here(card.id, workspace)
    return folder


def not_here(base_id: str, workspace: Workspace) -> ModelError:
    """The error for a base that a run stands on and that this machine lacks, with the command that brings it."""
    if not (is_hub_id(base_id) or _CATALOGUE_ID.fullmatch(base_id)):
        return ModelError(
            "The base model is not on this machine",
            f"The run was tuned from the folder “{base_id}”, and no model lies there.",
            "Copy that folder to the same place on this machine, then try again.",
            code="not_here",
        )
    command = f"studio fetch {base_id}"
    if workspace.root != default_workspace().resolve():
        command += f" --workspace {shlex.quote(str(workspace.root))}"
    return ModelError(
        "The base model is not on this machine",
        f"“{base_id}” has not been downloaded here.",
        f"Download it with “{command}” in a terminal, then try again.",
        code="not_here",
    )


def fetch(card: BaseCard, workspace: Workspace, progress: Progress) -> Path:
    """The base's folder, downloaded if need be. A download that was cut off goes on where it stopped.

    Args:
        progress: Called with a sentence and the share done (0 to 1), from any thread.

    Raises:
        ModelError: no network, not found, gated, pickled weights only, disk full, or not usable here.
    """
    folder = _found(card, workspace)
    if folder is not None:
        progress("Ready.", 1.0)
        return folder
    if not card.hub_id:
        raise ModelError("This base is gone", f"{card.id} is no longer there.", "Choose another base.")
    progress(f"Asking the Hub for {card.hub_id}.", 0.0)
    info = _ask(card.hub_id)
    sizes = _wanted(info)
    _check_names(card.hub_id, info)
    total = sum(sizes.values())
    _check_disk(workspace, total)
    folder = _target(card.hub_id, workspace)
    # The config first: a model the studio cannot tune is refused before gigabytes are spent on it.
    _download(card.hub_id, info.sha, ["config.json"], folder, lambda done: None)
    check_config(read_config(folder / "config.json"), card.hub_id)

    def tell(done: float) -> None:
        share = min(1.0, done / total) if total else 1.0
        progress(f"Downloading {card.title}: {done / GIB:.2f} of {total / GIB:.2f} GB.", share)

    _download(card.hub_id, info.sha, sorted(sizes), folder, tell)
    inspect_folder(folder)
    source = {"hub_id": card.hub_id, "revision": info.sha, "licence": _licence(info)}
    (folder / SOURCE_FILE).write_text(json.dumps(source, indent=1), encoding="utf-8")
    progress("Ready.", 1.0)
    return folder


def describe(hub_id: str, workspace: Workspace) -> BaseCard:
    """The card of a Hub model that is not in the catalogue. What the Hub said is remembered in the workspace's cache.

    Raises:
        ModelError: see :func:`fetch`.
    """
    folder = downloaded(hub_id, workspace)
    if folder is not None:
        values = asdict(inspect_folder(folder))
        return BaseCard(**{**values, "id": hub_id, "hub_id": hub_id, "title": hub_id.partition("/")[2]})
    remembered = workspace.cache_dir / "hub" / f"{hub_id.replace('/', '--')}.json"
    try:
        values = json.loads(remembered.read_text(encoding="utf-8"))
        lists = {"tasks": tuple(values["tasks"]), "languages": tuple(values.get("languages", ()))}
        return BaseCard(**{**values, **lists})
    except (OSError, ValueError, TypeError, KeyError):
        card = _describe_remote(hub_id, workspace)
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(json.dumps(asdict(card)), encoding="utf-8")
    return card


def _describe_remote(hub_id: str, workspace: Workspace) -> BaseCard:
    info = _ask(hub_id)
    sizes = _wanted(info)
    _check_names(hub_id, info)
    folder = _target(hub_id, workspace)
    _download(hub_id, info.sha, ["config.json"], folder, lambda done: None)
    config = read_config(folder / "config.json")
    architecture, tasks = check_config(config, hub_id)
    text = text_part(config)
    weight_bytes = sum(size for name, size in sizes.items() if name.endswith(".safetensors"))
    counted = getattr(info.safetensors, "total", None)
    return BaseCard(
        id=hub_id,
        title=hub_id.partition("/")[2],
        parameters=int(counted or weight_bytes / 2),
        context=int(text.get("max_position_embeddings") or text.get("n_positions") or 512),
        licence=_licence(info),
        good_for="A model from the Hub.",
        architecture=architecture,
        gated=bool(info.gated),
        tasks=tasks,
        hub_id=hub_id,
        hidden_size=int(text.get("hidden_size") or text.get("n_embd") or 0),
        layers=int(text.get("num_hidden_layers") or text.get("n_layer") or 0),
        vocabulary=int(text.get("vocab_size") or 0),
        family=str(config.get("model_type", "")),
        download_gib=weight_bytes / GIB,
    )


# -- where it lies --------------------------------------------------------------------------------------------------


def _found(card: BaseCard, workspace: Workspace) -> Path | None:
    if card.path is not None:
        return card.path if (card.path / "config.json").is_file() else None
    return downloaded(card.hub_id, workspace) if card.hub_id else None


def _target(hub_id: str, workspace: Workspace) -> Path:
    return workspace.models_dir / hub_id.replace("/", "--")


def downloaded(hub_id: str, workspace: Workspace) -> Path | None:
    """A complete copy in the workspace or in this machine's Hugging Face cache."""
    folder = _target(hub_id, workspace)
    if (folder / SOURCE_FILE).is_file():
        return folder
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json")
    if not isinstance(config, str):
        return None
    try:
        inspect_folder(Path(config).parent)
    except ModelError:
        return None
    return Path(config).parent


# -- the Hub --------------------------------------------------------------------------------------------------------


def _ask(hub_id: str) -> Any:
    """The Hub's description of a model, its files' sizes included. Whatever the client raises becomes words."""
    import huggingface_hub

    try:
        return huggingface_hub.HfApi().model_info(hub_id, files_metadata=True, timeout=TIMEOUT_S)
    except Exception as error:
        raise _in_words(error, hub_id) from error


def _download(hub_id: str, revision: str, names: list[str], folder: Path, tell: Callable[[float], None]) -> None:
    import huggingface_hub

    try:
        huggingface_hub.snapshot_download(
            hub_id,
            revision=revision,
            local_dir=folder,
            allow_patterns=names,
            tqdm_class=_bar(tell),
            etag_timeout=TIMEOUT_S,
            max_workers=4,
        )
    except Exception as error:
        raise _in_words(error, hub_id) from error


def _bar(tell: Callable[[float], None]) -> type[Any]:
    """A progress bar that shows nothing and tells how many bytes there are.

    The Hub's client makes several bars (bytes received, bytes written, files); those that count bytes run towards the
    same total, so the furthest one counts.
    """
    from tqdm.auto import tqdm

    done: dict[int, float] = {}

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._counts_bytes = options.get("unit") == "B"
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if self._counts_bytes:
                done[id(self)] = done.get(id(self), 0.0) + (n or 0)
                tell(max(done.values()))

    return Bar


def _wanted(info: Any) -> dict[str, int]:
    """Files to take → bytes. One file of weights is taken rather than its parts where a model has both."""
    sizes = {item.rfilename: int(item.size or 0) for item in info.siblings or []}
    weights = {name for name in sizes if _WEIGHTS.fullmatch(name)}
    if "model.safetensors" in weights:
        weights = {"model.safetensors"}
    return {name: size for name, size in sizes.items() if name in weights or name in _OTHERS}


def _check_names(hub_id: str, info: Any) -> None:
    names = [item.rfilename for item in info.siblings or []]
    if "config.json" not in names:
        raise ModelError(
            "This is not a language model",
            f"{hub_id} has no config.json on the Hub.",
            "Choose a Transformers model; an adapter or a GGUF file cannot be tuned.",
        )
    if not any(_WEIGHTS.fullmatch(name) and name.endswith(".safetensors") for name in names):
        raise no_safetensors(hub_id, names)
    check_tokenizer(names, hub_id)


def _check_disk(workspace: Workspace, needed: int) -> None:
    free = free_disk_gib(workspace.models_dir)
    if needed / GIB + 1 > free:
        raise ModelError(
            "The disk is too full",
            f"The download needs {needed / GIB:.1f} GB and {free:.1f} GB are free.",
            "Make room, or choose another workspace with --workspace.",
        )


def _licence(info: Any) -> str:
    data = info.card_data.to_dict() if info.card_data else {}
    return str(data.get("license_name") or data.get("license") or "not stated")


def _in_words(error: Exception, hub_id: str) -> ModelError:
    """What the Hub's client raised, for the person."""
    from huggingface_hub import errors

    if isinstance(error, ModelError):
        return error
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return ModelError(
            "This model asks you to accept its licence",
            f"{hub_id} is gated: its makers want to know who downloads it.",
            f"Sign in at https://huggingface.co/{hub_id}, accept the licence there, run “hf auth login” in a terminal, and try again.",
            code="gated",
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return ModelError(
            "There is no such model on the Hub",
            f"{hub_id} was not found; it may be misspelt or private.",
            "Check the spelling (organisation/name). For a private model, run “hf auth login” first.",
            code="not_found",
        )
    if isinstance(error, OSError) and error.errno == 28:
        return ModelError(
            "The disk is full", f"{hub_id} could not be stored.", "Make room and download again; what is here is kept."
        )
    if isinstance(error, errors.OfflineModeIsEnabled) or "HF_HUB_OFFLINE" in str(error):
        return ModelError(
            "Downloads are turned off",
            f"{hub_id} is not on this machine and HF_HUB_OFFLINE is set.",
            "Unset HF_HUB_OFFLINE, or choose a base that is on this machine, such as the one that comes with the studio.",
            code="offline",
        )
    if status is not None and status >= 500:
        return ModelError(
            "The Hub does not answer", f"It reported error {status}.", "Try again in a few minutes.", code="offline"
        )
    return ModelError(
        "The Hub cannot be reached",
        f"{hub_id} is not on this machine and there is no connection to huggingface.co.",
        "Connect to the internet and try again, or choose a base that is on this machine, such as the one that comes with the studio.",
        code="offline",
    )
