"""The command line: flags from the one declaration, one-line errors with exit code 2, and a closed door to the network."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from studio.cli.app import app, parse_auth
from studio.cli.flags import flag, with_setting_flags
from studio.core.errors import StudioError
from studio.core.options import describe
from studio.core.recipe import SECTIONS


def studio(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", "from studio.cli import main; main()", *arguments],
        capture_output=True, text=True, timeout=600, env={**os.environ, "COLUMNS": "200", **environment},
    )  # fmt: skip


def test_every_setting_is_a_flag_of_train():
    text = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for section, model in SECTIONS.items():
        for info in describe(model):
            assert flag(f"{section}.{info.name}") in text, info.name


def test_a_list_is_a_flag_given_several_times_and_the_system_prompt_is_one_too():
    got = []

    @with_setting_flags
    def command(*, settings: dict[str, dict[str, object]]) -> None:
        got.append(settings)

    plain = typer.Typer()
    plain.command()(command)
    given = ["--sample-prompt", "One?", "--sample-prompt", "Two?", "--system-prompt", "Be brief."]
    assert CliRunner().invoke(plain, given).exit_code == 0
    assert CliRunner().invoke(plain, []).exit_code == 0
    assert got == [{"training": {"sample_prompts": ["One?", "Two?"]}, "data": {"system_prompt": "Be brief."}}, {}]


def test_flags_do_not_clash():
    flags = [flag(f"{section}.{info.name}") for section, model in SECTIONS.items() for info in describe(model)]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("text", ["user", "user:", ":password1", "user:short", ":"])
def test_a_weak_login_is_refused(text):
    with pytest.raises(StudioError, match="user:password"):
        parse_auth(text)


def test_a_login_may_hold_colons():
    assert parse_auth("ann:pass:word:1") == ("ann", "pass:word:1")
    assert parse_auth(None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_listening_beyond_this_machine_without_a_login_is_refused_with_the_reason(host):
    done = studio("--host", host, TAILOR_AUTH="")
    assert done.returncode == 2
    assert "--auth" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_one_message_and_exit_code_2(tmp_path):
    done = studio("train", str(tmp_path / "none.yaml"), "--workspace", str(tmp_path))
    assert done.returncode == 2
    assert "There is no file" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_workspace_says_how_to_begin(tmp_path):
    done = studio("runs", "--workspace", str(tmp_path))
    assert done.returncode == 0
    assert "no runs yet" in done.stdout


@pytest.mark.parametrize(
    "flags",
    [["--base", "../nowhere"], ["--task", "nonsense"], ["--learning-rate", "-1"], ["--name", "x" * 200]],
)
def test_a_train_command_that_cannot_be_used_leaves_no_draft_behind(tmp_path, flags):
    rows = tmp_path / "rows.csv"
    rows.write_text("question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(30)))
    done = studio("train", "--data", str(rows), "--workspace", str(tmp_path / "w"), *flags)
    assert done.returncode == 2, done.stderr
    assert list((tmp_path / "w" / "runs").iterdir()) == []


def test_a_recipe_with_an_unknown_task_leaves_no_draft_behind(tmp_path):
    (tmp_path / "rows.csv").write_text("question,answer\na,b\nc,d\n")
    (tmp_path / "r.yaml").write_text("task: nonsense\ndata: {sources: [{path: rows.csv}]}\n")
    done = studio("train", str(tmp_path / "r.yaml"), "--workspace", str(tmp_path / "w"))
    assert done.returncode == 2, done.stderr
    assert list((tmp_path / "w" / "runs").iterdir()) == []


def test_a_full_disk_is_told_in_one_line(tmp_path):
    program = (
        "import errno; from studio.core import recipe\n"
        "def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "recipe.Recipe.save = full\n"
        "from studio.cli import main; main()"
    )
    rows = tmp_path / "rows.csv"
    rows.write_text("question,answer\na,b\nc,d\n")
    workspace = tmp_path / "w"
    command = [sys.executable, "-c", program, "train", "--data", str(rows), "--workspace", str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert "The disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((workspace / "runs").iterdir()) == []


def test_the_port_can_be_set_where_no_flag_is_given(monkeypatch):
    opened = []
    monkeypatch.setattr("studio.cli.app._serve", lambda *arguments: opened.append(arguments[2]))
    assert CliRunner().invoke(app, [], env={"TAILOR_PORT": "8123"}).exit_code == 0
    assert opened == [8123]
