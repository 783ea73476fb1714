"""The server as a stranger meets it: which files it hands out, and to whom it answers."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.core.errors import RunError, StudioError
from studio.core.workspace import Workspace
from studio.ui.app import RunningApp, _start, launch


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def app(workspace: Workspace) -> Iterator[RunningApp]:
    from gradio import http_server, networking

    context = pytest.MonkeyPatch()
    context.setenv("TAILOR_NO_SPARE", "1")
    # Set first, so that what the app puts there is taken back in the end.
    context.setenv("GRADIO_TEMP_DIR", "")
    context.delenv("GRADIO_TEMP_DIR")
    # gradio gives its server five seconds to start and three to answer; on a busy machine that says nothing of ours.
    context.setattr(http_server, "time", SimpleNamespace(time=lambda: time.monotonic() / 60, sleep=time.sleep))
    context.setattr(networking, "url_ok", lambda url: True)
    running = launch(workspace, port=17860)
    yield running
    for thread in threading.enumerate():
        if thread.name == "warm-up":
            thread.join(120)
    running.close()
    context.undo()


def status(app: RunningApp, path: str, body: Any = None, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(app.url + path, data, {"Content-Type": "application/json", **named})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_another_page_in_the_same_browser_may_do_nothing(app: RunningApp) -> None:
    event = {"data": [], "session_hash": "x", "event_data": {"sample": "ticket_labels.csv"}}
    assert status(app, "gradio_api/run/from_sample", event, Origin="https://attacker.example") == 403
    assert status(app, "", Host="attacker.example") == 403
    assert not list(app.studio.workspace.runs_dir.iterdir())
    assert status(app, "") == 200


def test_no_file_of_the_workspace_or_the_disk_is_handed_out(app: RunningApp, workspace: Workspace) -> None:
    secret = workspace.runs_dir / "secret.txt"
    secret.write_text("secret")
    for path in (secret, Path("/etc/passwd"), Path("README.md").absolute()):
        assert status(app, f"gradio_api/file={path}") == 403
    secret.unlink()


def test_a_finished_export_is_handed_out_wherever_the_workspace_lies_and_nothing_beside_it(
    app: RunningApp, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most workspaces lie neither in the temporary folder nor in the working directory."""
    import gradio as gr
    from gradio import processing_utils

    from studio.ui.components import downloadable

    exports = workspace.runs_dir / "one" / "exports"
    exports.mkdir(parents=True)
    for name in ("model.zip", "other.zip"):
        (exports / name).write_bytes(b"zip")
    monkeypatch.setattr(processing_utils, "tempfile", SimpleNamespace(gettempdir=lambda: "/nowhere"))
    value = downloadable(exports / "model.zip")
    button = gr.DownloadButton()
    token = processing_utils.LocalContext.blocks.set(app.blocks)
    try:
        sent = processing_utils.move_files_to_cache(button.postprocess(value), button, postprocess=True)
    finally:
        processing_utils.LocalContext.blocks.reset(token)
    assert sent["path"] == value
    assert status(app, f"gradio_api/file={value}") == 200
    assert status(app, f"gradio_api/file={exports / 'other.zip'}") == 403


def test_uploads_stay_in_the_workspace(app: RunningApp, workspace: Workspace) -> None:
    from gradio.utils import get_upload_folder

    assert Path(get_upload_folder()) == workspace.cache_dir / "uploads"


def test_a_page_that_outlived_its_server_is_told_to_reload(app: RunningApp) -> None:
    for look in (app.studio.run, app.studio.draft):
        with pytest.raises(RunError, match="Reload"):
            look(None)


def test_a_server_that_starts_slowly_is_started_again(
    app: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio import http_server

    start, tries = http_server.Server.run_in_thread, []

    def slow(self: Any) -> None:
        tries.append(self)
        if len(tries) == 1:
            raise http_server.ServerFailedToStartError("Server failed to start.")
        start(self)

    monkeypatch.setattr(http_server.Server, "run_in_thread", slow)
    running = launch(Workspace.open(tmp_path), port=17900)
    try:
        assert (len(tries), status(running, "")) == (2, 200)
    finally:
        running.close()


def test_a_server_that_never_starts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(server_port: int) -> None:
        raise OSError("Cannot find empty port")

    with pytest.raises(StudioError, match="could not start"):
        _start(never, "127.0.0.1", 17900)
