"""The launcher's side of the spare worker: keep one warm, take it, hand it a run, let it go."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.runs import processes

GIVE_UP_AFTER = 3
"""Spares that ended by themselves before no more are tried."""


class SpareWorker:
    """At most one waiting worker. It is taken even while it still warms up: it is ahead of a fresh one anyway."""

    def __init__(self, command: Sequence[str], log_path: Path) -> None:
        self.wanted = False
        self._command = list(command)
        self._log_path = log_path
        self._process: subprocess.Popen[Any] | None = None
        self._lock = threading.Lock()
        self._died = 0

    def keep_warm(self) -> None:
        """Start one if one is wanted and none is there."""
        with self._lock:
            if not self.wanted or self._died >= GIVE_UP_AFTER or os.environ.get("TAILOR_NO_SPARE") == "1":
                return
            if self._process is not None:
                if self._process.poll() is None:
                    return
                self._died += 1
                _close(self._process)
            with self._log_path.open("wb") as log:
                self._process = processes.start(self._command, stdin=subprocess.PIPE, stdout=log, stderr=log)

    @property
    def pid(self) -> int | None:
        """Its process number, if there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def take(self) -> subprocess.Popen[Any] | None:
        """The spare, no longer ours; None when there is none."""
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.poll() is None:
            return process
        _close(process)
        return None

    @staticmethod
    def hand_over(process: subprocess.Popen[Any], run_dir: Path) -> bool:
        """Give it the run; from now on it lives on its own. False when it died meanwhile."""
        try:
            assert process.stdin is not None
            process.stdin.write((json.dumps({"run_dir": str(run_dir)}) + "\n").encode())
            process.stdin.close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let it go: it ends when its stdin closes; one that is still importing is asked by the system."""
        self.wanted = False
        process = self.take()
        if process is None:
            return
        _close(process)
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _close(process: subprocess.Popen[Any]) -> None:
    try:
        if process.stdin is not None:
            process.stdin.close()
    except OSError:
        return
