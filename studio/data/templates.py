"""Chat templates: messages → the text a base model reads, and which parts of it the assistant says.

A template comes with the base and is untrusted: it is rendered in Jinja's immutable sandbox (``render_jinja_template`` of
transformers, which needs no torch). The assistant's parts are found by the template's ``{% generation %}`` marks if it
has them, else by comparing renderings.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError
from studio.data.text import excerpt
from studio.data.types import Message

Span = tuple[int, int]
MAX_TEMPLATE = 1_000_000
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_SPECIALS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")
_STAND_IN = "Stand-in 7f3a9c."
_lock = threading.Lock()


def fallback_template(end: str) -> str:
    """Plain ChatML, for bases that come without a template; ``end`` closes each message."""
    return (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}" + end + "{% endgeneration %}"
        "{% else %}{{ m['content'] }}" + end + "{% endif %}{{ '\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


@dataclass(frozen=True)
class Rendered:
    """The whole text, and the spans (start, end in characters) that are learned."""

    text: str
    spans: list[Span]


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template with the special tokens it may name.

    Attributes:
        own: Whether the base brought it; False for the plain ChatML that stands in.
        parts: Whether it wants contents as lists of parts (templates of models that also see pictures do).
    """

    source: str
    specials: dict[str, str] = field(default_factory=dict)
    own: bool = True
    parts: bool = False

    @property
    def has_marks(self) -> bool:
        return bool(_GENERATION.search(self.source))

    @classmethod
    def from_folder(cls, folder: Path, vocabulary: dict[str, int]) -> ChatTemplate:
        """The template of a model folder: ``chat_template.jinja``, else ``chat_template`` in the tokenizer's settings.

        Raises:
            ModelError: the settings cannot be read.
        """
        settings = _settings(folder)
        specials = {name: text for name in _SPECIALS if (text := _token(settings.get(name)))}
        source = _template(folder, settings)
        if source:
            if len(source) > MAX_TEMPLATE:
                raise ModelError("The base's chat template is too large", "It is over 1 MB.", "Choose another base.")
            return cls(source, specials)._fitted()
        eos = specials.get("eos_token", "")
        end = "<|im_end|>" if "<|im_end|>" in vocabulary or not eos else eos
        return cls(fallback_template(end), specials, own=False)

    def _fitted(self) -> ChatTemplate:
        """Find out by a trial how contents are wanted; a template that loses them would train on nothing."""
        trial = [Message(role="user", content=_STAND_IN)]
        for candidate in (self, replace(self, parts=True)):
            with contextlib.suppress(ModelError):
                if _STAND_IN in candidate.render(trial):
                    return candidate
        return self

    def render(self, messages: Sequence[Message], prompt: bool = False) -> str:
        """The text of a conversation; with ``prompt`` it ends where the assistant would begin to speak.

        What a template refuses is tried once more in a form that all accept: the instruction put before the first
        question, neighbouring messages of one speaker joined, an answer before any question left out.

        Raises:
            ModelError: the template fails or refuses the conversation.
        """
        return self._tolerant(messages, lambda m: self._render(m, prompt))

    def render_learned(self, messages: Sequence[Message]) -> Rendered:
        """The text and the spans the assistant says, the mark that ends each answer included.

        Raises:
            ModelError: the template fails or refuses the conversation.
        """
        return self._tolerant(messages, self._learned)

    def _tolerant(self, messages: Sequence[Message], render: Any) -> Any:
        try:
            return render(list(messages))
        except ModelError:
            simpler = _simpler(messages)
            if simpler == list(messages) or not simpler:
                raise
            return render(simpler)

    def _learned(self, messages: list[Message]) -> Rendered:
        if self.has_marks:
            text, spans = self._call(messages, marks=True)
            if _marks_fit(messages, text, spans):
                return Rendered(text, spans)
        text = self._render(messages, prompt=False)
        return Rendered(text, self._compared(messages, text))

    def _compared(self, messages: list[Message], text: str) -> list[Span]:
        """Spans by comparison: the prompt before an answer is a prefix of the whole text, and the answer follows it.

        Templates may render earlier answers differently once more was said (Qwen3 takes out their thoughts); the
        place of an answer is then where a stand-in for it shows up. The mark that ends an answer is the one after
        the last answer. An answer that cannot be placed is not learned, except the last, which must be there.
        """
        turns = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
        if not turns:
            return []
        last = turns[-1]
        final = messages[last]["content"].strip()
        ending = text if last == len(messages) - 1 else self._render(messages[: last + 1], prompt=False)
        after = ending[ending.rfind(final) + len(final) :].split() if final in ending else []
        mark = after[0] if after else ""
        spans = []
        for turn in turns:
            place = self._place(messages, turn, text)
            if place is None and turn == last and final and final in text:
                place = (text.rfind(final), text.rfind(final) + len(final))
            if place is None:
                continue
            begin, end = place
            if turn == len(messages) - 1:
                spans.append((begin, max(end, len(text.rstrip()))))
                continue
            behind = len(text) - len(text[end:].lstrip())
            if mark and text.startswith(mark, behind):
                end = behind + len(mark)
            elif mark and turn != last:
                continue
            spans.append((begin, end))
        return spans

    def _place(self, messages: list[Message], turn: int, text: str) -> Span | None:
        """Where an answer begins (what the model says before it, an empty thought, included) and where it ends."""
        said = messages[turn]["content"].strip()
        if not said:
            return None
        prompt = self._render(messages[:turn], prompt=True) if turn else ""
        follows = bool(turn) and text.startswith(prompt)
        if follows and text[len(prompt) :].lstrip().startswith(said):
            start = len(text) - len(text[len(prompt) :].lstrip())
            return len(prompt), start + len(said)
        stand_in = [Message(role=m["role"], content=_STAND_IN) if i == turn else m for i, m in enumerate(messages)]
        start = self._render(stand_in, prompt=False).find(_STAND_IN)
        if start < 0 or not text.startswith(said, start):
            return None
        return (len(prompt) if follows and len(prompt) <= start else start), start + len(said)

    def _render(self, messages: Sequence[Message], prompt: bool) -> str:
        return self._call(messages, prompt=prompt)[0]

    def _call(self, messages: Sequence[Message], prompt: bool = False, marks: bool = False) -> tuple[str, list[Span]]:
        from transformers.utils import chat_template_utils

        render: Any = chat_template_utils.render_jinja_template
        try:
            with _lock:  # the tracker of generation marks lives in the compiled template, which all threads share
                texts, spans = render(
                    [
                        [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
                        if self.parts
                        else list(messages)
                    ],
                    chat_template=self.source,
                    return_assistant_tokens_mask=marks,
                    add_generation_prompt=prompt,
                    **self.specials,
                )
        except Exception as error:  # noqa: BLE001 - a template is a program; it can fail in any way a program can
            raise ModelError(
                "The base's chat template cannot be used",
                f"It refuses this conversation: {excerpt(str(error), 200)}" if str(error) else type(error).__name__,
                "Mend the conversation (speakers take turns, the person begins), or choose another base.",
                code="chat_template",
            ) from None
        return texts[0], [(start, end) for start, end in spans[0]] if marks else []


def _marks_fit(messages: Sequence[Message], text: str, spans: Sequence[Span]) -> bool:
    """Whether there is one span for each answer and the answer is in it (marks inside a macro point elsewhere)."""
    answers = [m["content"].strip() for m in messages if m["role"] == "assistant"]
    return len(answers) == len(spans) and all(a in text[s:e] for a, (s, e) in zip(answers, spans, strict=True))


def _simpler(messages: Sequence[Message]) -> list[Message]:
    instruction = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    simpler: list[Message] = []
    for message in messages:
        if message["role"] == "system" or (message["role"] == "assistant" and not simpler):
            continue
        content = message["content"]
        if not simpler and instruction:
            content = f"{instruction}\n\n{content}"
        if simpler and simpler[-1]["role"] == message["role"]:
            simpler[-1] = Message(role=message["role"], content=f"{simpler[-1]['content']}\n\n{content}")
        else:
            simpler.append(Message(role=message["role"], content=content))
    return simpler


def _settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            raise ModelError(
                "This base is broken", f"Its {name} cannot be read.", "Download the base again, or choose another."
            ) from None
        if isinstance(found, dict):
            settings.update({k: v for k, v in found.items() if v is not None})
    return settings


def _token(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _template(folder: Path, settings: dict[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    found = settings.get("chat_template")
    if found is None and (folder / "chat_template.json").is_file():
        try:
            found = json.loads((folder / "chat_template.json").read_text(encoding="utf-8")).get("chat_template")
        except (OSError, ValueError, AttributeError):
            found = None
    if isinstance(found, list):
        named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
        found = named.get("default") or next(iter(named.values()), None)
    return found if isinstance(found, str) else ""
