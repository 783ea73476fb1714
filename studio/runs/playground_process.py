"""The process behind a playground: started with the first question, asked line by line, replaced when it has ended or
when the run has another model by now. Never imports torch.

One question at a time: a second browser's waits for the first one's answer.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.core.errors import RunError, StudioError
from studio.runs import processes

EXIT_TIMEOUT_S = 30.0
"""How long a process that has closed its end of the talk may take to be gone; how it ended is worth the wait."""
Stamp = tuple[tuple[str, int, int], ...]
"""What tells one model folder from another: name, size and time of each of its files."""


class PlaygroundProcess:
    """Questions go in as JSON lines and replies come out (the protocol stands in ``studio.runs.playground_server``).
    Thread-safe.

    Args:
        run_dir: The run's folder.
        command: What starts the process.
        busy_timeout_s: How long a question waits for another one's answer before it is refused.
    """

    def __init__(self, run_dir: Path, command: Sequence[str], busy_timeout_s: float) -> None:
        self._run_dir, self._command, self._busy_timeout_s = run_dir, list(command), busy_timeout_s
        self._busy = threading.Lock()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stamp: Stamp = ()
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._number = 0
        self._current = 0
        self._token = ""

    def ask(self, question: dict[str, Any], token: str) -> Iterator[dict[str, Any]]:
        """The replies to one question as they come, without the one that ends them. Closing the iterator cancels.

        Args:
            token: Names the asker for :meth:`cancel`.

        Raises:
            StudioError: it cannot be answered; the text says why.
        """
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

    def result(self, question: dict[str, Any], token: str) -> dict[str, Any]:
        """The one reply of a question that has one.

        Raises:
            StudioError: it cannot be answered; the text says why.
        """
        answer = None
        for reply in self.ask(question, token):
            if reply["type"] == "result":
                answer = reply
        if answer is None:
            raise _gone(None)
        return answer

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
    def pid(self) -> int | None:
        process = self._process
        return None if process is None else process.pid

    @property
    def busy(self) -> bool:
        return self._busy.locked()

    def close(self) -> None:
        """End the process; the memory is free when this returns."""
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def close_if_idle(self) -> bool:
        """End the process unless it is answering; whether it is gone."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            self.close()
        finally:
            self._busy.release()
        return True

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
        """A process that holds the model as it is now: a run that was resumed has another one than it had before."""
        stamp = model_stamp(self._run_dir / "model")
        if self._process is not None and self._alive(self._process):
            # No stamp at all: the folder is just being put in place, or gone; the next question will see.
            if not stamp or stamp == self._stamp:
                return
            _end(self._process)
            self._process = None
        if not (self._run_dir / "state.json").is_file():
            raise RunError("This run is gone", f"“{self._run_dir.name}” is no longer there.", "Choose another run.")
        with (self._run_dir / "playground.log").open("wb") as log:
            process = processes.start(
                self._command,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
            )  # fmt: skip
        replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        over = threading.Event()
        threading.Thread(target=_listen, args=(process, replies, over), name="playground", daemon=True).start()
        self._process, self._replies, self._over, self._stamp = process, replies, over, stamp

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
            return process.wait(timeout=EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return None


def model_stamp(folder: Path) -> Stamp:
    """Empty when there is no such folder."""
    try:
        facts = [(path.name, path.stat()) for path in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, fact.st_size, fact.st_mtime_ns) for name, fact in facts))


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
