"""The list of runs: state, losses, the open one."""

from pathlib import Path

from studio.core.workspace import Workspace
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder
from studio.runs.state import RunState
from studio.ui.views.sidebar import POINTS, RunEntry, RunList, run_list, sparkline, thin


def make(workspace: Workspace, name: str, losses: list[float], state: str = "finished") -> RunFolder:
    run = RunFolder.create(workspace, name)
    run.write_state(RunState(state=state, created=1.0))  # type: ignore[arg-type]
    write = EventWriter(run.events_path)
    for step, loss in enumerate(losses):
        write("metric", step=step, loss=loss)
    write.close()
    return run


def test_lists_state_and_losses_and_follows_them(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    run = make(workspace, "a", [3.0, 2.0])
    runs = RunList(workspace)
    assert [(e.id, e.state, e.losses) for e in runs.entries()] == [("a-1", "finished", (3.0, 2.0))]
    write = EventWriter(run.events_path)
    write("metric", step=3, loss=1.0)
    write.close()
    assert runs.entries()[0].losses == (3.0, 2.0, 1.0)
    run.delete()
    assert runs.entries() == []


def test_the_name_comes_from_the_recipe_and_is_escaped(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    run = make(workspace, "a", [])
    run.recipe_path.write_text("version: 1\nname: '<b>it''s</b>'\n")
    entry = RunList(workspace).entries()[0]
    assert entry.name == "<b>it's</b>"
    assert "<b>" not in run_list([entry], None)


def test_odd_folders_do_no_harm(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    (workspace.runs_dir / "empty").mkdir()
    (workspace.runs_dir / "torn").mkdir()
    (workspace.runs_dir / "torn" / "state.json").write_text("{not json")
    assert [e.state for e in RunList(workspace).entries()] == ["interrupted"]


def test_sparklines_are_thin_and_finite() -> None:
    assert sparkline([1.0]) is None
    assert "nan" not in str(sparkline([2.0, 2.0, 2.0]))
    assert len(thin(list(range(100_000)), POINTS)) == POINTS
    assert thin([1.0, 2.0], POINTS) == [1.0, 2.0]


def test_the_open_run_is_marked() -> None:
    markup = run_list([RunEntry("a-1", "a", "training"), RunEntry("b-1", "b", "draft")], "b-1")
    assert markup.count('aria-current="true"') == 1
    assert markup.count("data-active") == 1
    assert "Your runs appear here." in run_list([], None)


def test_a_paused_run_is_called_paused_and_one_that_was_ended_stopped(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    run = make(workspace, "a", [])
    said = {}
    for state, step, outcome in (("stopped", 14, ""), ("stopped", 0, ""), ("finished", 14, "stopped"), ("finished", 20, "finished")):  # fmt: skip
        run.write_state(RunState(state=state, created=1.0, step=step, outcome=outcome))  # type: ignore[arg-type]
        markup = run_list(RunList(workspace).entries(), None)
        said[state, step] = [word for word in ("paused", "stopped", "finished") if f">{word}<" in markup]
    assert said == {
        ("stopped", 14): ["paused"],
        ("stopped", 0): ["stopped"],
        ("finished", 14): ["stopped"],
        ("finished", 20): ["finished"],
    }
