"""Measures a draft's speed in the background, so that the Model step shows a time that was measured and not guessed.

One thread at most per draft. What is measured is always the draft's latest choice: a choice made meanwhile is measured
right after, and what is already known answers at once.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from studio.core.errors import StudioError
from studio.runs.folder import iterate_active
from studio.ui.context import StudioContext

log = logging.getLogger("studio.ui")


@dataclass
class Measuring:
    """Where the measurement of one draft stands; ``round`` rises whenever something changed."""

    going: bool = False
    again: bool = False
    unwanted: bool = False
    why_not: str = ""
    round: int = 0


@dataclass
class Measurements:
    """All drafts of one server."""

    studio: StudioContext
    _all: dict[str, Measuring] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, run_id: str) -> Measuring:
        with self._lock:
            return self._all.setdefault(run_id, Measuring())

    def want(self, run_id: str) -> Measuring:
        """Measure this draft's choice if nobody has; returns at once."""
        measuring = self.of(run_id)
        with self._lock:
            measuring.again = measuring.going
            if measuring.going:
                return measuring
            measuring.going, measuring.unwanted, measuring.why_not = True, False, ""
        threading.Thread(target=self._measure, args=(run_id, measuring), name=f"measure-{run_id}", daemon=True).start()
        return measuring

    def drop(self, run_id: str) -> None:
        """End a measurement that is going on: the choice has changed, or the run starts and wants the machine."""
        measuring = self.of(run_id)
        with self._lock:
            measuring.unwanted, measuring.again = measuring.going, False

    def _measure(self, run_id: str, measuring: Measuring) -> None:
        while True:
            why_not = self._once(run_id, measuring)
            with self._lock:
                measuring.round += 1
                measuring.why_not = why_not
                if not measuring.again:
                    measuring.going = False
                    return
                measuring.again = measuring.unwanted = False

    def _once(self, run_id: str, measuring: Measuring) -> str:
        """Measure; returns why there is no number, or nothing."""
        try:
            draft = self.studio.draft(run_id)
            if not draft.is_open:
                return "not measured"
            if draft.calibration() is None and any(True for _ in iterate_active(self.studio.workspace)):
                return "measured when the run going on has ended"
            return "" if draft.calibrate(lambda: measuring.unwanted) else "measured once the base is on this machine"
        except StudioError as error:
            if error.code == "cancelled":
                return ""
            log.info("No measurement for %s: %s", run_id, error)
            return "out of memory while measuring" if error.code == "out_of_memory" else "could not be measured"
        except Exception:
            log.exception("Measuring %s failed", run_id)
            return "could not be measured"
