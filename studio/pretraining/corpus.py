"""From the raw files to clean documents, with a held-out part that is never trained on.

One folder a source: ``train.jsonl`` and ``held_out.jsonl``, a document a line (``{"text"}`` or ``{"messages"}``, with
``source``). Whole groups (the three levels of one article, one book) are held out, chosen by the hash of their name, so that
the choice repeats on any machine; long paragraphs that occur in the held-out part, or earlier in the same source, are dropped
from the training part.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import DataError
from studio.pretraining.settings import Corpus, Source

LONG_PARAGRAPH = 80
"""Characters from which a paragraph that repeats is dropped as a copy."""
SHORT_TEXT = 40
"""Characters below which a text (not a dialogue) is left out."""

Document = dict[str, Any]

_PLAIN = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2026": "...",
        "\u00a0": " ",
        "\u2013": "-",
        "\u2014": " - ",
        "\u2011": "-",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb00": "ff",
        "\ufeff": "",
        "\u200b": "",
        "\u00ad": "",
        "\r": "",
        "\t": " ",
    }
)
_BOILERPLATE = re.compile(
    r"(Learning Objectives|By the end of this section.{0,40}|Review Questions|Critical Thinking Questions"
    r"|Interactive Link Questions|Section Summary|Key (Terms|Concepts).{0,20}|Problems|\[Illustration.*)$"
)


@dataclass
class Counts:
    """What became of one source."""

    documents: int = 0
    held_out_documents: int = 0
    characters: int = 0
    held_out_characters: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason → documents (or paragraphs) dropped."""

    def drop(self, reason: str, count: int = 1) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + count


def prepare_source(name: str, source: Source, corpus: Corpus, text_folder: Path, folder: Path) -> Counts:
    """Clean one source, split it, and write ``folder/<name>/{train,held_out}.jsonl``."""
    counts = Counts()
    beside = source.file.startswith("./")
    path = (Path(__file__).parent if beside else text_folder) / source.file
    rows = read_pairs(path) if source.kind == "pairs" else read_rows(path)
    documents = list(clean_documents(source, rows, counts))
    held_out, train = hold_out(documents, corpus.held_out_share, corpus.held_out_least, name)
    # What an earlier source holds out stays out of this one too: the same story may be in two collections.
    others = [d for p in sorted(folder.glob("*/held_out.jsonl")) if p.parent.name != name for d in read_documents(p)]
    train = without_copies(train, [*held_out, *others], counts)
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    write_documents(target / "train.jsonl", train)
    write_documents(target / "held_out.jsonl", held_out)
    counts.documents, counts.held_out_documents = len(train), len(held_out)
    counts.characters = sum(map(document_size, train))
    counts.held_out_characters = sum(map(document_size, held_out))
    return counts


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON-lines file, xz-compressed or not.

    Raises:
        DataError: the file is not there or a line is not JSON.
    """
    opener: Callable[..., Any] = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise DataError("A line is not JSON", f"{path.name}, line {number}: {error}") from error
    except OSError as error:
        raise DataError("The text cannot be read", str(error), "Name the folder of the texts with --texts.") from error


def read_pairs(path: Path) -> Iterator[dict[str, Any]]:
    """Questions and answers written as blocks: questions on one line, separated by ``|``, then one answer a line.

    Every question, as written and with a capital, goes with every answer; a block stays on one side of the split. Of a
    folder, all its ``.txt`` files are read. The order is mixed, so that the wordings of one question are not neighbours.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    pairs: list[dict[str, Any]] = []
    for file in files:
        for number, block in enumerate(file.read_text(encoding="utf-8").split("\n\n")):
            lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
            if len(lines) < 2:
                continue
            asked = [q.strip() for q in lines[0].split("|") if q.strip()]
            for question in dict.fromkeys([*asked, *(q[0].upper() + q[1:] for q in asked)]):
                for answer in lines[1:]:
                    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                    pairs.append({"messages": messages, "source": f"{file.name}, block {number}"})
    yield from (pairs[i] for i in np.random.default_rng(len(pairs)).permutation(len(pairs)))


def read_documents(path: Path) -> list[Document]:
    return list(read_rows(path))


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(document, ensure_ascii=False) + "\n")


def clean_documents(source: Source, rows: Iterable[dict[str, Any]], counts: Counts) -> Iterator[Document]:
    """Clean rows of one source; ``group`` names what must stay on one side of the split."""
    for row in rows:
        origin = str(row.get("source", ""))
        if any(part in origin for part in source.exclude):
            counts.drop("excluded by name")
            continue
        document = _clean_row(source, row)
        if document is None or ("text" in document and document_size(document) < SHORT_TEXT):
            counts.drop("too short after cleaning")
            continue
        found = re.search(source.group, origin) if source.group else None
        key = found.group(1) if found else (origin if source.kind in ("book", "pairs") else document_text(document))
        yield {**document, "source": origin, "group": re.sub(r"\W+", " ", key).strip().lower()}


