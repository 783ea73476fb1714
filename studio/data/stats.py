"""Small facts about the rows: which language they are in, how their lengths are distributed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

_LANGUAGES = {
    "af": "Afrikaans", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian",
    "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "eo": "Esperanto",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician",
    "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "kn": "Kannada", "ko": "Korean", "la": "Latin",
    "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "mt": "Maltese", "nb": "Norwegian", "ne": "Nepali", "nl": "Dutch", "nn": "Norwegian", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Filipino",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "xh": "Xhosa", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
_PIECE = 300
_PIECES = 24


def language(texts: Iterable[str]) -> str:
    """The language of a sample in English words ("German", "mostly English", "several languages"); "" if too little.

    Short rows are put together into pieces of about 300 characters, for a guess on five words is a coin toss.
    """
    pieces: list[str] = [""]
    for text in islice(texts, 400):
        pieces[-1] += " " + text[:_PIECE]
        if len(pieces[-1]) >= _PIECE:
            if len(pieces) == _PIECES:
                break
            pieces.append("")
    pieces = [p for p in pieces if sum(c.isalpha() for c in p) >= 12]
    return _vote(tuple(pieces)) if pieces else ""


@lru_cache(maxsize=64)
def _vote(pieces: tuple[str, ...]) -> str:
    with _lock:
        identifier = _identifier()
        found = Counter(_LANGUAGES.get(code, code) for code, _ in map(identifier.classify, pieces))
    (first, count), total = found.most_common(1)[0], len(pieces)
    if count >= 0.8 * total:
        return first
    return f"mostly {first}" if count >= 0.5 * total else "several languages"


_lock = threading.Lock()
_held: dict[str, Any] = {}
_HOLD_S = 5.0


def _identifier() -> Any:
    """The model: half a second to load and 70 MB to hold, so it is let go a few seconds after its last use."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    if "timer" in _held:
        _held["timer"].cancel()
    if "model" not in _held:
        _held["model"] = LanguageIdentifier.from_model_file(MODEL_FILE)
    _held["timer"] = threading.Timer(_HOLD_S, _let_go)
    _held["timer"].daemon = True
    _held["timer"].start()
    return _held["model"]


def _let_go() -> None:
    with _lock:
        _held.clear()


@dataclass(frozen=True)
class Bin:
    """Rows of ``start`` to ``end - 1`` tokens; ``over`` when all of them are longer than the limit."""

    start: int
    end: int
    count: int
    over: bool


def histogram(lengths: Sequence[int], max_length: int | None = None, bins: int = 24) -> list[Bin]:
    """Lengths in bins of equal, round width; a bin ends exactly at the limit, so that none is half over it.

    A long tail is gathered in the last bin (from four times the 95th percentile on).
    """
    if not lengths:
        return []
    ordered = sorted(lengths)
    longest = ordered[-1]
    usual = min(longest, 4 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))])
    if max_length and max_length < longest:
        usual = max(usual, max_length)
    width = _round_up(max(1, usual // bins))
    edges = list(range(0, usual + width + 1, width))
    if max_length and edges[0] < max_length + 1 < edges[-1] and max_length + 1 not in edges:
        edges = sorted({*edges, max_length + 1})
    edges[-1] = max(edges[-1], longest + 1)
    counts = [0] * (len(edges) - 1)
    position = 0
    for length in ordered:
        while length >= edges[position + 1]:
            position += 1
        counts[position] += 1
    over = [bool(max_length) and edges[i] > (max_length or 0) for i in range(len(counts))]
    return [Bin(edges[i], edges[i + 1], counts[i], over[i]) for i in range(len(counts))]


def _round_up(width: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if width <= factor * step:
                return factor * step
        step *= 10
