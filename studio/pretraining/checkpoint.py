"""Checkpoints of a stretch of training, written whole or not at all, and the wish to end read from a signal."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from studio.core.errors import RunError


def save_checkpoint(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(values, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """
    Raises:
        RunError: there is no such checkpoint.
    """
    if not path.is_file():
        raise RunError("There is no such checkpoint", f"{path} is not there.", "Run the step before this one first.")
    values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return values


class StopSignal:
    """True once the process was asked to end (SIGTERM or Ctrl-C): the loop then writes a checkpoint and leaves."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def __bool__(self) -> bool:
        return self._asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