def hold_out(documents: list[Document], share: float, least: int, salt: str) -> tuple[list[Document], list[Document]]:
    """(held out, kept): whole groups in the order of their hash until ``share`` of the characters is reached.

    Groups far larger than the wanted share (a very long book) are passed over.
    """
    sizes: dict[str, int] = {}
    for document in documents:
        sizes[document["group"]] = sizes.get(document["group"], 0) + document_size(document)
    wanted = share * sum(sizes.values())
    usual = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    chosen: set[str] = set()
    taken = 0
    for group in sorted(sizes, key=lambda g: hashlib.sha256(f"{salt}\n{g}".encode()).digest()):
        if taken >= wanted and len(chosen) >= least:
            break
        if sizes[group] <= max(wanted, usual) and len(chosen) < len(sizes) - 1:
            chosen.add(group)
            taken += sizes[group]
    held = [d for d in documents if d["group"] in chosen]
    return held, [d for d in documents if d["group"] not in chosen]


def without_copies(train: list[Document], held_out: list[Document], counts: Counts) -> list[Document]:
    """``train`` without documents and long paragraphs that are in ``held_out`` or came before."""
    seen = {_fingerprint(p) for d in held_out for p in _parts(d) if len(p) >= LONG_PARAGRAPH}
    seen |= {_whole(d) for d in held_out}
    kept = []
    for document in train:
        whole = _whole(document)
        if whole in seen:
            counts.drop("copy of another document")
            continue
        seen.add(whole)
        if "text" in document:
            paragraphs = []
            for paragraph in document["text"].split("\n\n"):
                mark = _fingerprint(paragraph)
                if len(paragraph) >= LONG_PARAGRAPH and mark in seen and mark != whole:
                    counts.drop("copied paragraph")
                    continue
                seen.add(mark)
                paragraphs.append(paragraph)
            document = {**document, "text": "\n\n".join(paragraphs)}
            if document_size(document) < SHORT_TEXT:
                counts.drop("too short after cleaning")
                continue
        kept.append(document)
    return kept


def document_text(document: Document) -> str:
    """All the words of a document, without marks."""
    if "text" in document:
        return str(document["text"])
    return "\n".join(message["content"] for message in document["messages"])


def document_size(document: Document) -> int:
    return len(document_text(document))


# -- cleaning -------------------------------------------------------------------------------------------------------------


def _clean_row(source: Source, row: dict[str, Any]) -> Document | None:
    if source.kind in ("messages", "pairs"):
        messages = [{"role": m["role"], "content": _arithmetic(clean_text(m["content"]))} for m in row["messages"]]
        return {"messages": messages} if all(m["content"] for m in messages) else None
    if source.kind == "instruction":
        question, context, answer = (
            re.sub(r"\s?\[\d+\]", "", clean_text(str(row.get(k) or ""))) for k in ("instruction", "context", "response")
        )
        if not question or not answer:
            return None
        asked = f"{question}\n\n{context}" if context else question
        return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
    text = row["text"]
    if source.kind in ("markdown", "book"):
        text = _without_markdown(text)
    return {"text": _without_leftovers(clean_text(text))}


def clean_text(text: str) -> str:
    """Straight quotes, plain dashes and spaces, at most one empty line."""
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    text = re.sub(r" *-{2,} *", " - ", text)
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r" *\n *", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _arithmetic(text: str) -> str:
    """GSM8K's bare result line as a sentence."""
    return re.sub(r"\n?#### *(.+)$", r"\nThe answer is \1.", text)


def _without_markdown(text: str) -> str:
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    text = re.sub(r"<[^>\n]{1,200}>", "", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*\[[^\]]+\]:.*$", "", text, flags=re.M)
    text = re.sub(r"https?://\S+", "", text)
    text = re.sub(r"^#+ *", "", text, flags=re.M)
    text = re.sub(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", "", text)
    # Lines broken at a fixed width are joined; lists and verse keep theirs.
    return re.sub(r"(?<=[^\n.!?:;])\n(?=[a-z])", " ", text)


def _without_leftovers(text: str) -> str:
    """Text without what extraction left behind: empty references, headings with nothing below them at the end."""
    text = re.sub(r" ?\( ?\)| ?\[ ?\]", "", text)
    paragraphs = [p for p in text.split("\n\n") if not _BOILERPLATE.match(p)]
    while paragraphs and len(paragraphs[-1]) < 40 and not re.search(r"[.!?\"']$", paragraphs[-1].strip()):
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def _parts(document: Document) -> list[str]:
    return document["text"].split("\n\n") if "text" in document else []


def _whole(document: Document) -> bytes:
    """A text counts as a copy whatever its capitals and signs; a dialogue only when it is the same letter by letter."""
    if "messages" in document:
        return hashlib.blake2b(document_text(document).encode(), digest_size=12).digest()
    return _fingerprint(document["text"])


def _fingerprint(text: str) -> bytes:
    return hashlib.blake2b(re.sub(r"\W+", " ", text).strip().lower().encode(), digest_size=12).digest()
