"""What a worker is asked meanwhile: to pause or to stop, by the person through ``request.json``, by the system with SIGTERM.

A thread looks out for requests as long as the worker lives and notes each at once as heard, however long a step or a check
takes. While it trains, the trainer asks at each step what is wanted by now. Before the first step and after the last nobody
does: the thread cuts the main thread short.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from studio.runs.folder import RunFolder

LOOK_EVERY_S = 0.5


class CutShort(BaseException):
    """Somebody asked for the end while nothing looks out for requests. Not an ``Exception``: no library swallows it."""


class Requests:
    """
    Args:
        may_cut: Whether nobody asks for requests just now and nothing is lost by it, so that one cuts the worker short.
        on_notice: Called with the person's request ("pause" or "stop") when it was heard and does not cut it short.

    Attributes:
        asked: The request so far, "" for none; the last one counts until the trainer has been told one.
        by_system: Whether the system asked.
        polled: Whether the trainer has asked yet.
    """

    def __init__(self, run: RunFolder, may_cut: Callable[[], bool], on_notice: Callable[[str], None]) -> None:
        self.asked = ""
        self.by_system = False
        self.polled = False
        self._run = run
        self._may_cut = may_cut
        self._on_notice = on_notice
        self._answered = self._told = ""
        self._cut = False
        self._telling = threading.Lock()
        self._over = threading.Event()
        self._looking = threading.Lock()
        """Held by the thread while it looks and acts on what it saw; never asked for by a signal."""

    def by_now(self) -> str:
        """What the person, or the system, wants by now; the trainer asks at each step."""
        self.polled = True
        self._hear()
        self._answered = self._answered or self.asked
        self._tell()
        return self._answered

    def cut(self) -> None:
        """Cut the calling thread short if that may be, once.

        Raises:
            CutShort: it may.
        """
        if self._may_cut() and not self._cut:
            self._cut = True
            raise CutShort

    def end(self) -> None:
        """From now on nothing is heard: what is asked from here on is for the next worker."""
        with self._looking:
            self._over.set()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals and look out for requests; only in the main thread, which alone can be cut short.

        Raises:
            CutShort: the end was asked for while nobody asks for requests.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._on_term)
        thread = threading.Thread(target=self._look_out, name="requests", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.end()
            thread.join()
            signal.signal(signal.SIGTERM, before)

    def _hear(self) -> bool:
        """Take up what the person asked for; whether that was anything. Also called between any two lines of the main
        thread, by a signal: it must not wait for a lock."""
        request = "" if self._over.is_set() else self._run.unheard_request()
        if request not in {"pause", "stop"}:
            return False
        if not self._answered:
            self.asked, self.by_system = request, False
        with suppress(OSError):  # on a full disk it is heard all the same
            self._run.notice_request()
        return True

    def _tell(self) -> None:
        with self._telling:
            if not self.by_system and self.asked != self._told and not self._may_cut():
                self._told = self.asked
                self._on_notice(self.asked)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._hear()
        if not self.asked:
            self.by_system = True  # first, so that the thread never takes it for the person's wish
            self.asked = "pause"
        self.cut()

    def _look_out(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            with self._looking:
                if self._over.is_set():
                    return
                heard = self._hear()
                with suppress(OSError):
                    self._tell()
                if heard and self._may_cut():
                    _interrupt_main_thread()


def _interrupt_main_thread() -> None:
    """Let the main thread hear SIGTERM, wherever it is."""
    if sys.platform == "win32":  # a signal sent would end the process there
        _thread.interrupt_main(signal.SIGTERM)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
