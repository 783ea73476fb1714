"""What a worker is asked meanwhile: to pause or to stop, by the person through ``request.json``, by the system with SIGTERM.

While it trains, the trainer asks at each step. Before and after nobody does: a thread looks out, and cuts the main thread
short.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from studio.runs.folder import RunFolder

LOOK_EVERY_S = 0.5


class CutShort(BaseException):
    """Somebody asked for the end while nothing looks out for requests. Not an ``Exception``: no library swallows it."""


class Requests:
    """
    Args:
        nobody_asks: Whether nothing looks out for requests just now, so that one has to cut the worker short.
        on_notice: Called with the person's request ("pause" or "stop") when the trainer has heard of it.

    Attributes:
        asked: The request so far, "" for none; the first one counts.
        by_system: Whether the system asked.
    """

    def __init__(self, run: RunFolder, nobody_asks: Callable[[], bool], on_notice: Callable[[str], None]) -> None:
        self.asked = ""
        self.by_system = False
        self._run = run
        self._nobody_asks = nobody_asks
        self._on_notice = on_notice

    def by_now(self) -> str:
        """What the person, or the system, wants by now; the trainer asks at each step."""
        request = "" if self.asked else self._run.unheard_request()
        if request in {"pause", "stop"}:
            self.asked = request
            self._run.notice_request()
            self._on_notice(request)
        return self.asked

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals and look out for requests; only in the main thread, which alone can be cut short.

        Raises:
            CutShort: the end was asked for while nobody asks for requests.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        over = threading.Event()
        before = signal.signal(signal.SIGTERM, self._on_term)
        threading.Thread(target=self._look_out, args=(over,), name="requests", daemon=True).start()
        try:
            yield
        finally:
            over.set()
            signal.signal(signal.SIGTERM, before)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self.by_system = "pause", True
        if self._nobody_asks():
            raise CutShort

    def _look_out(self, over: threading.Event) -> None:
        while not over.wait(LOOK_EVERY_S):
            request = self._run.unheard_request()
            if request and self._nobody_asks():
                self.asked = request
                self._run.notice_request()
                os.kill(os.getpid(), signal.SIGTERM)
