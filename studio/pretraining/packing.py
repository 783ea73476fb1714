"""Token files, and the order in which their windows are drawn: a mixture that can be taken up again at the exact window.

A source's documents lie one after another in one file of 16-bit tokens, each closed by ``<|endoftext|>``. A window is a stretch
of that file; documents are cut where the window ends. Within one pass over a source its windows come in a shuffled order
without repeats, and each pass shifts the cuts. The whole state is one counter a source and one for the draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from studio.core.errors import DataError
from studio.pretraining.corpus import Document
from studio.pretraining.tokenizer import END_OF_TEXT, render

BATCH = 256


def write_tokens(tokenizer: Tokenizer, documents: Iterable[Document], path: Path) -> int:
    """Tokenise ``documents`` into ``path`` (uint16); returns the number of tokens.

    The file is put in place whole: a training run that has the old one mapped keeps reading that.
    """
    total = 0
    batch: list[str] = []
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:

        def flush() -> int:
            count = 0
            for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
                ids = np.array([*encoding.ids, END_OF_TEXT], dtype=np.uint16)
                file.write(ids.tobytes())
                count += len(ids)
            batch.clear()
            return count

        for document in documents:
            batch.append(render(document))
            if len(batch) >= BATCH:
                total += flush()
        total += flush()
    part.replace(path)
    return total


def read_tokens(path: Path) -> np.ndarray:
    """
    Raises:
        DataError: the source was not tokenised yet.
    """
    if not path.is_file():
        raise DataError("A source was not tokenised yet", f"{path} is not there.", "Run the tokenizer step first.")
    return np.memmap(path, dtype=np.uint16, mode="r")


class Mixture:
    """Draws batches of ``window + 1`` tokens (inputs and the next tokens) from several sources.

    Args:
        sources: Name → tokens.
        shares: Name → share of the windows; names without tokens are refused.
    """

    def __init__(self, sources: dict[str, np.ndarray], shares: dict[str, float], window: int, seed: int) -> None:
        self._names = [name for name, share in shares.items() if share > 0]
        self._tokens = {name: sources[name] for name in self._names}
        for name, tokens in self._tokens.items():
            if len(tokens) < 2 * window + 1:
                raise DataError("A source is too small", f"“{name}” has {len(tokens)} tokens.", "Take smaller windows.")
        self._shares = np.array([shares[name] for name in self._names], dtype=float)
        self._shares /= self._shares.sum()
        self._window = window
        self._seed = seed
        self._drawn = 0
        self._used = dict.fromkeys(self._names, 0)
        self._orders: dict[str, tuple[int, int, np.ndarray]] = {}

    def batch(self, windows: int) -> np.ndarray:
        """The next ``windows`` windows: int64, shape (windows, window + 1)."""
        random = np.random.default_rng([self._seed, self._drawn])
        self._drawn += 1
        choices = random.choice(len(self._names), size=windows, p=self._shares)
        return np.stack([self._next(self._names[i]) for i in choices]).astype(np.int64)

    def passes(self) -> dict[str, float]:
        """How often each source has been seen."""
        return {name: used * self._window / len(self._tokens[name]) for name, used in self._used.items()}

    def state(self) -> dict[str, object]:
        return {"drawn": self._drawn, "used": dict(self._used)}

    def restore(self, state: dict[str, object]) -> None:
        self._drawn = int(state["drawn"])  # type: ignore[call-overload]
        self._used = {name: int(state["used"].get(name, 0)) for name in self._names}  # type: ignore[attr-defined]

    def _next(self, name: str) -> np.ndarray:
        tokens = self._tokens[name]
        # One window fewer than would fit leaves room for the shift of the cuts.
        per_pass = (len(tokens) - 1) // self._window - 1
        number, place = divmod(self._used[name], per_pass)
        if name not in self._orders or self._orders[name][0] != number:
            random = np.random.default_rng([self._seed, number, *name.encode()])
            self._orders[name] = (number, int(random.integers(self._window)), random.permutation(per_pass))
        _, shift, order = self._orders[name]
        self._used[name] += 1
        start = shift + int(order[place]) * self._window
        return np.asarray(tokens[start : start + self._window + 1])
