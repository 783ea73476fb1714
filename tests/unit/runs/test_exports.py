"""Export jobs: a process of their own, and the truth about those that died."""

import json
import os
import time

import pytest
from export_fake import COMMAND
from run_fakes import FakeTask, prepared, wait_for

from studio.core.errors import ExportError, RunError
from studio.core.workspace import Workspace
from studio.runs import exports, processes
from studio.runs.exports import delete_run, export_state, start_export, state_path
from studio.runs.folder import RunFolder
from studio.tasks import base as tasks


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "registry", lambda: {"fake": FakeTask()})
    run = prepared(Workspace.open(tmp_path))
    run.model_dir.mkdir()
    (run.model_dir / "model.safetensors").write_bytes(b"weights")
    os.utime(run.model_dir / "model.safetensors", (1, 1))
    run.change_state(state="finished")
    monkeypatch.setattr(exports, "STARTING_S", 600)
    monkeypatch.setattr(exports, "ENDING_S", 180)
    yield run
    for _, child in exports._children:
        child.kill()
        child.wait()


def make(run, mode="", kind="bundle"):
    (run.path / "mode.txt").write_text(mode)
    start_export(run, kind, COMMAND)
    wait_for(lambda: export_state(run, kind)["state"] != "working")
    return export_state(run, kind)


def test_nothing_has_been_made_yet(run):
    assert export_state(run, "bundle")["state"] == "none"


def test_a_file_is_made_and_checked(run):
    state = make(run)
    assert (state["state"], state["progress"], state["size"], state["sha256"]) == ("ready", 1.0, 3, "ab")
    assert state["checked"] is True
    assert state["path"].endswith("bundle.zip")


@pytest.mark.parametrize(
    ("mode", "title"),
    [("refuse", "It does not answer alike"), ("bug", "The export failed"), ("disk", "The disk is full"), ("die", "The export was cut off")],
)  # fmt: skip
def test_a_failure_is_told_and_may_be_tried_again(run, mode, title):
    state = make(run, mode)
    assert state["state"] == "failed"
    assert state["error"]["title"] == title
    assert "secret" not in json.dumps(state)
    assert make(run)["state"] == "ready"


def test_progress_shows_and_a_second_start_changes_nothing(run):
    (run.path / "mode.txt").write_text("slow")
    start_export(run, "bundle", COMMAND)
    wait_for(lambda: export_state(run, "bundle")["progress"] == 0.5)
    state = export_state(run, "bundle")
    start_export(run, "bundle", COMMAND)
    assert export_state(run, "bundle")["pid"] == state["pid"]
    assert processes.end(state["pid"], state["pid_started"], kill=True)
    wait_for(lambda: export_state(run, "bundle")["state"] == "failed")


def test_a_file_that_is_gone_or_older_than_the_model_is_not_offered(run):
    path = make(run)["path"]
    os.utime(run.model_dir / "model.safetensors", (time.time() + 60,) * 2)
    assert export_state(run, "bundle")["state"] == "none"
    os.utime(run.model_dir / "model.safetensors", (1, 1))
    assert export_state(run, "bundle")["state"] == "ready"
    os.unlink(path)
    assert export_state(run, "bundle")["state"] == "none"


@pytest.mark.parametrize("ours", [True, False])
def test_a_run_that_is_deleted_takes_its_export_with_it(run, monkeypatch, ours):
    """Also one that another server has started."""
    (run.path / "mode.txt").write_text("slow")
    start_export(run, "bundle", COMMAND)
    wait_for(lambda: export_state(run, "bundle")["progress"] == 0.5)
    state = export_state(run, "bundle")
    if not ours:
        monkeypatch.setattr("studio.runs.exports._children", [])
    delete_run(run)
    assert not processes.alive(state["pid"], state["pid_started"])
    assert not run.path.exists()
    with pytest.raises(RunError, match="gone"):
        start_export(run, "bundle", COMMAND)


def test_an_export_that_has_only_just_been_started_is_ended_too(run):
    (run.path / "mode.txt").write_text("slow")
    start_export(run, "bundle", COMMAND)
    delete_run(run)
    assert not run.path.exists()


def test_a_run_that_may_not_be_deleted_keeps_its_export(run):
    (run.path / "mode.txt").write_text("slow")
    start_export(run, "bundle", COMMAND)
    wait_for(lambda: export_state(run, "bundle")["progress"] == 0.5)
    run.change_state(state="queued")
    with pytest.raises(RunError, match="waiting"):
        delete_run(run)
    state = export_state(run, "bundle")
    assert processes.end(state["pid"], state["pid_started"], kill=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_state_is_none(run, text):
    state_path(run, "bundle").write_text(text)
    assert export_state(run, "bundle")["state"] == "none"


def test_what_is_not_offered_is_told(run):
    for kind in ("merged", "../../etc", ""):
        with pytest.raises(ExportError, match="not offered"):
            start_export(run, kind, COMMAND)
    with pytest.raises(ExportError, match="no adapter"):
        start_export(run, "adapter", COMMAND)
    (run.model_dir / "model.safetensors").unlink()
    with pytest.raises(RunError, match="no tuned model"):
        start_export(run, "bundle", COMMAND)


def test_a_process_that_cannot_be_started_is_told(run):
    with pytest.raises(ExportError, match="could not be started"):
        start_export(run, "bundle", ["/nowhere/python"])
    assert export_state(run, "bundle")["state"] == "failed"


def test_only_a_file_of_the_runs_own_folder_is_offered(run, tmp_path):
    make(run)
    secret = tmp_path / "secret.zip"
    secret.write_bytes(b"abc")
    state = json.loads(state_path(run, "bundle").read_text())

    state_path(run, "bundle").write_text(json.dumps({**state, "path": str(secret)}))
    assert export_state(run, "bundle")["state"] == "none"
    (run.exports_dir / "secret.zip").symlink_to(secret)
    assert export_state(run, "bundle")["state"] == "none"


def test_a_moved_run_still_offers_its_file(run):
    make(run)
    moved = RunFolder(run.path.rename(run.path.with_name("moved")))
    state = export_state(moved, "bundle")
    assert state["state"] == "ready"
    assert state["path"] == str(moved.exports_dir / "bundle.zip")
