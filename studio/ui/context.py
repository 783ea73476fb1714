"""What every screen may ask for: the workspace, the launcher, the playgrounds. One per server, made before the page.

Engine packages are imported when first asked for, not when the app starts: the page must answer within seconds.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.core.errors import RunError, StudioError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.json_files import write_json
from studio.runs.state import ACTIVE

if TYPE_CHECKING:
    from studio.runs.draft import Draft
    from studio.runs.launcher import Launcher
    from studio.runs.playground import Playground
    from studio.runs.playgrounds import PlaygroundPool

NOTES = "screen.json"
"""The file in a run's folder that holds what only the screens care about. Nothing that decides a result."""


@dataclass
class StudioContext:
    """Shared by all browser sessions of one server; thread-safe."""

    workspace: Workspace
    _launcher: Launcher | None = None
    _playgrounds: PlaygroundPool | None = None
    _news: list[StudioError] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def launcher(self) -> Launcher:
        """Starts, pauses and resumes runs; its scheduler begins with the first look at it."""
        with self._lock:
            if self._launcher is None:
                from studio.runs.launcher import Launcher

                self._launcher = Launcher(self.workspace, before_start=self._free_memory)
            return self._launcher

    def run(self, run_id: str | None) -> RunFolder:
        """
        Raises:
            RunError: there is no such run, or none is open (a page that outlived the server it came from).
        """
        if not run_id:
            raise RunError(
                "This page has lost its run", "The studio was started anew since it was opened.", "Reload the page."
            )
        return RunFolder.open(self.workspace, run_id)

    def draft(self, run_id: str | None) -> Draft:
        """
        Raises:
            RunError: as for :meth:`run`.
        """
        from studio.runs.draft import Draft

        return Draft(self.run(run_id), self.workspace)

    def playground(self, run_id: str) -> Playground:
        """The one process that chats for this run; started with the first question, shared by all browsers. Asking for
        another run's frees the memory of the last one.

        Raises:
            RunError: there is no such run.
        """
        with self._lock:
            if self._playgrounds is None:
                from studio.runs.playgrounds import PlaygroundPool

                self._playgrounds = PlaygroundPool(self.workspace)
            pool = self._playgrounds
        return pool.get(run_id)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name; its folder, and so its address, stays.

        Raises:
            StudioError: there is no such run, or it is being worked on just now.
        """
        run = self.run(run_id)
        with run.held():
            if run.state().state in ACTIVE:
                raise RunError("This run is going on", "Its recipe is in use.", "Rename it when it has finished.")
            for path in run.recipe_paths():
                recipe = Recipe.load(path)
                recipe.name = name
                recipe.save(path)

    def delete(self, run_id: str) -> None:
        """Delete a run with its model and files.

        Raises:
            RunError: there is no such run, or it waits or goes on.
        """
        from studio.runs.exports import delete_run

        run = self.run(run_id)
        with self.launcher.queue.held():
            delete_run(run)
        self.close_playground(run_id)

    def recall(self, run: RunFolder, name: str, default: Any = None) -> Any:
        """What the screens noted about a run under ``name`` (see :meth:`remember`)."""
        try:
            notes = json.loads((run.path / NOTES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return default
        return notes.get(name, default) if isinstance(notes, dict) else default

    def remember(self, run: RunFolder, name: str, value: Any) -> None:
        """Keep a small note in the run's folder, so that a reload shows the page as it was left."""
        with self._lock:
            try:
                notes = json.loads((run.path / NOTES).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                notes = {}
            write_json(run.path / NOTES, {**(notes if isinstance(notes, dict) else {}), name: value})

    def close_playground(self, run_id: str) -> None:
        """End the playground of a run, if there is one, and free its memory."""
        if self._playgrounds is not None:
            self._playgrounds.close(run_id)

    def _free_memory(self) -> None:
        """The models of idle playgrounds make room for a run that is about to start."""
        if self._playgrounds is not None:
            self._playgrounds.free_memory()

    def warm(self) -> None:
        """Import what the first click needs, and start the scheduler and the spare worker; called in the background
        once the page is up."""
        import studio.runs.draft  # noqa: F401
        from studio.tasks import base as tasks

        with self._lock:
            self._news.extend(tasks.left_out().values())
        self.launcher.warm()

    def take_news(self) -> list[StudioError]:
        """What the person should be told on the page, each thing once, whichever page asks first."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def close(self) -> None:
        """End the playgrounds and the spare worker; runs go on."""
        if self._playgrounds is not None:
            self._playgrounds.close()
        with self._lock:
            if self._launcher is not None:
                self._launcher.close()
                self._launcher = None
