"""What is being answered just now: one stream a browser session, bound to the run and the screen it was asked on.

A stream outlives that screen: the person may clear the conversation or open another run while it still writes. So it asks
before it shows or writes anything whether it is still wanted (:attr:`Asking.wanted`), and whoever clears ends it first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import gradio as gr

from studio.core.errors import RunError

WAIT_S = 3.0
"""How long one who clears waits until the stream has said its last: a model may be in the middle of a long step."""
ON_ITS_WAY_S = 60.0
"""How long they wait for an update that is being sent already; that is the server's own work, and takes no model."""


class Cancellable(Protocol):
    """What is needed of a :class:`studio.runs.playground.Playground`."""

    def cancel(self, token: str = "") -> None: ...


@dataclass(eq=False)
class Asking:
    """One question, or one list of them, while it is answered.

    Attributes:
        token: Names the asker to the playground.
        stopped: The person wants no more of it, and keeps what there is.
    """

    session: str
    run_id: str
    token: str
    playground: Cancellable
    _still_here: Callable[[], bool]
    stopped: bool = False
    _dropped: bool = False
    _over: threading.Event = field(default_factory=threading.Event)
    _sent: threading.Event = field(default_factory=threading.Event)
    _sending: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._sent.set()

    @property
    def wanted(self) -> bool:
        """Whether its answers may still be shown and written: not cleared, and nobody has gone elsewhere."""
        return not self._dropped and self._still_here()

    def shown(self, stream: Generator[list[Any], None, None], outputs: int) -> Iterator[list[Any]]:
        """The updates of ``stream`` for as long as they are wanted; its iterator is closed at the end.

        Args:
            outputs: How many components an update is for.
        """
        with closing(stream):
            for updates in stream:
                with self._sending:
                    if not self.wanted:
                        break
                    self._sent.clear()
                try:
                    yield updates
                finally:
                    self._sent.set()
        if not self.wanted:
            # Gradio sends a stream's last message once more when it has ended: that one must change nothing.
            yield [gr.skip()] * outputs


class Askings:
    """The questions of all browser sessions. Thread-safe.

    Args:
        what: A word for what is asked here; two of a session may go on when their words differ.
        navigation: A number that grows with each navigation of a session, 0 when it is not known (``Shell.turn``).
    """

    def __init__(self, what: str, navigation: Callable[[str], int]) -> None:
        self._what, self._navigation = what, navigation
        self._going: dict[str, Asking] = {}
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, session: str, run_id: str, playground: Cancellable) -> Iterator[Asking]:
        """
        Raises:
            RunError: this session is still waiting for an answer that it wants.
        """
        here = self._navigation(session)
        asking = Asking(
            session, run_id, f"{session}/{self._what}", playground, lambda: self._navigation(session) in (0, here)
        )
        with self._lock:
            going = self._going.get(session)
            if going is not None and going.wanted:
                raise RunError("Both models are still answering", "One question at a time.", "Wait, or press Stop.")
            self._going[session] = asking
        try:
            yield asking
        finally:
            with self._lock:
                if self._going.get(session) is asking:
                    del self._going[session]
            asking._over.set()

    def stop(self, session: str) -> None:
        """End the answer; what there is of it stays."""
        with self._lock:
            asking = self._going.get(session)
        if asking is not None:
            asking.stopped = True
            asking.playground.cancel(asking.token)

    def drop(self, session: str) -> None:
        """End the answer and forget it: when this returns it shows and writes no more."""
        with self._lock:
            asking = self._going.get(session)
        if asking is not None:
            with asking._sending:
                asking._dropped = True
            asking.playground.cancel(asking.token)
            if not asking._over.wait(WAIT_S):
                asking._sent.wait(ON_ITS_WAY_S)

    def drop_unwanted(self) -> None:
        """End the answers whose askers have gone elsewhere, so that they hold no model any longer."""
        with self._lock:
            left = [asking for asking in self._going.values() if not asking.wanted]
        for asking in left:
            asking.playground.cancel(asking.token)
