"""From tokens to text while they come: whole characters only, each row to its own end, stopped when asked.

Everything hangs on one stopping criterion, because ``generate`` shows it every new token of every row, on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

OnText = Callable[[int, str, bool, int], None]
"""Called with (row, new text, whether the row is done, its tokens so far)."""
_BROKEN = "\ufffd"


class IncrementalText:
    """Decodes a growing list of tokens; holds back what may still be half a character.

    Only the last few tokens are decoded anew each time, together with those before them, since tokenizers write a
    token differently at the beginning of a text than inside it.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = 0
        self._told = 0

    def add(self, token: int) -> str:
        """The text that has become certain with this token."""
        self._ids.append(token)
        return self._new_text(final=False)

    def rest(self) -> str:
        """What was held back, at the end: a half character becomes the replacement sign."""
        return self._new_text(final=True)

    def _new_text(self, final: bool) -> str:
        known = self._decode(self._ids[self._start : self._told])
        text = self._decode(self._ids[self._start :])
        if len(text) <= len(known) or (text.endswith(_BROKEN) and not final):
            return ""
        self._start, self._told = self._told, len(self._ids)
        return text[len(known) :]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) if ids else ""


class _Row:
    """One answer in the making."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self.text = IncrementalText(tokenizer)
        self.stops = stops
        self.held = ""
        self.tokens = 0
        self.done = False

    def push(self, new: str) -> tuple[str, bool]:
        """(text that may be shown, whether a stop text was met). The beginning of a stop text is held back."""
        self.held += new
        places = [at for at in (self.held.find(stop) for stop in self.stops) if at >= 0]
        if places:
            shown, self.held = self.held[: min(places)], ""
            return shown, True
        keep = max((_overlap(self.held, stop) for stop in self.stops), default=0)
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown, False


class RowStream(StoppingCriteria):
    """Hands out the text of each row as it comes and says which rows have ended.

    Args:
        on_text: Called from the generating thread.
        ends: Token ids that end an answer.
        stops: Texts that end an answer, for models whose end mark is not one token.
        cancelled: Asked at each step; true ends all rows.
        limit: Tokens after which an answer ends.
    """

    def __init__(
        self,
        tokenizer: Any,
        rows: int,
        on_text: OnText,
        *,
        ends: frozenset[int],
        stops: Sequence[str] = (),
        limit: int,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rows = [_Row(tokenizer, stops) for _ in range(rows)]
        self._on_text = on_text
        self._ends = ends
        self._limit = limit
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **_: Any) -> torch.BoolTensor:
        """
        Args:
            input_ids: (rows, tokens so far), the newest last.

        Returns:
            (rows,), true where the row has ended.
        """
        newest = input_ids[:, -1].tolist()
        cancelled = self._cancelled()
        for number, (row, token) in enumerate(zip(self._rows, newest, strict=True)):
            if not row.done:
                self._take(number, row, int(token), cancelled)
        done = [row.done for row in self._rows]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)  # type: ignore[return-value]

    def finish(self) -> None:
        """Close the rows that are still open (generation ended early)."""
        for number, row in enumerate(self._rows):
            if not row.done:
                self._close(number, row, "", stopped=False)

    def _take(self, number: int, row: _Row, token: int, cancelled: bool) -> None:
        if token in self._ends:
            self._close(number, row, "", stopped=False)
            return
        row.tokens += 1
        shown, stopped = row.push(row.text.add(token))
        if stopped or cancelled or row.tokens >= self._limit:
            self._close(number, row, shown, stopped)
        elif shown:
            self._on_text(number, shown, False, row.tokens)

    def _close(self, number: int, row: _Row, shown: str, stopped: bool) -> None:
        if not stopped:
            last, met = row.push(row.text.rest())
            shown += last if met else last + row.held
        row.done = True
        self._on_text(number, shown, True, row.tokens)


def _overlap(text: str, stop: str) -> int:
    """Length of the longest beginning of ``stop`` that ``text`` ends with."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
