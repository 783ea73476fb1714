"""The app's end of the playground: questions to the process that holds the models. Never imports torch.

The process is started with the first question and again after it ended (idle, out of memory, killed); it ends with the
app. One question at a time: a second browser's waits for the first one's answer.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.core.errors import RunError, StudioError
from studio.data.types import Message
from studio.runs import processes

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
        self._idle_minutes = idle_minutes or float(os.environ.get("TAILOR_PLAYGROUND_IDLE_MINUTES", "15"))
        self._command, self._busy_timeout_s = list(command), busy_timeout_s
        self._busy = threading.Lock()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._number = 0
        self._current = 0
        self._token = ""

    # -- questions ----------------------------------------------------------------------------------------------------

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
        for reply in self._ask(question, token):
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
        return self._result({"op": "classify", "text": text}, token)

    def identity(self) -> dict[str, str]:
        """Which weights answer, from the process that holds them; loads them if need be.

        Raises:
            StudioError: they cannot be loaded.
        """
        answer = self._result({"op": "load"}, "")
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
        for reply in self._ask(question, token):
            if reply["type"] == "row":
                yield {**reply, "done": reply["index"] + 1, "total": len(prompts)}

    def cancel(self, token: str = "") -> None:
        """End the answer that is being made; with a token only if it was asked for with the same one."""
        with self._guard:
            if self._current and (not token or token == self._token):
                self._write({"op": "cancel", "id": self._current})

    @property
    def loaded(self) -> bool:
        """Whether the process is there, and with it the memory it holds."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def busy(self) -> bool:
        return self._busy.locked()

    def close(self) -> None:
        """End the process; the memory is free when this returns."""
        with self._guard:
            process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # -- the process ----------------------------------------------------------------------------------------------------

    def _result(self, question: dict[str, Any], token: str) -> dict[str, Any]:
        answer = None
        for reply in self._ask(question, token):
            if reply["type"] == "result":
                answer = reply
        if answer is None:
            raise _gone(None)
        return answer

    def _ask(self, question: dict[str, Any], token: str) -> Iterator[dict[str, Any]]:
        if not self._busy.acquire(timeout=self._busy_timeout_s):
            raise RunError(
                "The models are busy",
                "Another window is still waiting for its answer.",
                "Try again when it has its answer, or stop it there.",
                code="busy",
            )
        finished = heard = retried = False
        try:
            number = self._begin(question, token)
            while True:
                reply = self._replies.get()
                if reply is None and not heard and not retried:
                    # It was ending already (idle, or after a failure) when the question was written: ask a fresh one.
                    retried, number = True, self._begin(question, token)
                    continue
                if reply is None:
                    finished = True
                    raise _gone(self._exit_code())
                if reply.get("id") != number:
                    continue
                heard = True
                if reply["type"] in {"end", "error"}:
                    finished = True
                    if reply["type"] == "error":
                        raise RunError(*(str(reply.get(k, "")) for k in ("title", "what_happened", "what_to_do")), code=str(reply.get("code", "")))  # fmt: skip
                    return
                yield reply
        finally:
            if not finished:
                self.cancel()
            with self._guard:
                self._current, self._token = 0, ""
            self._busy.release()

    def _begin(self, question: dict[str, Any], token: str) -> int:
        """Send the question, to a fresh process if the last one has ended, even in this very moment."""
        for attempt in (1, 2):
            with self._guard:
                self._ensure_process()
                self._number += 1
                if self._write({**question, "id": self._number}):
                    self._current, self._token = self._number, token
                    return self._number
                self._process = None
            time.sleep(0.05 * attempt)
        raise _gone(None)

    def _ensure_process(self) -> None:
        if self._process is not None and self._alive(self._process):
            return
        if not (self.run_dir / "state.json").is_file():
            raise RunError("This run is gone", f"“{self.run_dir.name}” is no longer there.", "Choose another run.")
        with (self.run_dir / "playground.log").open("wb") as log:
            process = processes.start(
                [*self._command, str(self.run_dir), str(self._idle_minutes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
            )  # fmt: skip
        replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        over = threading.Event()
        threading.Thread(target=_listen, args=(process, replies, over), name="playground", daemon=True).start()
        self._process, self._replies, self._over = process, replies, over

    def _alive(self, process: subprocess.Popen[str]) -> bool:
        """Not yet ended; one that has closed its end of the talk is about to."""
        return process.poll() is None and not self._over.is_set()

    def _write(self, message: dict[str, Any]) -> bool:
        process = self._process
        if process is None or process.stdin is None:
            return False
        try:
            process.stdin.write(json.dumps(message, ensure_ascii=False) + "\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _exit_code(self) -> int | None:
        process = self._process
        if process is None:
            return None
        try:
            return process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return None


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


def _listen(
    process: subprocess.Popen[str], replies: queue.SimpleQueue[dict[str, Any] | None], over: threading.Event
) -> None:
    """Pass on what the process says; None when it has ended."""
    try:
        for line in process.stdout or ():
            try:
                reply = json.loads(line)
            except ValueError:
                continue
            if isinstance(reply, dict) and "type" in reply:
                replies.put(reply)
    except ValueError:
        pass
    finally:
        over.set()
        replies.put(None)


def _gone(code: int | None) -> StudioError:
    if code in {-9, 137}:
        return RunError(
            "The models were ended by the system",
            "Most often memory ran out.",
            "Ask for fewer tokens, or wait until the training run has ended, and ask again.",
            code="out_of_memory",
        )
    return RunError(
        "The models have gone",
        "The process that answers has ended.",
        "Ask again; it starts anew. playground.log in the run's folder may tell why.",
        code="gone",
    )
