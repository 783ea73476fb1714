"""The event log: append-only, one line an event, and a torn line costs no more than itself."""

import json

import pytest

from studio.core.workspace import Workspace
from studio.runs.events import EventWriter, read_events
from studio.runs.folder import RunFolder


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
