"""What the studio promises a person who waits, measured: the real command, a real browser, the two samples.

    python -m tests.bench.journey [--sample support_chat.jsonl] [--preset quick|balanced|thorough] [--no-demo]

One table of measured against promised is printed at the end; a figure that is measured several times is told with the
worst of them. The machine should be idle. Nothing is asserted: a measurement is not a test.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from studio.core.workspace import Workspace
from studio.runs.draft import Draft
from studio.runs.state import ENDED
from tests.ui.conftest import FLAGS, App, find_browser

SAMPLES = ("support_chat.jsonl", "ticket_labels.csv")
PRESETS = ("quick", "balanced", "thorough")
STUDIO = [sys.executable, "-c", "from studio.cli import main; main()"]
PROGRAM = """
import sys
from studio.cli import main
sys.argv = ["studio", "--no-browser", "--workspace", sys.argv[1], "--port", sys.argv[2]]
main()
"""
POINTS = 20
"""Points whose way to the screen is timed, per run."""
PATIENCE_MS = 180_000
HAS_POINT = "() => document.querySelector('#ts-chart .js-plotly-plot')?.data?.some(t => t.x?.length)"
SHOWS_STEP = "step => document.querySelector('#ts-chart .js-plotly-plot')?.data?.some(t => t.x?.length && Math.max(...t.x) >= step)"


class Command(App):
    """The studio as a person starts it."""

    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20 if self.process else 0.0


@dataclass(frozen=True)
class Figure:
    what: str
    measured: float
    limit: float
    unit: str
    more: str = ""

    def line(self) -> str:
        kept = "kept" if self.measured <= self.limit else "MISSED"
        measured, limit = f"{self.measured:.2f} {self.unit}", f"≤ {self.limit:g} {self.unit}"
        return f"{self.what:<54} {measured:>12} {limit:>11}  {kept:<7} {self.more}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", choices=SAMPLES, action="append", help="only this one")
    parser.add_argument("--preset", choices=PRESETS, help="instead of what is suggested")
    parser.add_argument("--no-demo", action="store_true", help="leave `studio demo` out")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tailor-journey-") as scratch:
        for sample in options.sample or SAMPLES:
            figures += journey(Path(scratch) / Path(sample).stem, sample, options.preset)
        if not options.no_demo:
            figures.append(demo(Path(scratch) / "demo"))
    print(f"\n{psutil.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<54} {'measured':>12} {'promised':>11}")
    for figure in figures:
        print(figure.line())


def journey(folder: Path, sample: str, preset: str | None) -> list[Figure]:
    """One sample from the command to the end of its run."""
    folder.mkdir(parents=True)
    app = Command(folder / "workspace", folder / "server.log", program=PROGRAM)
    begun = time.monotonic()
    app.start()
    answered = time.monotonic() - begun
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(app.url)
            page.wait_for_selector("button[data-sample]:visible")
            page.wait_for_timeout(3_000)  # what is warmed up in the background counts too
            memory = [app.memory_mb()]
            figures = [
                Figure("page answers after the command", answered, 3, "s", sample),
                *walk(page, app, memory, sample, preset),
            ]
            browser.close()
        most = Figure("most memory of the app process", max(memory), 300, "MB", f"{memory[0]:.0f} MB at first")
        return [*figures, most]
    finally:
        app.stop()
        app.end_workers()


def walk(page: Any, app: Command, memory: list[float], sample: str, preset: str | None) -> list[Figure]:
    print(f"{sample}: data, prepare, model", flush=True)
    page.click(f"button[data-sample='{sample}']")
    page.wait_for_selector("#ts-rows table:visible")
    page.wait_for_function("new URL(location.href).searchParams.has('run')")
    run = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    page.wait_for_selector(".ts-journey:not([data-busy])")
    page.click("#ts-next-prepare")
    page.wait_for_selector("#ts-start:visible")
    page.wait_for_selector(".ts-journey:not([data-busy])")
    if preset:
        page.click(f"#ts-preset-{preset}")
        page.wait_for_selector(f"#ts-preset-{preset}.primary")
    draft = Draft.open(Workspace.open(app.workspace), run)
    wait_until(page, lambda: draft.calibration() is not None)
    estimated = draft.estimate().seconds or 0.0
    memory.append(app.memory_mb())

    print(f"{sample}: train, estimated {estimated:.0f} s", flush=True)
    pressed = time.monotonic()
    page.click("#ts-start")
    page.wait_for_function(HAS_POINT, polling=30)
    first = time.monotonic() - pressed
    delays = point_delays(page, app, run)
    wait_until(page, lambda: app.state(run)["state"] in ENDED, 30 * 60)
    memory.append(app.memory_mb())
    state = app.state(run)
    if state["state"] != "finished":
        raise SystemExit(f"{run} did not finish: {state['message']}")
    took = state["ended"] - state["started"]
    return [
        Figure("first point on the screen after Start", first, 5, "s"),
        Figure(
            "a point on the screen after it is written (worst)", max(delays, default=0.0), 1.5, "s",
            f"median {statistics.median(delays or [0.0]):.2f} s of {len(delays)}",
        ),
        Figure(
            "how far the estimated time was off", 100 * abs(estimated - took) / took, 25, "%",
            f"{estimated:.0f} s estimated, {took:.0f} s taken",
        ),
    ]  # fmt: skip


def point_delays(page: Any, app: Command, run: str) -> list[float]:
    """Seconds from the writing of a point to its being in the chart, for the newest point at each look."""
    events = app.workspace / "runs" / run / "events.jsonl"
    delays: list[float] = []
    seen = 0
    while len(delays) < POINTS and app.state(run)["state"] not in ENDED:
        points = [json.loads(line) for line in events.read_text().splitlines()[:-1] if '"metric"' in line]
        newest = max(points, key=lambda point: point["step"], default={"step": 0})
        if newest["step"] > seen:
            seen = newest["step"]
            # Only a point that has just been written tells something: this look itself may have come late.
            written = next(point["time"] for point in points if point["step"] == seen)
            if time.time() - written < 0.5:
                page.wait_for_function(SHOWS_STEP, arg=seen, polling=30)
                delays.append(time.time() - written)
        page.wait_for_timeout(50)
    return delays


def wait_until(page: Any, done: Any, timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        page.wait_for_timeout(250)


def demo(workspace: Path) -> Figure:
    print("studio demo", flush=True)
    begun = time.monotonic()
    done = subprocess.run(
        [*STUDIO, "demo", "--workspace", str(workspace)],
        capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return Figure("the demo, from the command to the bundle", (time.monotonic() - begun) / 60, 5, "min")


if __name__ == "__main__":
    main()
