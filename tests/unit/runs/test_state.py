"""The state of a run: what a file may tell, and the truth about dead workers."""

import json
import os
from dataclasses import fields, replace

import psutil
import pytest

from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.folder import RunFolder, list_runs
from studio.runs.json_files import write_json
from studio.runs.state import STATES, RunState
from studio.ui.views.journey import journey
from studio.ui.views.sidebar import RunList, run_list


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Workspace.open(tmp_path), "test")


def test_an_active_run_whose_worker_is_gone_is_interrupted(run):
    run.write_state(RunState(state="training", pid=2**22 + 1, pid_started=1.0))
    assert run.state().state == "interrupted"


def test_a_reused_process_number_is_not_the_worker(run):
    run.write_state(RunState(state="training", pid=os.getpid(), pid_started=1.0))
    assert run.state().state == "interrupted"


def test_a_living_worker_is_believed(run):
    me = psutil.Process()
    run.write_state(RunState(state="training", pid=me.pid, pid_started=processes.started_at(me.pid)))
    assert run.state().state == "training"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "done"}', "\x00"])
def test_an_unreadable_state_is_never_finished(run, text):
    (run.path / "state.json").write_text(text)
    assert run.state().state == "interrupted"


def test_unknown_fields_of_a_later_version_are_ignored(run):
    write_json(run.path / "state.json", {"state": "finished", "colour": "red"})
    assert run.state().state == "finished"


ODD = [None, "abc", -1, 1e308, 10**40, [], {}, True, {"a": [1]}]


@pytest.mark.parametrize("state", ["training", "queued", "draft", "finished"])
@pytest.mark.parametrize("name", [f.name for f in fields(RunState)])
def test_one_damaged_state_does_not_take_the_list_of_runs_with_it(run, tmp_path, name, state):
    workspace = Workspace.open(tmp_path)
    for odd in ODD:
        (run.path / "state.json").write_text(json.dumps({"state": state, "pid": 1, name: odd}))
        assert [r.id for r in list_runs(workspace)] == [run.id]
        assert run.state().state in STATES
        run_list(RunList(workspace).entries(), run.id)
        journey(run)
        run.change_state(message="mended")


def test_every_field_of_the_state_is_read_back(run):
    full = RunState("finished", "m", 1.0, 2.0, 3.0, 4.0, 5, 6.0, 7, 8, 9, 10.0, 3, {"title": "t"})
    run.write_state(full)
    assert replace(run.state(), updated=1.0) == full
