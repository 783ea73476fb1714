from __future__ import annotations

import json
import subprocess
import sys

import pytest

from studio.training.checkpoints import (
    MARKER,
    checkpoint_path,
    forget_after,
    latest_checkpoint,
    mark_complete,
    prune,
    read_memory,
)


def write(folder, step, *, complete=True):
    path = checkpoint_path(folder, step)
    (path / "nested").mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"x" * step)
    (path / "nested" / "more.bin").write_bytes(b"abc")
    if complete:
        mark_complete(path, {"step": step})
    return path


def steps(folder):
    return sorted(int(path.name.split("-")[1]) for path in folder.iterdir())


def test_latest_is_the_newest_whole_one(tmp_path):
    for step in (5, 10, 100):
        write(tmp_path, step)
    write(tmp_path, 110, complete=False)
    latest = latest_checkpoint(tmp_path)
    assert latest == tmp_path / "checkpoint-100"
    assert read_memory(latest) == {"step": 100}


@pytest.mark.parametrize("damage", ["cut", "gone", "marker", "marker_kind", "memory"])
def test_damaged_checkpoints_are_skipped(tmp_path, damage):
    write(tmp_path, 5)
    newer = write(tmp_path, 10)
    match damage:
        case "cut":
            (newer / "model.safetensors").write_bytes(b"x")
        case "gone":
            (newer / "nested" / "more.bin").unlink()
        case "marker":
            (newer / MARKER).write_text('{"step": 1')
        case "marker_kind":
            (newer / MARKER).write_text("[]")
        case "memory":
            (newer / MARKER).write_text('{"files": {"model.safetensors": 10}, "memory": 3}')
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-5"


def test_no_folder_no_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path / "none") is None
    (tmp_path / "checkpoint-x").mkdir()
    (tmp_path / "checkpoint-3").write_text("a file")
    assert latest_checkpoint(tmp_path) is None


def test_prune_keeps_the_newest_and_the_best(tmp_path):
    for step in (1, 2, 3, 4, 5):
        write(tmp_path, step)
    prune(tmp_path, keep=2, best_step=2)
    assert steps(tmp_path) == [2, 4, 5]


def test_prune_removes_what_was_cut_off_before_a_whole_one(tmp_path):
    write(tmp_path, 1, complete=False)
    write(tmp_path, 2)
    write(tmp_path, 3, complete=False)
    prune(tmp_path, keep=1, best_step=None)
    assert steps(tmp_path) == [2, 3]


def test_forget_after(tmp_path):
    for step in (1, 2, 3):
        write(tmp_path, step)
    forget_after(tmp_path, 2)
    assert steps(tmp_path) == [1, 2]


def test_asking_needs_no_torch():
    code = "import sys, studio.training.checkpoints, studio.training.coach, studio.training.types; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_newest_checkpoint_of_zeros_is_passed_over_for_the_one_before(tmp_path):
    """After a crash of the machine a file may have its length and none of its content."""
    older, newest = write(tmp_path, 5), write(tmp_path, 10)
    (newest / "model.safetensors").write_bytes(bytes(10))
    assert latest_checkpoint(tmp_path) == older
    (older / "nested" / "more.bin").write_bytes(b"abd")
    assert latest_checkpoint(tmp_path) is None


def test_a_checkpoint_sealed_without_checksums_still_counts(tmp_path):
    path = write(tmp_path, 5)
    marker = json.loads((path / MARKER).read_text())
    del marker["sums"]
    (path / MARKER).write_text(json.dumps(marker))
    assert latest_checkpoint(tmp_path) == path


def test_damage_at_the_end_of_a_large_file_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("studio.training.checkpoints._BLOCK", 16)
    monkeypatch.setattr("studio.training.checkpoints._WHOLE", 1600)
    path = checkpoint_path(tmp_path, 1)
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(bytes(5000))
    mark_complete(path, {"step": 1})
    assert latest_checkpoint(tmp_path) == path
    (path / "model.safetensors").write_bytes(bytes(4999) + b"x")
    assert latest_checkpoint(tmp_path) is None
