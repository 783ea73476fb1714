"""The forgetting probe: short passages from the held-out text, to see what a tuned model unlearned.

Only sources whose licence lets the text itself be passed on, with their attribution, are used. The passages are held out by the hash
of their document's name, so that no later training on the same corpus reads them.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from studio.pretraining.corpus import document_text, read_documents, write_documents
from studio.pretraining.settings import Settings

SHARES = {"openstax": 70, "onestop": 45, "us_blog": 25, "classics": 50, "dolly": 40}
"""Passages a source. African Storybook is left out: its stories have authors that our copy does not name."""
UNFIT = ("Ernest Hemingway/",)
"""Held-out documents that are no reading for everybody's screen."""
WORDS = range(35, 121)


def build_probe(settings: Settings, text_folder: Path, path: Path) -> dict[str, int]:
    """Write ``path`` (``{"id", "text", "source", "title", "licence"}`` a line); returns passages a source."""
    rows: list[dict[str, Any]] = []
    counts = {}
    for name, wanted in SHARES.items():
        source = settings.corpus.sources[name]
        found = passages(text_folder / name / "held_out.jsonl")[:wanted]
        counts[name] = len(found)
        for number, (text, origin) in enumerate(found, 1):
            rows.append(
                {
                    "id": f"{name}-{number:03}",
                    "text": text,
                    "source": origin or source.title,
                    "title": source.title,
                    "licence": source.licence,
                }
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_documents(path, rows)
    return counts


def passages(path: Path) -> list[tuple[str, str]]:
    """(text, origin) of every clean paragraph of fitting length, in the order of their hash, one in turn from each document."""
    by_document: list[list[tuple[str, str]]] = []
    seen: set[str] = set()
    for document in read_documents(path):
        if document.get("source", "").startswith(UNFIT):
            continue
        text = document["messages"][-1]["content"] if "messages" in document else document_text(document)
        good = [(p, document.get("source", "")) for p in _paragraphs(text) if _reads_well(p) and p not in seen]
        seen.update(passage for passage, _ in good)
        good.sort(key=lambda passage: hashlib.sha256(passage[0].encode()).digest())
        if good:
            by_document.append(good)
    by_document.sort(key=lambda good: hashlib.sha256(good[0][0].encode()).digest())
    longest = max(map(len, by_document), default=0)
    return [good[i] for i in range(longest) for good in by_document if i < len(good)]


def _paragraphs(text: str) -> list[str]:
    """Paragraphs, long ones cut into runs of whole sentences that fit."""
    parts = []
    for paragraph in re.split(r"\n+", text):
        current: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", paragraph.strip()):
            if current and len(" ".join([*current, sentence]).split()) > WORDS.stop - 1:
                parts.append(" ".join(current))
                current = []
            current.append(sentence)
        parts.append(" ".join(current))
    return parts


def _reads_well(text: str) -> bool:
    """Whole sentences of prose: no headings, lists, formulas, addresses."""
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return (
        len(text.split()) in WORDS
        and bool(re.match(r"[A-Z\"']", text))
        and bool(re.search(r"[.!?][\"']?$", text))
        and letters / len(text) > 0.93
        and not re.search(r"https?:|@|\[|\]|\||Figure|figure \d|\( ", text)
    )
