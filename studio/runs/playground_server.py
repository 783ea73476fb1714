"""The process that answers: loads base and tuned model of one run and talks JSON lines with the app.

    python -m studio.runs.playground_server RUN_DIR [IDLE_MINUTES]

    → {"id": 1, "op": "chat", "messages_base": […], "messages_tuned": […], "sampling": {…}}
    → {"id": 2, "op": "table", "prompts": […], "system_prompt": …, "sampling": {…}}
    → {"id": 3, "op": "classify", "text": "…"}      → {"op": "cancel", "id": 1}      → {"op": "shutdown"}
    ← {"id": 1, "type": "status|chunk|row|result|error|end", …}

It ends when stdin closes (the app is gone), when nothing was asked for a while, and when memory runs out: the memory is
free again then, and the next question starts a fresh process. stdout belongs to the protocol; whatever libraries print
goes to stderr, which is a log file.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from studio.core.errors import RunError, StudioError
from studio.core.limits import is_out_of_memory
from studio.runs import processes

IDLE_MINUTES = 15.0


class Answers(Protocol):
    """What the server needs of :class:`studio.inference.pair.Pair`."""

    def identity(self) -> dict[str, str]: ...

    def stream(self, messages_base: Any, messages_tuned: Any, sampling: Any, cancelled: Any) -> Iterator[Any]: ...

    def answers(self, prompts: Any, sampling: Any, system_prompt: Any, cancelled: Any) -> Iterator[Any]: ...

    def classify(self, text: str) -> dict[str, Any]: ...


class Server:
    """
    Args:
        load: Loads the models; called with the first question.
        send: Writes one message to the app.
    """

    def __init__(self, load: Callable[[], Answers], send: Callable[[dict[str, Any]], None], idle_s: float) -> None:
        self._load, self._send, self._idle_s = load, send, idle_s
        self._pair: Answers | None = None
        self._questions: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[int] = set()
        self._all_cancelled = False

    def read(self, lines: Any) -> None:
        """Take in messages until the other end closes; runs in a thread of its own, so that "cancel" gets through."""
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if message.get("op") == "cancel":
                self._cancelled.add(int(message.get("id", 0)))
            elif message.get("op") == "shutdown":
                break
            else:
                self._questions.put(message)
        self._all_cancelled = True
        self._questions.put(None)

    def serve(self) -> int:
        """Answer one question after the other; the exit code."""
        idle_s: float | None = None  # it was started for a question, however long that takes to arrive
        while True:
            try:
                question = self._questions.get(timeout=idle_s)
            except queue.Empty:
                return 0
            if question is None:
                return 0
            if not self._answer(question):
                return 1
            idle_s = self._idle_s

    def _answer(self, question: dict[str, Any]) -> bool:
        """False when the process should end (out of memory)."""
        number = int(question.get("id", 0))
        try:
            if self._pair is None:
                self._send({"id": number, "type": "status", "message": "Loading the models."})
                self._pair = self._load()
            for message in self._replies(self._pair, question, lambda: self._all_cancelled or number in self._cancelled):  # fmt: skip
                self._send({"id": number, **message})
            self._send({"id": number, "type": "end", "cancelled": number in self._cancelled})
        except StudioError as error:
            self._send({"id": number, "type": "error", **error.as_dict()})
        except Exception as error:  # noqa: BLE001 (told to the person; the traceback is in the log)
            traceback.print_exc()
            told = _plain(error)
            self._send({"id": number, "type": "error", **told.as_dict()})
            # After a failure inside the model its state cannot be trusted, and its memory should be free.
            return False
        finally:
            self._cancelled.discard(number)
        return True

    def _replies(
        self, pair: Answers, question: dict[str, Any], cancelled: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        from studio.inference.types import Sampling

        identity = {f"{side}_identity": text for side, text in pair.identity().items()}
        match question.get("op"):
            case "chat":
                sampling = Sampling.from_dict(question.get("sampling"))
                for chunk in pair.stream(
                    question["messages_base"], question["messages_tuned"], sampling, cancelled
                ):  # fmt: skip
                    yield {"type": "chunk", **vars(chunk), **identity}
            case "table":
                sampling = Sampling.from_dict(question.get("sampling"))
                for row in pair.answers(question["prompts"], sampling, question.get("system_prompt"), cancelled):
                    yield {"type": "row", **vars(row), **identity}
            case "classify":
                yield {"type": "result", **pair.classify(question["text"]), **identity}
            case "load":
                yield {"type": "result", **identity}
            case other:
                raise RunError("The playground does not know this", f"“{other}” is not one of its questions.", "")


def _plain(error: Exception) -> StudioError:
    if is_out_of_memory(error):
        return RunError(
            "The memory was not enough to answer",
            "Both models and the conversation did not fit.",
            "Ask for fewer tokens, start a new conversation, or wait until the training run has ended.",
            code="out_of_memory",
        )
    return RunError(
        "The answer could not be made",
        "Something went wrong that the studio did not expect.",
        "Try again; playground.log in the run's folder has the details.",
        code="unexpected",
    )


def load_pair(run_dir: Path) -> Answers:
    """
    Raises:
        StudioError: the run has no tuned model, or its base is not here.
    """
    from studio.inference.pair import Pair
    from studio.runs.bases import base_folder
    from studio.runs.folder import RunFolder

    return Pair.open(run_dir, base_folder(RunFolder(run_dir)))


def main(arguments: list[str]) -> int:
    run_dir = Path(arguments[0]).resolve()
    idle_minutes = float(arguments[1]) if len(arguments) > 1 else IDLE_MINUTES
    # Keep the protocol's end of stdout for ourselves and send everybody else's prints to the log.
    protocol = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    processes.give_way_when_memory_ends()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            protocol.write(json.dumps(message, ensure_ascii=False) + "\n")
            protocol.flush()

    server = Server(lambda: load_pair(run_dir), send, idle_minutes * 60)
    threading.Thread(target=server.read, args=(sys.stdin,), name="questions", daemon=True).start()
    try:
        code = server.serve()
    except BrokenPipeError:
        code = 0
    sys.stderr.flush()
    # Not sys.exit: threads of torch and a reader that waits for stdin must not keep the memory.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
