"""What a browser gets that asks for a run's curve."""

from pathlib import Path

import pytest

from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.ui import live_chart


@pytest.mark.parametrize("request_", [None, {}, {"run": "../../etc"}, {"run": "nobody-1"}, {"run": 7}, "x"])
def test_a_browser_that_asks_for_no_run_of_ours_gets_an_empty_chart(tmp_path: Path, request_: object) -> None:
    workspace = Workspace.open(tmp_path)
    assert live_chart.answer(workspace, request_)["series"] == {}
    assert live_chart.table(workspace, request_) == {"rows": []}


def test_a_run_that_has_ended_is_asked_for_rarely(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    run = RunFolder.create(workspace, "r")
    waits = {}
    for state in ("queued", "finished"):
        run.change_state(state=state)
        waits[state] = live_chart.answer(workspace, {"run": run.id})["wait_ms"]
    assert waits["queued"] <= 1_000 < 10_000 <= waits["finished"]


def test_the_empty_place_speaks_of_the_state_of_the_run(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    run = RunFolder.create(workspace, "r")
    said = {}
    for state in ("draft", "queued", "stopped", "failed", "interrupted", "finished"):
        run.change_state(state=state)
        said[state] = live_chart.answer(workspace, {"run": run.id})["empty"]
    assert "press Start" in said.pop("draft")
    assert "turn" in said["queued"]
    assert "failed" in said["failed"]
    assert "cut off" in said["interrupted"]
    assert not any("Start" in words for words in said.values())


def test_plotly_is_the_installed_package_s_own_file() -> None:
    assert live_chart.plotly_path().is_file()
