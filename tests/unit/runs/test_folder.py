"""The run folder: atomic state, append-only events, and the truth about dead workers."""

import json
import os
import threading
import time
from dataclasses import fields, replace

import psutil
import pytest

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs.folder import STATES, EventWriter, RunFolder, RunState, list_runs, read_events, write_json
from studio.ui.views.journey import journey
from studio.ui.views.sidebar import RunList, run_list


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Workspace.open(tmp_path), "test")


def test_events_are_read_from_an_offset_once_each(run):
    write = EventWriter(run.events_path)
    write("metric", step=1, loss=2.0)
    first, offset = run.events()
    write("metric", step=2, loss=1.5)
    second, end = run.events(offset)
    assert [e["step"] for e in first + second] == [1, 2]
    assert run.events(end) == ([], end)


def test_a_torn_last_line_waits_for_its_rest(run):
    write = EventWriter(run.events_path)
    write("note", text="whole")
    write.close()
    with run.events_path.open("a") as file:
        file.write('{"v":1,"seq":2,"kind":"no')
    events, offset = run.events()
    assert [e["seq"] for e in events] == [1]
    with run.events_path.open("a") as file:
        file.write('te","text":"late"}\n')
    assert [e["text"] for e in run.events(offset)[0]] == ["late"]


def test_a_resumed_writer_goes_on_after_a_torn_line(run):
    EventWriter(run.events_path)("metric", step=1)
    with run.events_path.open("a") as file:
        file.write('{"torn')
    EventWriter(run.events_path)("metric", step=2)
    events, _ = run.events()
    assert [(e["seq"], e["step"]) for e in events] == [(1, 1), (2, 2)]


def test_nan_is_written_as_json_null(run):
    EventWriter(run.events_path)("metric", loss=float("nan"), nested=[float("inf")])
    line = run.events_path.read_text()
    assert json.loads(line)["loss"] is None
    assert "NaN" not in line
    assert "Infinity" not in line


@pytest.mark.parametrize("garbage", ["[]", "1", "null", "not json", '{"seq":"x"}', "\x00\x00"])
def test_lines_that_are_no_events_are_skipped(run, garbage):
    run.events_path.write_text(garbage + "\n")
    EventWriter(run.events_path)("note", text="ok")
    assert [e["text"] for e in read_events(run.events_path)[0]] == ["ok"]


def test_an_active_run_whose_worker_is_gone_is_interrupted(run):
    run.write_state(RunState(state="training", pid=2**22 + 1, pid_started=1.0))
    assert run.state().state == "interrupted"


def test_a_reused_process_number_is_not_the_worker(run):
    run.write_state(RunState(state="training", pid=os.getpid(), pid_started=1.0))
    assert run.state().state == "interrupted"


def test_a_living_worker_is_believed(run):
    me = psutil.Process()
    run.write_state(RunState(state="training", pid=me.pid, pid_started=me.create_time()))
    assert run.state().state == "training"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "done"}', "\x00"])
def test_an_unreadable_state_is_never_finished(run, text):
    (run.path / "state.json").write_text(text)
    assert run.state().state == "interrupted"


def test_unknown_fields_of_a_later_version_are_ignored(run):
    write_json(run.path / "state.json", {"state": "finished", "colour": "red"})
    assert run.state().state == "finished"


def test_readers_never_see_half_a_state(run):
    ended = threading.Event()
    seen = set()

    def read():
        while not ended.is_set():
            seen.add(run.state().state)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        run.write_state(RunState(state="finished" if number % 2 else "stopped", message="x" * number * 10))
    ended.set()
    reader.join()
    assert seen <= {"finished", "stopped", "draft"}


def test_runs_are_listed_newest_first_and_stray_folders_are_left_out(tmp_path):
    workspace = Workspace.open(tmp_path)
    for name in ("a", "b"):
        run = RunFolder.create(workspace, name)
        run.write_state(RunState(created=time.time() + (name == "b")))
    (workspace.runs_dir / "stray").mkdir()
    assert [r.id for r in list_runs(workspace)] == ["b-1", "a-1"]


def test_a_run_that_goes_on_is_not_deleted(run):
    me = psutil.Process()
    run.write_state(RunState(state="training", pid=me.pid, pid_started=me.create_time()))
    with pytest.raises(RunError, match="Stop it first"):
        run.delete()
    run.write_state(RunState(state="stopped"))
    run.delete()
    assert not run.path.exists()


def test_a_request_is_seen_and_cleared(run):
    assert run.requested() == ""
    run.request("pause")
    assert run.requested() == "pause"
    run.clear_request()
    assert run.requested() == ""


def test_a_run_that_waits_or_goes_on_is_not_deleted(run):
    run.change_state(state="queued")
    with pytest.raises(RunError, match="waiting"):
        run.delete()
    assert run.path.is_dir()


def test_a_deleted_run_is_gone_at_once_also_for_one_who_still_writes(run, tmp_path):
    other = RunFolder(run.path)
    run.delete()
    assert list(run.path.parent.iterdir()) == []
    with pytest.raises(RunError, match="gone"), other.held():
        pass
    assert not other.path.exists(), "the lock must not bring the folder back"


def test_what_is_being_deleted_is_not_listed(run, tmp_path):
    run.path.rename(run.path.with_name(".deleted-1"))
    assert list_runs(Workspace.open(tmp_path)) == []


def test_many_threads_write_one_file_and_it_stays_whole(tmp_path):
    path = tmp_path / "notes.json"
    failed = []

    def write(number):
        try:
            for _ in range(50):
                write_json(path, {"number": [number] * 200})
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(json.loads(path.read_text())["number"])) == 1


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
