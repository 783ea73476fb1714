"""The conversation of a run, kept in its folder: a step change, a reload or another browser shows it as it was left.

Whoever talks last writes; an answer that ends late is written only where its question still stands last. A disk that is
full or a run that is gone costs the keeping and not the conversation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from studio.runs.folder import RunFolder
from studio.runs.json_files import read_json, write_json
from studio.ui.views.conversation import Turn, from_json, to_json

log = logging.getLogger(__name__)
_lock = threading.Lock()


def read(run: RunFolder) -> list[Turn]:
    """The turns that were kept; damaged ones are left out."""
    kept = (read_json(run.conversation_path) or {}).get("turns")
    turns = [from_json(values, run.id) for values in kept] if isinstance(kept, list) else []
    return [turn for turn in turns if turn is not None]


def write(run: RunFolder, turns: Sequence[Turn]) -> None:
    """Keep these turns and no others."""
    with _lock:
        _write(run, turns)


def settle(run: RunFolder, turn: Turn) -> None:
    """Keep what a question has been answered, unless it was cleared or another one was asked meanwhile."""
    with _lock:
        turns = read(run)
        if turns and turns[-1].id == turn.id:
            _write(run, [*turns[:-1], turn])


def _write(run: RunFolder, turns: Sequence[Turn]) -> None:
    try:
        write_json(run.conversation_path, {"v": 1, "turns": [to_json(turn) for turn in turns]})
    except OSError as error:
        log.warning("The conversation of %s could not be kept: %s", run.id, error)
