"""One sentence for every technical word the settings and screens use, from assets/help/glossary.md.

The file is Markdown that the documentation shows as it is: a ``## term`` heading, then one plain sentence. A heading may
name several words for the same thing, separated by `` / ``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from studio.core.assets import assets_dir

_SEPARATOR = " / "


@lru_cache(maxsize=1)
def glossary() -> Mapping[str, str]:
    """Term → explanation, in the order of the file; every word of a heading that names several is a key."""
    text = (assets_dir() / "help" / "glossary.md").read_text(encoding="utf-8")
    return MappingProxyType(parse(text))


def explain(term: str) -> str:
    """The sentence for a term, however it is capitalised and whether hyphens or spaces are used; empty when there is
    none."""
    wanted = key(term)
    return next((sentence for name, sentence in glossary().items() if key(name) == wanted), "")


def load(path: Path) -> dict[str, str]:
    """Another file of the same form."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, str]:
    """
    Raises:
        ValueError: a term has no explanation, or stands there twice. The shipped file is checked by a test.
    """
    terms: dict[str, str] = {}
    for section in f"\n{text}".split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        sentence = " ".join(body.split("\n# ")[0].split())
        if not sentence:
            raise ValueError(f"“{heading.strip()}” has no explanation")
        for name in heading.split(_SEPARATOR):
            if key(name) in map(key, terms):
                raise ValueError(f"“{name.strip()}” is explained twice")
            terms[name.strip()] = sentence
    return terms


def key(term: str) -> str:
    """The form in which words are compared: ``Learning-Rate`` and ``learning_rate`` are the same."""
    return " ".join(term.lower().replace("-", " ").replace("_", " ").split())
