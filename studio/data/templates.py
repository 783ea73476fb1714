"""Chat templates: messages → the text a base model reads, and which parts of it the assistant says.

A template comes with the base and is untrusted: it is rendered in Jinja's immutable sandbox (``render_jinja_template`` of
transformers, which needs no torch). The assistant's parts are found by the template's ``{% generation %}`` marks if it
has them, else by comparing renderings.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError
from studio.data.text import excerpt
from studio.data.types import Message

Span = tuple[int, int]
MAX_TEMPLATE = 1_000_000
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_SPECIALS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")
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
    """

    source: str
    specials: dict[str, str] = field(default_factory=dict)
    own: bool = True

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
            return cls(source, specials)
        eos = specials.get("eos_token", "")
        end = "<|im_end|>" if "<|im_end|>" in vocabulary or not eos else eos
        return cls(fallback_template(end), specials, own=False)

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
        """Spans by prefixes: the prompt before an answer is a prefix of the whole text, and the answer follows it.

        Templates that render earlier answers differently once more was said (Qwen3 takes out their thoughts) still
        have the prompt as a prefix; the answer is then looked for behind it, and its end mark is the one the last
        answer has. Where that fails too, only the last answer is learned.
        """
        turns = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
        if not turns:
            return []
        last = turns[-1]
        final = self._final_span(messages, last, text)
        if final is None:
            return []
        content = messages[last]["content"].strip()
        found = text.rfind(content, final[0], final[1])
        mark = text[found + len(content) : final[1]] if found >= 0 else ""
        spans = []
        for turn in turns[:-1]:
            prefix = self._render(messages[:turn], prompt=True)
            said = messages[turn]["content"].strip()
            begin = len(prefix)
            if not text.startswith(prefix):
                continue
            start = text.find(said, begin)
            if start < 0 or text[begin:start].strip():
                continue
            end = start + len(said)
            if mark and text.startswith(mark, end):
                spans.append((begin, end + len(mark)))
        return [*spans, final]

    def _final_span(self, messages: list[Message], turn: int, text: str) -> Span | None:
        prefix = self._render(messages[:turn], prompt=True)
        said = messages[turn]["content"].strip()
        whole = text if turn == len(messages) - 1 else self._render(messages[: turn + 1], prompt=False)
        if text.startswith(prefix) and text.startswith(whole):
            return _without_tail(text, len(prefix), len(whole), said)
        start = text.rfind(said) if said else -1
        if start < 0:
            return None
        if turn == len(messages) - 1:
            return _without_tail(text, start, len(text), said)
        return start, start + len(said)

    def _render(self, messages: Sequence[Message], prompt: bool) -> str:
        return self._call(messages, prompt=prompt)[0]

    def _call(self, messages: Sequence[Message], prompt: bool = False, marks: bool = False) -> tuple[str, list[Span]]:
        from transformers.utils import chat_template_utils

        render: Any = chat_template_utils.render_jinja_template
        try:
            with _lock:  # the tracker of generation marks lives in the compiled template, which all threads share
                texts, spans = render(
                    [list(messages)],
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


def _without_tail(text: str, start: int, end: int, said: str) -> Span:
    """Leave out the white space that follows the end mark: the model never has to say it."""
    stripped = len(text[start:end].rstrip())
    if text[start : start + stripped].endswith(said) and said:
        return start, end
    return start, start + stripped


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
