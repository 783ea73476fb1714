"""What safetensors files say about themselves, read from their headers: nothing is loaded and torch is not needed.

A safetensors file opens with eight bytes (the header's length, little-endian) and a JSON header that names each tensor
with its type, shape and place (https://huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_MAX_HEADER = 100 * 1024**2
_DAMAGED = "Download or copy the model again; the file is damaged."


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: its number format ("BF16"), shape and bytes on disk."""

    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, all parts of a divided model included; empty when there are none.

    Raises:
        ModelError: the list of parts cannot be read, leads outside the folder, or a part is missing.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        paths = [folder / str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelError("The weights cannot be read", f"{INDEX} is not readable.", _DAMAGED) from None
    for path in paths:
        if path.parent != folder:
            raise ModelError(
                "The weights cannot be used",
                f"{INDEX} points outside the model's folder.",
                "Use a model from a source you trust.",
            )
        if not path.is_file():
            raise ModelError(
                "The weights are incomplete",
                f"{path.name} is missing.",
                "Download or copy the model again, all parts of it.",
            )
    return paths


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Tensor name → what the header says of it.

    Raises:
        ModelError: the file is not safetensors, is damaged, or was cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise ValueError
            values = json.loads(file.read(length))
        tensors = {name: _tensor(info) for name, info in values.items() if name != "__metadata__"}
        end = max((int(v["data_offsets"][1]) for n, v in values.items() if n != "__metadata__"), default=0)
    except OSError as error:
        raise ModelError(
            "The weights cannot be read", f"{path.name}: {error.strerror or error}.", "Check the file and its rights."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ModelError("The weights cannot be read", f"{path.name} is not a safetensors file.", _DAMAGED) from None
    if size < 8 + length + end:
        raise ModelError("The weights are incomplete", f"{path.name} was cut short.", _DAMAGED)
    return tensors


def _tensor(info: Any) -> TensorInfo:
    start, end = info["data_offsets"]
    shape = tuple(int(n) for n in info["shape"])
    if any(n < 0 for n in shape) or end < start:
        raise ValueError("negative size")
    return TensorInfo(str(info["dtype"]), shape, int(end) - int(start))


def tensors(folder: Path) -> dict[str, TensorInfo]:
    """Every tensor of a model folder. Remembered until a file changes.

    Raises:
        ModelError: see :func:`weight_files` and :func:`read_header`.
    """
    return dict(_tensors(_stamps(weight_files(folder))))


def parameters(folder: Path, tied_embeddings: bool = False) -> int:
    """How many weights a model has; an output layer that repeats the embeddings is not counted twice."""
    known = tensors(folder)
    total = sum(info.elements for info in known.values())
    if tied_embeddings and any("embed" in name for name in known):
        total -= sum(info.elements for name, info in known.items() if name.endswith("lm_head.weight"))
    return total


def linear_names(folder: Path) -> tuple[str, ...]:
    """Short names of the layers an adapter can sit on (``q_proj``, ``down_proj`` …): matrices that repeat in every
    block. Empty when the names cannot be told."""
    counts: dict[str, int] = {}
    for name, info in tensors(folder).items():
        parts = name.split(".")
        in_a_block = any(part.isdigit() for part in parts[:-1])
        if len(info.shape) == 2 and in_a_block and parts[-1] == "weight":
            counts[parts[-2]] = counts.get(parts[-2], 0) + 1
    return tuple(sorted(counts))


def weights_hash(folder: Path, digits: int = 12) -> str:
    """The first hex digits of a SHA-256 over the bytes of a folder's safetensors files (base or adapter), in the order
    of their names. Two folders that answer alike have the same; the playground shows six of them.

    Remembered until a file changes, so that asking again costs nothing.

    Raises:
        ModelError: there are no safetensors files, or they cannot be read.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(
            "There are no weights here", f"{folder.name} holds no safetensors file.", "Choose the folder of a model."
        )
    return _hash(_stamps(files))[:digits]


def _stamps(files: list[Path]) -> tuple[tuple[str, int, int], ...]:
    stats = [(path, path.stat()) for path in files]
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)


@lru_cache(maxsize=64)
def _tensors(stamps: tuple[tuple[str, int, int], ...]) -> dict[str, TensorInfo]:
    found: dict[str, TensorInfo] = {}
    for name, _, _ in stamps:
        found.update(read_header(Path(name)))
    return found


@lru_cache(maxsize=64)
def _hash(stamps: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    try:
        for name, _, _ in stamps:
            with Path(name).open("rb") as file:
                while block := file.read(8 * 1024**2):
                    digest.update(block)
    except OSError as error:
        raise ModelError(
            "The weights cannot be read", str(error.strerror or error), "Check the file's rights."
        ) from None
    return digest.hexdigest()
