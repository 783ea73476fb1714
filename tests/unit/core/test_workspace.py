"""The workspace: fresh folders for runs, and no way out of it through a run's name."""

import pytest

from studio.core.errors import RunError, StudioError
from studio.core.workspace import Workspace, slug


def test_run_folders_are_numbered(tmp_path):
    workspace = Workspace.open(tmp_path)
    assert [workspace.new_run_dir("Support chat.csv").name for _ in range(3)] == [
        "support-chat-1",
        "support-chat-2",
        "support-chat-3",
    ]


@pytest.mark.parametrize("run_id", ["../x", "..", ".", "", "a/b", "/etc", "A b", "x" * 65, "a\x00", "-a", "é", "a\n"])
def test_a_run_name_cannot_lead_elsewhere(tmp_path, run_id):
    with pytest.raises(RunError):
        Workspace.open(tmp_path).run_dir(run_id)


def test_a_workspace_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="--workspace"):
        Workspace.open(tmp_path / "file" / "below")


def test_who_only_reads_makes_no_folder(tmp_path, monkeypatch):
    with pytest.raises(StudioError, match="is not a folder"):
        Workspace.look(tmp_path / "typo")
    monkeypatch.setenv("TAILOR_WORKSPACE", str(tmp_path / "later"))
    assert Workspace.look().root == tmp_path / "later"
    assert Workspace.look(tmp_path).root == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café data (v2).csv", "cafe-data-v2"),
        ("日本語.csv", ""),
        ("a" * 99, "a" * 48),
        ("..//x", "x"),
        ("v1.2 notes", "v1"),
    ],
)
def test_slug(text, expected):
    assert slug(text) == expected
