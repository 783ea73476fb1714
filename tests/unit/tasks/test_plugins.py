"""Tasks of other packages: one that works goes the whole way, those that do not are left out and told."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio.core.errors import RecipeError, StudioError
from studio.core.workspace import Workspace
from studio.runs import calibration
from studio.runs.draft import Draft
from studio.runs.worker import Worker
from studio.tasks import base as tasks

PLUGIN = Path(__file__).parent / "plugin" / "continue_texts.py"
VERSES = "verse\n" + "".join(f"The {n} lamps of the {n} ships shine on the sea of {n} stars\n" for n in range(40))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a folder of installed packages, one per task: ``install(name="module:Class")``; the folder."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(PLUGIN, site)
    monkeypatch.syspath_prepend(str(site))

    def package(**places):
        for name, place in places.items():
            info = site / f"{name}_plugin-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[studio.tasks]\n{name} = {place}\n")
        tasks._installed.cache_clear()
        return site

    yield package
    monkeypatch.undo()
    tasks._installed.cache_clear()


@pytest.fixture
def draft(tmp_path, install):
    install(**{"continue": "continue_texts:ContinueTask"})
    (tmp_path / "verses.csv").write_text(VERSES)
    return Draft.from_files(Workspace.open(tmp_path / "w"), [tmp_path / "verses.csv"])


def test_another_packages_task_is_measured_and_trained_like_ours(draft, monkeypatch, capsys):
    monkeypatch.setattr("studio.training.calibrate.MAX_SECONDS", 0.2)
    assert draft.recipe().task == "continue"
    assert "40 rows" in draft.sentence()
    draft.update("training", {"max_steps": 3, "batch_size": 8, "precision": "float32"})
    assert draft.problems() == []

    resolved = draft.freeze()
    assert resolved.task_options == {"shout": False}
    calibration.main(str(draft.run.path))
    measured = json.loads(capsys.readouterr().out.partition("CALIBRATION ")[2])
    assert measured["tokens_per_second"] > 0, measured

    state = Worker(draft.run).go()
    assert (state.state, state.step) == ("finished", 3), state.message
    assert draft.run.report() == {"task": "continue", "steps": 3}


def test_a_tasks_own_settings_are_checked_and_reach_it(draft):
    recipe = draft.recipe()
    recipe.task_options = {"shuot": True}
    recipe.save(draft.run.recipe_path)
    (problem,) = draft.problems()
    assert problem.field == "task_options.shuot"
    with pytest.raises(RecipeError):
        draft.freeze()
    recipe.task_options = {"shout": True}
    assert tasks.get("continue").settings(recipe).shout is True
    draft.set_task("chat")
    assert draft.recipe().task_options == {}, "another task has other settings"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere_at_all:Task", "“nowhere_at_all”, which is not installed"),
        ("continue_texts:Nothing", "Nothing"),
        ("continue_texts:Unfinished", "evaluate"),
        ("continue_texts:ContinueTask", "another name"),
        ("json:JSONDecoder", "no studio.tasks.base.Task"),
    ],
)
def test_a_broken_task_is_left_out_and_the_others_stay(install, caplog, place, why):
    install(broken=place)
    assert list(tasks.registry()) == ["chat", "text_classification"]
    tasks.registry()
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("studio.tasks")]
    assert "broken-plugin" in told
    assert why in told
    with pytest.raises(StudioError, match="left out"):
        tasks.get("broken")


def test_the_command_line_tells_a_broken_task_once_and_does_its_work(tmp_path, install):
    site = install(broken="nowhere_at_all:Task")
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(30)))
    done = subprocess.run(
        [sys.executable, "-c", "from studio.cli import main; main()", "check", str(tmp_path / "rows.csv")],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "30 conversations" in done.stdout
    assert done.stderr.count("A task was left out") == 1
    assert "Traceback" not in done.stderr


def test_the_page_is_told_once(tmp_path, install, monkeypatch):
    from studio.ui.context import StudioContext

    install(broken="nowhere_at_all:Task")
    studio = StudioContext(Workspace.open(tmp_path / "w"))
    monkeypatch.setattr("studio.runs.launcher.Launcher.warm", lambda self: None)
    studio.warm()
    assert [problem.code for problem in studio.take_news()] == ["task_left_out"]
    assert studio.take_news() == []
    studio.close()
