"""The app as a program: what it refuses, what it keeps out, how errors become words."""

from __future__ import annotations

import errno
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from studio.core.errors import DataError, StudioError
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.runs.state import RunState
from studio.ui.app import _warm, free_port, is_loopback, launch
from studio.ui.context import StudioContext


def test_what_a_killed_app_left_half_deleted_goes_when_it_starts_again(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    (workspace.runs_dir / ".deleted-1" / "model").mkdir(parents=True)
    _warm(cast("StudioContext", SimpleNamespace(workspace=workspace, warm=lambda: None)), tmp_path / "elsewhere")
    assert list(workspace.runs_dir.iterdir()) == []


def test_another_host_needs_a_password(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="password"):
        launch(Workspace.open(tmp_path), host="0.0.0.0")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.0.0.2", True), ("0.0.0.0", False), ("10.0.0.2", False), ("", False),
     ("127.0.0.1.example.org", False)],
)  # fmt: skip
def test_what_counts_as_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_a_busy_port_leads_to_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) > port


def test_no_free_port_is_said_in_words() -> None:
    with pytest.raises(StudioError, match="--port"):
        free_port("127.0.0.1", 70_000)


def test_the_page_is_laid_out_without_torch_and_without_tables(tmp_path: Path) -> None:
    program = (
        "import sys; from studio.core.workspace import Workspace; from studio.ui.context import StudioContext;"
        "from studio.ui.app import create_app; blocks = create_app(StudioContext(Workspace.open(sys.argv[1])));"
        "assert all(fn.api_visibility == 'private' for fn in blocks.fns.values()), 'public event';"
        "print([m for m in ('torch', 'transformers', 'datasets', 'peft', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestGuarded:
    def test_a_studio_error_is_shown_in_its_words_escaped(self) -> None:
        import gradio as gr

        from studio.ui.shell import guarded

        @guarded
        def handler() -> None:
            raise DataError("This file is empty", "<b>x</b> holds no rows.", "Choose another file.")

        with pytest.raises(gr.Error) as caught:
            handler()
        assert caught.value.message == (
            "<strong>This file is empty.</strong> &lt;b&gt;x&lt;/b&gt; holds no rows. Choose another file."
        )

    @pytest.mark.parametrize(
        ("number", "words"),
        [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be written"), (None, "memory is full")],
    )
    def test_what_the_machine_refuses_is_told_as_such(self, number: int | None, words: str) -> None:
        import gradio as gr

        from studio.ui.shell import guarded

        @guarded
        def handler() -> None:
            raise MemoryError if number is None else OSError(number, os.strerror(number), "/w/recipe.yaml")

        with pytest.raises(gr.Error, match=words):
            handler()

    def test_anything_else_is_a_plain_sentence_and_a_traceback_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        import gradio as gr

        from studio.ui.shell import guarded

        @guarded
        def handler() -> None:
            raise KeyError("secret detail")

        with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as caught:
            handler()
        assert "secret" not in caught.value.message
        assert "secret detail" in caplog.text

    def test_generators_are_guarded_too(self) -> None:
        import gradio as gr

        from studio.ui.shell import guarded

        @guarded
        def handler():  # type: ignore[no-untyped-def]
            yield 1
            raise DataError("No", "Nothing.", "Stop.")

        stream = handler()
        assert next(stream) == 1
        with pytest.raises(gr.Error, match="Nothing"):
            next(stream)


class TestContext:
    def test_notes_about_a_run_survive_a_restart(self, tmp_path: Path) -> None:
        workspace = Workspace.open(tmp_path)
        run = RunFolder.create(workspace, "a")
        StudioContext(workspace).remember(run, "left", ["doubles"])
        StudioContext(workspace).remember(run, "other", 1)
        assert StudioContext(workspace).recall(run, "left") == ["doubles"]
        (run.path / "screen.json").write_text("{torn")
        assert StudioContext(workspace).recall(run, "left", []) == []

    def test_a_run_that_is_not_there(self, tmp_path: Path) -> None:
        studio = StudioContext(Workspace.open(tmp_path))
        for run_id in ("nope", "../../etc", ""):
            with pytest.raises(StudioError):
                studio.run(run_id)

    def test_a_waiting_or_running_run_keeps_its_name(self, tmp_path: Path) -> None:
        workspace = Workspace.open(tmp_path)
        run = RunFolder.create(workspace, "a")
        run.write_state(RunState(state="starting"))
        with pytest.raises(StudioError, match="going on"):
            StudioContext(workspace).rename(run.id, "b")
