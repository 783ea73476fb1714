"""The playgrounds of one server: one a run, few of them with models in memory. Never imports torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.playground import Playground


class PlaygroundPool:
    """The playgrounds of a server; at most ``max_loaded`` of them hold models, the one used last longest ago goes."""

    def __init__(
        self, workspace: Workspace, max_loaded: int = 1, make: Callable[[Path], Playground] = Playground
    ) -> None:
        self._workspace, self._max_loaded, self._make = workspace, max_loaded, make
        self._open: OrderedDict[str, Playground] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> Playground:
        """
        Raises:
            RunError: there is no such run.
        """
        run = RunFolder.open(self._workspace, run_id)
        with self._lock:
            if run_id not in self._open:
                self._open[run_id] = self._make(run.path)
            playground = self._open[run_id]
            self._open.move_to_end(run_id)
            loaded = [p for p in self._open.values() if p.loaded and p is not playground]
            spare = loaded[: max(0, len(loaded) - self._max_loaded + 1)]
        for other in spare:
            other.close_if_idle()
        return playground

    def free_memory(self) -> None:
        """End those that are not answering just now, for a run that is about to start."""
        with self._lock:
            loaded = [playground for playground in self._open.values() if playground.loaded]
        for playground in loaded:
            playground.close_if_idle()

    def close(self, run_id: str | None = None) -> None:
        """End one playground, or all."""
        with self._lock:
            ids = list(self._open) if run_id is None else [run_id]
            closing = [self._open.pop(i) for i in ids if i in self._open]
        for playground in closing:
            playground.close()
