"""A real studio in a process of its own, and a real browser in front of it.

``app``     a server with a workspace of its own, one per test module; ``app.restart()`` ends and starts it again.
``page``    a fresh browser page; the test fails when the console shows an error or anything is asked of another machine.
``settle``  waits until the step that is shown has been filled: what is pressed or typed before may be wiped out by that.

Browser, server and worker may each be held up for seconds at any moment. So what is not there at once is waited for
(``wait_for_…``, ``wait_until``), never looked at once, and messages, which go by themselves, are remembered.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from studio.runs import processes

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
PATIENCE_MS = 180_000
"""How long anything is waited for; only a test that fails takes so long."""
PARTING_WORDS = ("AbortError: signal is aborted", "Connection errored out")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PROGRAM = """
import signal, sys
from studio.core.workspace import Workspace
from studio.ui.app import launch
running = launch(Workspace.open(sys.argv[1]), port=int(sys.argv[2]))
print(running.url, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    running.wait()
finally:
    running.close()
"""


SETTLED = "#ts-journey .ts-journey[data-visit]:not([data-busy])"
TOLD = """
{
  const seen = [];
  Object.defineProperty(window, 'told', {get: () => seen.map((message) => message.text)});
  new MutationObserver(() => {
    for (const item of document.querySelectorAll('.toast-message-item')) {
      if (!item.innerText || !item.checkVisibility()) continue;
      if (!item.told) seen.push(item.told = {});
      item.told.text = item.innerText;
    }
  }).observe(document, {childList: true, subtree: true, characterData: true});
}
"""
"""Every message that was seen on the page, in ``window.told``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ui)


def find_browser() -> str | None:
    chosen = os.environ.get("TAILOR_BROWSER")
    if chosen:
        return chosen
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    return next((path for path in MAC_BROWSERS if Path(path).is_file()), None)


@dataclass
class App:
    """A studio server under test."""

    workspace: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: str = PROGRAM
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self, timeout_s: float = 180) -> None:
        port = _free_port()
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", **self.environment}
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.program, str(self.workspace), str(port)],
                stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"The studio ended:\n{self.log.read_text()[-4000:]}")
            # It says where it listens: somebody else may have taken the port meanwhile.
            said = re.search(r"^http://127\.0\.0\.1:\d+/$", self.log.read_bytes()[before:].decode(), re.MULTILINE)
            if said:
                self.url = said.group()
                with (
                    contextlib.suppress(urllib.error.URLError, OSError),
                    urllib.request.urlopen(self.url, timeout=30) as page,
                ):
                    if page.status == 200:
                        return
            time.sleep(0.1)
        raise RuntimeError(f"The studio does not answer:\n{self.log.read_text()[-4000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the server; runs that are going on go on."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self, how: int = signal.SIGTERM) -> None:
        self.stop(how)
        self.start()

    def run_ids(self) -> list[str]:
        return sorted(p.parent.name for p in self.workspace.glob("runs/*/state.json"))

    def state(self, run_id: str) -> dict[str, Any]:
        return dict(json.loads((self.workspace / "runs" / run_id / "state.json").read_text()))

    def end_workers(self) -> None:
        """Leave no training process behind: each is named by its run's state file."""
        for run_id in self.run_ids():
            with contextlib.suppress(OSError, ValueError):
                state = self.state(run_id)
                processes.end(state.get("pid"), state.get("pid_started"), kill=True)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("studio")
    server = App(folder / "workspace", folder / "server.log")
    server.start()
    yield server
    server.stop()
    server.end_workers()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    path = find_browser()
    if path is None:
        pytest.skip("No Chrome or Chromium was found; set TAILOR_BROWSER to one.")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page 1280 × 800. What went wrong is in ``page.problems``; a test that provokes errors clears the list."""
    yield from watched_page(browser, viewport={"width": 1280, "height": 800})


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    """The same, 375 × 812."""
    yield from watched_page(browser, viewport={"width": 375, "height": 812})


def patient(page: Any) -> Any:
    """A page that waits long enough for a machine that is busy, and remembers the messages that it showed."""
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(TOLD)
    return page


def settle(page: Any) -> None:
    """Wait until the step that is shown has been filled; Gradio says so twice, the second time at once after the first."""
    page.wait_for_selector(SETTLED)
    page.wait_for_timeout(250)


def wait_for_told(page: Any, words: str) -> None:
    """A message with these words was seen, though it may be gone by now."""
    page.wait_for_function("words => window.told.some(message => message.includes(words))", arg=words)


def wait_until(page: Any, holds: Callable[[], Any]) -> Any:
    """Wait for what does not show on the page; answers with what ``holds`` answered."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not (answer := holds()):
        assert time.monotonic() < end, "it did not come about"
        page.wait_for_timeout(100)
    return answer


def wait_for_fit(page: Any) -> None:
    """Nothing sticks out to the side."""
    page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")


def watched_page(browser: Any, **options: Any) -> Iterator[Any]:
    context = browser.new_context(accept_downloads=True, **options)
    opened = patient(context.new_page())
    opened.problems = []
    opened.on("console", lambda m: opened.problems.append(f"console: {m.text}") if m.type == "error" else None)
    opened.on("pageerror", lambda error: opened.problems.append(f"page: {error}"))
    opened.on("request", lambda request: opened.problems.extend(_foreign(request.url)))
    opened.on("framenavigated", lambda frame: _forget_parting_words(opened) if frame == opened.main_frame else None)
    yield opened
    problems = list(opened.problems)
    context.close()
    assert not problems, "\n".join(problems)


def _forget_parting_words(opened: Any) -> None:
    """Requests that are cut off because the page is left are told by Gradio as errors; they are none."""
    opened.problems[:] = [p for p in opened.problems if not any(words in p for words in PARTING_WORDS)]


def _foreign(url: str) -> list[str]:
    local = url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:"))
    return [] if local else [f"asked of another machine: {url}"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
