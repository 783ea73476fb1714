"""What all screens share: the playgrounds make room when a run starts."""

from pathlib import Path
from typing import Any

import pytest

from studio.core.workspace import Workspace
from studio.runs import launcher, playgrounds
from studio.ui.context import StudioContext


class Pool:
    freed = 0

    def __init__(self, workspace: Workspace) -> None:
        pass

    def get(self, run_id: str) -> str:
        return run_id

    def free_memory(self) -> None:
        Pool.freed += 1


def test_a_run_that_is_about_to_start_gets_the_memory_of_idle_playgrounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(launcher, "Launcher", lambda workspace, **named: made.update(named))
    monkeypatch.setattr(playgrounds, "PlaygroundPool", Pool)
    studio = StudioContext(Workspace.open(tmp_path))
    _ = studio.launcher
    made["before_start"]()
    assert Pool.freed == 0, "nobody has asked anything yet"
    studio.playground("run-1")
    made["before_start"]()
    assert Pool.freed == 1
