"""The app's end of the playground: questions to the process that holds the models. Never imports torch.

The process (:mod:`studio.runs.playground_process`) is started with the first question and again after it ended (idle, out
of memory, killed) or when the run's model is another one by now; it ends with the app.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.core.errors import StudioError
from studio.data.types import Message
from studio.runs import processes
from studio.runs.playground_process import PlaygroundProcess

SERVER = processes.module("studio.runs.playground_server")
BUSY_TIMEOUT_S = 120.0


class Playground:
    """Both models of one run, answering. Thread-safe.

    Args:
        run_dir: The run's folder.
        idle_minutes: After how long without a question the process ends (``TAILOR_PLAYGROUND_IDLE_MINUTES``, else 15).
        command: What starts the process; the run's folder and the minutes are added.
        busy_timeout_s: How long a question waits for another one's answer before it is refused.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        idle_minutes: float | None = None,
        command: Sequence[str] = SERVER,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self.run_dir = Path(run_dir)
        minutes = idle_minutes or float(os.environ.get("TAILOR_PLAYGROUND_IDLE_MINUTES", "15"))
        self.process = PlaygroundProcess(self.run_dir, [*command, str(self.run_dir), str(minutes)], busy_timeout_s)

    def chat(
        self,
        messages_base: Sequence[Message] | Sequence[dict[str, str]],
        messages_tuned: Sequence[Message] | Sequence[dict[str, str]] | None = None,
        sampling: dict[str, Any] | None = None,
        *,
        token: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Both answers as they come. Closing the iterator ends the answer.

        Args:
            messages_tuned: The tuned model's own conversation; the base's when None (the first turn).
            token: Names the asker for :meth:`cancel`.

        Yields:
            ``base``, ``tuned`` (all of the text so far), ``base_new``, ``tuned_new`` (what came since the last time),
            ``base_done``, ``tuned_done``, ``tokens`` and ``seconds`` (each ``{"base": …, "tuned": …}``), ``notes``,
            ``base_identity``, ``tuned_identity`` (which weights answer, told by the process that generates), ``status``
            (what it is busy with before the first word).

        Raises:
            StudioError: it cannot be answered; the text says why.
        """
        question = {
            "op": "chat",
            "messages_base": list(messages_base),
            "messages_tuned": list(messages_base if messages_tuned is None else messages_tuned),
            "sampling": sampling or {},
        }
        so_far = {"base": "", "tuned": ""}
        notes: list[str] = []
        for reply in self.process.ask(question, token):
            if reply["type"] == "status":
                yield _answer({}, so_far, notes) | {"status": str(reply.get("message", ""))}
            elif reply["type"] == "chunk":
                so_far = {side: text + reply[side] for side, text in so_far.items()}
                notes += reply["notes"]
                yield _answer(reply, so_far, notes)

    def classify(self, text: str, *, token: str = "") -> dict[str, Any]:
        """``labels``, ``base`` and ``tuned`` (probabilities in their order), ``base_identity``, ``tuned_identity``.

        Raises:
            StudioError: it cannot be answered; the text says why.
        """
        return self.process.result({"op": "classify", "text": text}, token)

    def identity(self) -> dict[str, str]:
        """Which weights answer, from the process that holds them; loads them if need be.

        Raises:
            StudioError: they cannot be loaded.
        """
        answer = self.process.result({"op": "load"}, "")
        return {"base": answer["base_identity"], "tuned": answer["tuned_identity"]}

    def warm(self) -> None:
        """Begin to load the models, so that the first answer comes sooner. Returns at once; a failure is told when
        somebody asks."""

        def load() -> None:
            with suppress(StudioError):
                self.identity()

        if not self.loaded:
            threading.Thread(target=load, name="playground-warm", daemon=True).start()

    def answers(
        self,
        prompts: Sequence[str],
        sampling: dict[str, Any] | None = None,
        system_prompt: str | None = None,
        *,
        token: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Both answers to each prompt, in order, as they come: ``index``, ``prompt``, ``base``, ``tuned``, ``done``
        and ``total`` (rows so far and in all), identities. Ends early when cancelled.

        Raises:
            StudioError: it cannot be answered; the text says why.
        """
        question = {"op": "table", "prompts": list(prompts), "sampling": sampling or {}, "system_prompt": system_prompt}
        for reply in self.process.ask(question, token):
            if reply["type"] == "row":
                yield {**reply, "done": reply["index"] + 1, "total": len(prompts)}

    def cancel(self, token: str = "") -> None:
        """End the answer that is being made; with a token only if it was asked for with the same one."""
        self.process.cancel(token)

    @property
    def loaded(self) -> bool:
        """Whether the process is there, and with it the memory it holds."""
        return self.process.loaded

    @property
    def busy(self) -> bool:
        return self.process.busy

    def close(self) -> None:
        """End the process; the memory is free when this returns."""
        self.process.close()

    def close_if_idle(self) -> bool:
        """End the process unless it is answering; whether it is gone."""
        return self.process.close_if_idle()


def _answer(reply: dict[str, Any], so_far: dict[str, str], notes: list[str]) -> dict[str, Any]:
    """A chunk of the protocol as :meth:`Playground.chat` yields it."""
    answer: dict[str, Any] = {**so_far, "status": "", "notes": list(notes)}
    for side in so_far:
        answer[f"{side}_new"] = reply.get(side, "")
        answer[f"{side}_done"] = bool(reply.get(f"{side}_done"))
        answer[f"{side}_identity"] = reply.get(f"{side}_identity", "")
    answer["tokens"] = {side: reply.get(f"{side}_tokens", 0) for side in so_far}
    answer["seconds"] = {side: reply.get(f"{side}_seconds", 0.0) for side in so_far}
    return answer
