"""Single pieces of text, as one or two threads generate them, gathered into chunks that a screen can keep up with."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from studio.inference.types import SIDES

EVERY_S = 0.05


@dataclass(frozen=True)
class PairChunk:
    """What has come since the last chunk. Tokens and seconds count from the beginning of the answer."""

    base: str = ""
    tuned: str = ""
    base_done: bool = False
    tuned_done: bool = False
    base_tokens: int = 0
    tuned_tokens: int = 0
    base_seconds: float = 0.0
    tuned_seconds: float = 0.0
    notes: tuple[str, ...] = ()


def gathered(news: queue.SimpleQueue[Any], began: float, notes: tuple[str, ...]) -> Iterator[PairChunk]:
    """Single pieces of text as chunks, at most one each 50 ms; the first at once. Text is what is new, all else counts from
    the beginning.

    Args:
        news: What the generating thread tells: ``(row, text, done, tokens, time)`` (see
            :data:`studio.inference.streaming.OnText`; row 0 is the base, ``time`` by ``time.monotonic``), None at the
            end, or the exception that ended it, which is raised here.
        began: When the question was asked, by ``time.monotonic``.
        notes: What is to be said of the question, told with the first chunk.
    """
    chunk, seen, last = PairChunk(notes=notes), bool(notes), -math.inf
    while True:
        try:
            item = news.get(timeout=EVERY_S if seen else None)
        except queue.Empty:
            item = ()
        if isinstance(item, BaseException):
            raise item
        if item:
            chunk, seen = _added(chunk, item, began), True
        now = time.monotonic()
        if seen and (item is None or now - last >= EVERY_S):
            yield chunk
            chunk, seen, last = replace(chunk, base="", tuned="", notes=()), False, now
        if item is None:
            return


def _added(chunk: PairChunk, item: tuple[int, str, bool, int, float], began: float) -> PairChunk:
    row, text, done, tokens, at = item
    side = SIDES[row]
    return replace(
        chunk,
        **{
            side: getattr(chunk, side) + text,
            f"{side}_done": getattr(chunk, f"{side}_done") or done,
            f"{side}_tokens": tokens,
            f"{side}_seconds": round(at - began, 3),
        },
    )
