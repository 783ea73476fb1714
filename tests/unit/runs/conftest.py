"""What the tests of runs share: a workspace whose only task counts, and launchers that are closed in the end.

``run_fakes`` is imported by these tests and started as a process of its own: it needs a name without the test tree.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from run_fakes import WORKER, FakeTask

from studio.core.workspace import Workspace
from studio.runs.launcher import Launcher
from studio.tasks import base as tasks


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "registry", lambda: {"fake": FakeTask()})
    return Workspace.open(tmp_path)


@pytest.fixture
def launch(workspace):
    """Make launchers; in the end every run is stopped and every launcher closed."""
    made = []

    def make(**options):
        launcher = Launcher(workspace, **{"worker_command": WORKER, "tick_s": 0.05, **options})
        made.append(launcher)
        return launcher

    yield make
    for launcher in made:
        launcher.close()
    for launcher in made:
        for child in list(launcher.workers.running.values()):
            child.kill()
            child.wait()
