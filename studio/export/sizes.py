"""How large an export becomes, told before it is made: for the screen that promises and for the check of the disk. Imports
no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from studio.export.source import Source
from studio.export.weights import model_files
from studio.models import weights
from studio.tasks.base import ExportKind

LARGEST_PACKED_BASE = 2**30
"""A base that is not on the Hub goes into the adapter's zip up to this size, bytes."""


def packs_base(source: Source, kind: ExportKind) -> bool:
    """Whether the base itself lies beside the adapter in the zip: who gets the zip could not get it elsewhere."""
    if kind == "merged" or not source.has_adapter or source.hub_id is not None:
        return False
    return _size(model_files(source.base_path)) <= LARGEST_PACKED_BASE


def zip_size(source: Source, kind: ExportKind) -> int:
    """Bytes of the finished zip, less the papers; weights are packed as they are.

    Raises:
        ModelError: the base's weights cannot be read.
    """
    own = _size(path for path in source.model_dir.iterdir() if path.is_file())
    if not source.has_adapter:
        return own
    adapter = own + (_size(model_files(source.base_path)) if packs_base(source, kind) else 0)
    if kind == "adapter":
        return adapter
    elements = sum(info.elements for info in weights.tensors(source.base_path).values())
    tokenizer = own - _size(source.model_dir.glob("*.safetensors"))
    merged = elements * (4 if source.dtype == "float32" else 2) + tokenizer
    return merged if kind == "merged" else adapter + merged


def _size(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)
