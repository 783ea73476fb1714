"""Base and tuned model answering the same, side by side, from one batched generation.

Adapter runs: one model, both rows in one batch, the adapter off in one row and on in the other (PEFT's mixed batches,
``adapter_names``). Left padding, since the two conversations may differ in length after the first turn. Runs with their
own weights: two models, two threads, one stream. Either way the draws are the same for both (see
:mod:`studio.inference.sampling`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteriaList

from studio.core.errors import RunError
from studio.data.render import ChatRenderer, TextRenderer
from studio.data.types import Message
from studio.inference.chunks import PairChunk, gathered
from studio.inference.dialogue import Ends, Prompt, ends_of, fit
from studio.inference.sampling import SharedDice
from studio.inference.streaming import OnText, RowStream
from studio.inference.types import SIDES, Sampling, Side
from studio.inference.voices import Voice, Voices, load_voices

AT_ONCE = 8
"""Prompts of a table answered in one batch (two rows each)."""


@dataclass(frozen=True)
class Answered:
    """One row of a table of answers."""

    index: int
    prompt: str
    base: str
    tuned: str


@dataclass
class _Part:
    """A row of a batch: who speaks, and the prompt."""

    side: Side
    prompt: Prompt
    text: list[str] = field(default_factory=list)


def never() -> bool:
    return False


class Pair:
    """Both models of a run, loaded. Not thread-safe: one question at a time."""

    def __init__(self, voices: Voices, renderer_folder: Path) -> None:
        self._voices = voices
        self._folder = renderer_folder
        self._renderer: ChatRenderer | None = None
        self._ends = Ends(frozenset())
        if not voices.labels:
            self._renderer = ChatRenderer.from_folder(renderer_folder)
            self._ends = ends_of(
                self._renderer, voices.tokenizer, getattr(voices.base.model, "generation_config", None)
            )
            pad = voices.tokenizer.pad_token_id
            self._pad = int(pad if pad is not None else voices.tokenizer.eos_token_id or 0)
            for model in {id(v.model): v.model for v in (voices.base, voices.tuned)}.values():
                # The base's own habits (sampling, penalties) would bend the comparison; ours are all there is.
                model.generation_config = GenerationConfig(pad_token_id=self._pad)

    @classmethod
    def open(cls, run_dir: Path, base_path: Path) -> Pair:
        """
        Raises:
            RunError: the run has no tuned model.
            ModelError: the weights cannot be read.
        """
        return cls(load_voices(Path(run_dir), Path(base_path)), Path(base_path))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a classifier; empty for chat."""
        return self._voices.labels

    def identity(self) -> dict[str, str]:
        """Which weights answer on each side."""
        return {"base": self._voices.base.identity, "tuned": self._voices.tuned.identity}

    # -- chat ---------------------------------------------------------------------------------------------------------

    def stream(
        self,
        messages_base: Sequence[Message],
        messages_tuned: Sequence[Message],
        sampling: Sampling,
        cancelled: Callable[[], bool] = never,
    ) -> Iterator[PairChunk]:
        """Both answers as they come, gathered for about 50 ms at a time; the last chunk has both sides done.

        Closing the iterator ends the generation.

        Raises:
            RunError: nothing to answer, a message too long, or this run classifies.
        """
        parts = [_Part("base", self._prompt(messages_base, sampling)), _Part("tuned", self._prompt(messages_tuned, sampling))]  # fmt: skip
        closed = threading.Event()
        news: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def work() -> None:
            try:
                self._generate(
                    parts, sampling, lambda *told: news.put((*told, time.monotonic())), lambda: closed.is_set() or cancelled()
                )  # fmt: skip
                news.put(None)
            except BaseException as error:  # noqa: BLE001 (carried over to the asking thread)
                news.put(error)

        began = time.monotonic()
        thread = threading.Thread(target=work, name="generate", daemon=True)
        thread.start()
        try:
            yield from gathered(news, began, tuple(dict.fromkeys(p.prompt.note for p in parts if p.prompt.note)))
        finally:
            closed.set()
            thread.join()

    def answers(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        system_prompt: str | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Iterator[Answered]:
        """Both answers to many prompts, in order, several at once. Ends early when cancelled.

        Each prompt gets the dice it would get if it were asked alone.
        """
        first: list[Message] = [{"role": "system", "content": system_prompt}] if system_prompt else []
        for start in range(0, len(prompts), AT_ONCE):
            asked = list(prompts[start : start + AT_ONCE])
            fitted = [self._prompt([*first, {"role": "user", "content": text}], sampling) for text in asked]
            parts = [_Part(side, prompt) for side in SIDES for prompt in fitted]

            def keep(row: int, text: str, done: bool, tokens: int, parts: list[_Part] = parts) -> None:
                parts[row].text.append(text)

            self._generate(parts, sampling, keep, cancelled)
            if cancelled():
                return
            said = ["".join(part.text) for part in parts]
            for i, prompt in enumerate(asked):
                yield Answered(start + i, prompt, said[i], said[len(asked) + i])

    def _prompt(self, messages: Sequence[Message], sampling: Sampling) -> Prompt:
        if self._renderer is None:
            raise RunError("This run sorts texts", "It has no conversation to go on with.", "Give it a text to sort.")
        voices = self._voices
        return fit(self._renderer, voices.tokenizer, messages, voices.context, sampling.max_new_tokens)

    def _generate(
        self, parts: Sequence[_Part], sampling: Sampling, on_text: OnText, cancelled: Callable[[], bool]
    ) -> None:
        """Generate all parts; ``on_text`` gets the position in ``parts``."""
        if self._voices.shared:
            self._call(self._voices.tuned.model, list(enumerate(parts)), sampling, on_text, cancelled)
            return
        errors: list[BaseException] = []

        def one(voice: Voice, rows: list[tuple[int, _Part]]) -> None:
            try:
                self._call(voice.model, rows, sampling, on_text, lambda: bool(errors) or cancelled())
            except BaseException as error:  # noqa: BLE001 (raised again below, in the calling thread)
                errors.append(error)

        threads = [
            threading.Thread(
                target=one,
                args=(getattr(self._voices, side), [(i, p) for i, p in enumerate(parts) if p.side == side]),
                daemon=True,
            )
            for side in SIDES
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _call(
        self,
        model: Any,
        rows: list[tuple[int, _Part]],
        sampling: Sampling,
        on_text: OnText,
        cancelled: Callable[[], bool],
    ) -> None:
        """One ``generate``: left-padded rows, shared dice, text handed out as it comes."""
        width = max(len(part.prompt.ids) for _, part in rows)
        padding = [width - len(part.prompt.ids) for _, part in rows]
        ids = torch.tensor([[self._pad] * p + part.prompt.ids for p, (_, part) in zip(padding, rows, strict=True)])
        mask = torch.tensor([[0] * p + [1] * (width - p) for p in padding])
        limit = max(1, min(sampling.max_new_tokens, self._voices.context - width))
        stream = RowStream(
            self._voices.tokenizer, len(rows),
            lambda row, text, done, tokens: on_text(rows[row][0], text, done, tokens),
            ends=self._ends.ids, stops=self._ends.texts, limit=limit, cancelled=cancelled,
        )  # fmt: skip
        adapters = [getattr(self._voices, part.side).adapter for _, part in rows]
        mixed = {"adapter_names": adapters} if any(name is not None for name in adapters) else {}
        device = self._voices.device
        with torch.inference_mode():
            model.generate(
                input_ids=ids.to(device), attention_mask=mask.to(device),
                generation_config=GenerationConfig(
                    do_sample=False, max_new_tokens=limit, pad_token_id=self._pad, use_cache=True
                ),
                logits_processor=[SharedDice(sampling, padding)],
                stopping_criteria=StoppingCriteriaList([stream]), **mixed,
            )  # fmt: skip
        stream.finish()

    # -- classification -----------------------------------------------------------------------------------------------

    def classify(self, text: str) -> dict[str, Any]:
        """``{"labels": […], "base": [p…], "tuned": [p…]}``, probabilities in the order of the labels.

        Raises:
            RunError: the text is empty, or this run chats.
        """
        if not self.labels:
            raise RunError("This run chats", "It has no labels to choose from.", "Ask it a question instead.")
        if not text.strip():
            raise RunError("There is nothing to sort", "The text is empty.", "Write or paste a text.")
        voices = self._voices
        longest = min(voices.max_length or voices.context, voices.context)
        ids = TextRenderer.from_folder(self._folder).encode(text, longest)
        inputs = torch.tensor([ids], device=voices.device)
        answer: dict[str, Any] = {"labels": list(self.labels)}
        for side in SIDES:
            with torch.inference_mode(), getattr(voices, side).speaking() as model:
                logits = model(input_ids=inputs, attention_mask=torch.ones_like(inputs)).logits
            answer[side] = logits[0].float().softmax(-1).tolist()
        return answer
