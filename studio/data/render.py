"""Examples → token ids and what is learned of them. The screen and the trainer both come here, so that the person sees
exactly what the loss sees.

    renderer = ChatRenderer.from_folder(base_path)
    renderer.segments(messages, 512)      what to show: text, learned or not, cut off or not
    renderer.encode(messages, 512).labels what to learn: the ids of the assistant's tokens, -100 elsewhere

Tokenizers are read from ``tokenizer.json`` alone; nothing of a model folder is run but its chat template, sandboxed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from studio.core.errors import ModelError
from studio.data.templates import ChatTemplate, Rendered, Span
from studio.data.types import Message

NOT_LEARNED = -100
_BATCH = 512


@dataclass(frozen=True)
class Encoded:
    """One conversation as the model gets it.

    Attributes:
        ids: Token ids, at most ``max_length`` of them.
        labels: The same ids where they are learned, -100 elsewhere.
        text: The whole rendered text, before cutting.
    """

    ids: list[int]
    labels: list[int]
    text: str


@dataclass(frozen=True)
class Segment:
    """A piece of the rendered text; all pieces together are the text, exactly."""

    text: str
    learned: bool
    cut: bool


class ChatRenderer:
    """Conversations for one base model. Make it with :meth:`from_folder`."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate) -> None:
        self._tokenizer = tokenizer
        self.template = template

    @classmethod
    def from_folder(cls, path: Path) -> ChatRenderer:
        """
        Raises:
            ModelError: the folder has no ``tokenizer.json``, or it cannot be read.
        """
        tokenizer, template = _load(str(path), _stamp(path))
        return cls(tokenizer, template)

    @property
    def note(self) -> str:
        """A sentence for the person when the base has no chat template of its own; else empty."""
        if self.template.own:
            return ""
        return "This base comes without a chat template, so conversations are written in plain ChatML."

    @property
    def chat_template(self) -> str:
        """The template in use, to be kept with the tuned model."""
        return self.template.source

    def encode(self, messages: Sequence[Message], max_length: int | None = None) -> Encoded:
        """Ids and labels of one conversation.

        A text longer than ``max_length`` loses its end. When that would leave nothing to learn (the question alone is
        too long), it loses its beginning instead: kept are the first learned tokens, as many as fit into a quarter
        of ``max_length``, and before them as much of the question's end as fits.

        Raises:
            ModelError: the base's template refuses the conversation.
        """
        return self.encode_many([messages], max_length)[0]

    def encode_many(self, batch: Sequence[Sequence[Message]], max_length: int | None = None) -> list[Encoded]:
        """:meth:`encode` of many conversations, tokenised together."""
        encoded = []
        for rendered, encoding in self._tokenised(batch):
            learned = _learned_ranges(encoding, rendered)
            ids = encoding.ids
            start, end = _window(len(ids), learned, max_length)
            labels = [NOT_LEARNED] * len(ids)
            for first, last in learned:
                labels[first:last] = ids[first:last]
            encoded.append(Encoded(ids[start:end], labels[start:end], rendered.text))
        return encoded

    def segments(self, messages: Sequence[Message], max_length: int | None = None) -> list[Segment]:
        """The rendered text in pieces, as :meth:`encode` learns and cuts it."""
        rendered, encoding = next(self._tokenised([messages]))
        learned = _learned_ranges(encoding, rendered)
        window = _window(len(encoding.ids), learned, max_length)
        states = [(False, not window[0] <= i < window[1]) for i in range(len(encoding.ids))]
        for first, last in learned:
            states[first:last] = [(True, cut) for _, cut in states[first:last]]
        return _pieces(rendered.text, encoding.offsets, states)

    def lengths(self, batch: Sequence[Sequence[Message]]) -> list[int]:
        """Tokens of each conversation before cutting.

        Raises:
            ModelError: the base's template refuses a conversation.
        """
        lengths: list[int] = []
        for start in range(0, len(batch), _BATCH):
            texts = [self.template.render(messages) for messages in batch[start : start + _BATCH]]
            encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            lengths.extend(len(e.ids) for e in encodings)
        return lengths

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text up to where the assistant begins to speak, for generation (special tokens are in the text)."""
        return self.template.render(messages, prompt=True)

    def _tokenised(self, batch: Sequence[Sequence[Message]]) -> Iterator[tuple[Rendered, Encoding]]:
        for start in range(0, len(batch), _BATCH):
            rendered = [self.template.render_learned(messages) for messages in batch[start : start + _BATCH]]
            encodings = self._tokenizer.encode_batch([r.text for r in rendered], add_special_tokens=False)
            yield from zip(rendered, encodings, strict=True)


class TextRenderer:
    """Plain texts for one base model, with the special tokens its tokenizer adds."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._added = tokenizer.num_special_tokens_to_add(False)

    @classmethod
    def from_folder(cls, path: Path) -> TextRenderer:
        """
        Raises:
            ModelError: the folder has no ``tokenizer.json``, or it cannot be read.
        """
        return cls(_load(str(path), _stamp(path))[0])

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Token ids; a longer text loses its end, never the special tokens around it."""
        return self.encode_many([text], max_length)[0]

    def encode_many(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """:meth:`encode` of many texts, tokenised together."""
        rows: list[list[int]] = []
        for start in range(0, len(texts), _BATCH):
            encodings = self._tokenizer.encode_batch_fast(list(texts[start : start + _BATCH]), add_special_tokens=False)
            for encoding in encodings:
                if max_length is not None:
                    encoding.truncate(max(0, max_length - self._added))
                ids = self._tokenizer.post_process(encoding, None, True).ids if self._added else encoding.ids
                rows.append(ids)
        return rows

    def segments(self, text: str, max_length: int | None = None) -> list[Segment]:
        """The text in at most two pieces: what is read, and what is cut off. Nothing of it is learned word by word."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        room = len(encoding.ids) if max_length is None else max(0, max_length - self._added)
        return _pieces(text, encoding.offsets, [(False, i >= room) for i in range(len(encoding.ids))])

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before cutting, special tokens counted."""
        return [len(ids) for ids in self.encode_many(texts)]


@lru_cache(maxsize=4)
def _load(folder: str, stamp: tuple[int, ...]) -> tuple[Tokenizer, ChatTemplate]:
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            "This base has no tokenizer.json",
            "Its texts cannot be cut into tokens without running code that came with it.",
            "Choose another base, or save its tokenizer with a current version of transformers.",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception
        raise ModelError(
            "This base's tokenizer cannot be read",
            f"Its tokenizer.json is broken or of an unknown kind ({str(error)[:120]}).",
            "Download the base again, or choose another.",
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, ChatTemplate.from_folder(Path(folder), tokenizer.get_vocab(with_added_tokens=True))


def _stamp(folder: Path) -> tuple[int, ...]:
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
    return tuple(p.stat().st_mtime_ns if (p := Path(folder) / name).is_file() else 0 for name in names)


def _learned_ranges(encoding: Encoding, rendered: Rendered) -> list[Span]:
    """Token ranges (first, last + 1) of the learned spans.

    A token at the border belongs to the answer when what it shares with it is more than white space: a space glued
    to the answer's first word counts, a line break glued to the prompt's does not.
    """
    if not rendered.spans:
        return []
    offsets = encoding.offsets
    starts = [s for s, _ in offsets]
    ends = [e for _, e in offsets]
    text = rendered.text
    ranges = []
    for begin, end in rendered.spans:
        first = bisect_right(ends, begin)
        last = bisect_left(starts, end)
        while first < last and starts[first] < begin and not text[begin : ends[first]].strip():
            first += 1
        while first < last and ends[last - 1] > end and not text[starts[last - 1] : end].strip():
            last -= 1
        if first < last:
            ranges.append((first, last))
    return ranges


def _window(length: int, learned: list[Span], max_length: int | None) -> Span:
    """Which tokens are kept; the rule is told at :meth:`ChatRenderer.encode`."""
    if max_length is None or length <= max_length:
        return 0, length
    if not learned or learned[0][0] < max_length:
        return 0, max_length
    first, last = learned[0]
    keep = max(1, min(last - first, max_length // 4))
    return first + keep - max_length, first + keep


def _pieces(text: str, offsets: Sequence[Span], states: Sequence[tuple[bool, bool]]) -> list[Segment]:
    """Cut the text where the state changes. Characters between two tokens (trimmed spaces) go with the later one;
    a character that several tokens share goes with the first."""
    borders: list[tuple[int, tuple[bool, bool]]] = []
    position = 0
    for (_, end), state in zip(offsets, states, strict=True):
        if end > position and (not borders or borders[-1][1] != state):
            borders.append((position, state))
        position = max(position, end)
    if not borders:
        return [Segment(text, learned=False, cut=bool(states) and states[0][1])] if text else []
    places = [0, *(place for place, _ in borders[1:]), len(text)]
    return [
        Segment(text[start:end], learned=state[0], cut=state[1])
        for (start, end), (_, state) in zip(pairwise(places), borders, strict=True)
        if end > start
    ]
