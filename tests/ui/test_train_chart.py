"""The live curve and the Train step in a real browser, over run folders that the test itself writes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder

from .conftest import PATIENCE_MS, App, patient, settle, wait_for_fit

PLOT = "document.querySelector('#ts-chart .lc-plot')"


class FakeRun:
    """A run folder as a worker would write it; a sleeping process stands in for the worker."""

    def __init__(self, app: App, name: str, total: int = 400) -> None:
        self.run = RunFolder.create(Workspace.open(app.workspace), name)
        Recipe(name=name).save(self.run.recipe_path)
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self.emit = EventWriter(self.run.events_path)
        self.total, self.step = total, 0
        self.run.change_state(
            state="training", started=time.time(), total_steps=total, step_of_journey=3, pid=self.process.pid,
            pid_started=processes.started_at(self.process.pid),
        )  # fmt: skip
        self.emit("metric", step=0, validation_loss=3.4)

    def grow(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            self.emit(
                "metric", step=self.step, loss=1.4 + 2 * math.exp(-self.step / 50), learning_rate=1e-4, tokens_per_second=5e3
            )  # fmt: skip
            if self.step % 10 == 0:
                self.emit("metric", step=self.step, validation_loss=1.5 + 2 * math.exp(-self.step / 50))

    def end(self, state: str = "finished", **more: Any) -> None:
        # Said first, then gone: a server that finds the worker gone says so in the same file.
        self.run.change_state(state=state, pid=None, pid_started=None, ended=time.time(), step=self.step, **more)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def fake(app: App) -> Iterator[FakeRun]:
    made = FakeRun(app, "curve")
    yield made
    made.end()
    made.emit.close()
    made.run.delete()


def open_train(page: Any, app: App, run_id: str) -> None:
    page.goto(f"{app.url}?run={run_id}&step=4")
    page.wait_for_selector("#ts-status .ts-status")
    settle(page)


def wait_points(page: Any, count: int) -> None:
    page.wait_for_function(f"() => ({PLOT}?.data?.[0]?.x.length ?? 0) >= {count}")


def test_before_the_first_point_the_place_explains_itself(page: Any, app: App, fake: FakeRun) -> None:
    fake.run.events_path.write_text("")
    open_train(page, app, fake.run.id)
    page.wait_for_selector("#ts-chart .lc-empty >> text=The curve starts here with the first step")


def test_the_curve_grows_and_zoom_and_hover_survive(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(20)
    open_train(page, app, fake.run.id)
    wait_points(page, 20)
    node = page.evaluate_handle(f"{PLOT}.querySelector('.main-svg')")
    box = page.locator("#ts-chart .lc-plot").bounding_box()
    x, y = box["x"] + 120, box["y"] + 110
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 300, y + 90, steps=4)
    page.mouse.up()
    page.wait_for_function(f"() => {PLOT}._fullLayout.xaxis.range[0] > 0.5")
    zoom = page.evaluate(f"{PLOT}._fullLayout.xaxis.range.slice()")
    for nudge in range(PATIENCE_MS // 200):  # a chart that is just being drawn does not hear the mouse
        page.mouse.move(x + 150 + nudge % 3, y + 40)
        page.wait_for_timeout(200)
        if page.locator("#ts-chart .hoverlayer .legend").count():
            break
    page.wait_for_selector("#ts-chart .hoverlayer .legend", state="attached")

    fake.grow(5)
    wait_points(page, 25)
    assert page.evaluate(f"{PLOT}._fullLayout.xaxis.range.slice()") == zoom
    page.wait_for_selector("#ts-chart .hoverlayer .legend", state="attached")
    assert node.evaluate("node => node.isConnected"), "the chart was rebuilt"


def test_only_what_is_new_goes_over_the_wire(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(300)
    open_train(page, app, fake.run.id)
    wait_points(page, 300)
    with page.expect_response(lambda r: "component_server" in r.url and '"loss"' in r.text()) as caught:
        fake.grow(1)
    answer = caught.value.json()
    assert answer["full"] is False
    assert answer["series"]["loss"][0] == [301]
    wait_points(page, 301)


def test_a_second_browser_and_a_reload_see_the_same_curve(page: Any, app: App, fake: FakeRun, browser: Any) -> None:
    fake.grow(30)
    open_train(page, app, fake.run.id)
    wait_points(page, 30)
    other = patient(browser.new_page())
    open_train(other, app, fake.run.id)
    wait_points(other, 30)
    fake.grow(3)
    wait_points(page, 33)
    wait_points(other, 33)
    other.close()
    page.reload()
    wait_points(page, 33)


def test_a_resumed_run_continues_the_same_curve(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(20)
    open_train(page, app, fake.run.id)
    wait_points(page, 20)
    fake.step = 10
    fake.grow(12)
    page.wait_for_function(f"() => {PLOT}.data[0].x.at(-1) === 22")
    steps = page.evaluate(f"{PLOT}.data[0].x")
    assert steps == list(range(1, 23))


def test_100_000_steps_open_thinned_and_go_on_point_by_point(page: Any, app: App, fake: FakeRun) -> None:
    with fake.run.events_path.open("a") as file:
        for step in range(1, 100_001):
            event = {"v": 1, "seq": step + 1, "time": 1.0, "kind": "metric", "step": step, "loss": 1 / step}
            file.write(json.dumps(event) + "\n")
    fake.step = 100_000
    open_train(page, app, fake.run.id)
    page.wait_for_function(f"() => {PLOT}?.data?.[0]?.x.at(-1) === 100000")
    assert page.evaluate(f"{PLOT}.data[0].x.length") <= 1_000
    fake.grow(2)
    page.wait_for_function(f"() => {PLOT}.data[0].x.at(-1) === 100002")


def test_the_numbers_are_there_as_a_table(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(20)
    open_train(page, app, fake.run.id)
    wait_points(page, 20)
    page.click("#ts-chart .lc-numbers summary")
    page.wait_for_selector("#ts-chart .lc-table td")
    assert page.locator("#ts-chart .lc-table th").all_inner_texts() == ["Step", "Training loss", "Validation loss"]
    assert page.locator("#ts-chart .lc-table tbody tr").first.locator("td").first.inner_text() == "20"


def test_the_answers_of_the_weights_that_are_kept_have_their_column(page: Any, app: App, fake: FakeRun) -> None:
    def check(step: int, loss: float) -> None:
        fake.emit("metric", step=step, validation_loss=loss)
        fake.emit("sample", step=step, prompt="Where is my parcel?", answer=f"It is on its way, said at step {step}.")

    for step, loss in ((0, 3.4), (10, 2.4), (20, 2.0), (30, 1.7), (40, 1.9), (50, 1.8), (60, 1.85), (70, 1.9)):
        check(step, loss)
    open_train(page, app, fake.run.id)
    kept = page.locator("#ts-answers thead .ts-kept")
    kept.get_by_text("Step 30 ✓ best, kept").wait_for()
    assert page.locator("#ts-answers tbody .ts-kept").inner_text() == "It is on its way, said at step 30."
    check(80, 1.5)
    page.get_by_text("Step 80 ✓ best, kept").wait_for()
    page.wait_for_function("document.querySelectorAll('#ts-answers thead .ts-kept').length === 1")


def test_what_the_model_and_the_log_say_is_never_markup(page: Any, app: App, fake: FakeRun) -> None:
    evil = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
    fake.grow(2)
    for step in (0, 2):
        fake.emit("sample", step=step, prompt=evil, answer=evil)
    fake.emit("note", step=2, code="x", level="caution", text=evil)
    fake.run.log_path.write_text(evil)
    open_train(page, app, fake.run.id)
    page.wait_for_selector("#ts-answers table")
    assert evil in page.inner_text("#ts-answers")
    page.wait_for_function("evil => document.querySelector('#ts-coach').innerText.includes(evil)", arg=evil)
    page.get_by_role("tab", name="Log").click()
    page.wait_for_selector("#ts-log pre")
    page.wait_for_function("evil => document.querySelector('#ts-log').innerText.includes(evil)", arg=evil)
    assert page.evaluate("window.hit") is None


def test_a_run_out_of_memory_says_so_and_offers_a_smaller_batch(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(3)
    open_train(page, app, fake.run.id)
    page.wait_for_selector("#ts-pause")
    error = {
        "title": "Memory ran out", "what_happened": "The run needed more than there is.",
        "what_to_do": "Retry with a smaller batch.", "code": "out_of_memory",
    }  # fmt: skip
    fake.end("failed", error=error)
    page.wait_for_selector("#ts-retry")
    page.wait_for_selector("#ts-coach >> text=Memory ran out.")
    page.wait_for_selector("#ts-pause", state="detached")


def test_a_dead_worker_is_told_and_resume_is_offered(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(3)
    open_train(page, app, fake.run.id)
    fake.process.kill()
    fake.process.wait()
    page.wait_for_selector("#ts-resume")
    page.wait_for_selector("#ts-coach >> text=cut off")


def test_a_hidden_chart_asks_for_nothing(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(5)
    open_train(page, app, fake.run.id)
    wait_points(page, 5)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "component_server" in request.url else None)
    # Who looks later is told later: when this one knows that the chart is hidden, the chart itself does.
    page.evaluate("""() => new Promise((hidden) => {
        const chart = document.querySelector('#ts-chart');
        chart.style.display = 'none';
        new IntersectionObserver((seen) => { if (!seen.at(-1).isIntersecting) hidden(); }).observe(chart);
    })""")
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(2_500)
    assert asked == []


def test_the_charts_buttons_only_move_the_picture(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(20)
    open_train(page, app, fake.run.id)
    wait_points(page, 20)
    page.get_by_role("tab", name="Details").click()
    for chart in (".ts-live-curve", ".ts-live-panels"):
        page.wait_for_selector(f"{chart} .modebar-btn", state="attached")
    for chart in (".ts-live-curve", ".ts-live-panels"):
        buttons = page.locator(f"{chart} .modebar-btn").evaluate_all("all => all.map(b => b.dataset.title)")
        assert buttons == ["Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"], chart
        kept = page.evaluate(
            f"(({{plotlyServerURL, showSendToCloud}}) => [plotlyServerURL, showSendToCloud])(document.querySelector('{chart} .lc-plot')._context)"
        )
        assert kept == ["", False], chart


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.2) of red, green and blue between 0 and 255."""
    red, green, blue = (c / 3294.6 if c <= 10.31 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_of_curve(page: Any) -> float:
    """Contrast of the training line, as blended, with the page behind it."""
    line, opacity = page.evaluate(f"[{PLOT}.data[0].line.color, {PLOT}.data[0].opacity]")
    paper = [
        int(n) for n in page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)")
    ]
    ink = [int(line[i : i + 2], 16) for i in (1, 3, 5)]
    shown = tuple(opacity * over + (1 - opacity) * under for over, under in zip(ink, paper, strict=True))
    light, deep = sorted((luminance(shown), luminance(tuple(map(float, paper)))), reverse=True)
    return (light + 0.05) / (deep + 0.05)


def test_the_curve_is_seen_by_day_and_by_night(page: Any, app: App, fake: FakeRun) -> None:
    fake.grow(80)
    open_train(page, app, fake.run.id)
    wait_points(page, 80)
    assert contrast_of_curve(page) > 2.4
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"{PLOT}.data[0].line.color !== '#D55E00'")
    page.emulate_media(color_scheme="dark")
    open_train(page, app, fake.run.id)
    wait_points(page, 80)
    page.wait_for_function(f"document.body.classList.contains('dark') && {PLOT}.data[0].line.color !== '#D55E00'")
    assert contrast_of_curve(page) > 4.5
    page.wait_for_function(f"{PLOT}.layout.annotations[0]?.text.startsWith('before tuning')")
    # Without it the curve would strike the words through.
    page.wait_for_function(f"{PLOT}.layout.annotations[0].bgcolor.startsWith('rgba(20,22,26')")


def test_on_a_phone_the_curve_fits(phone: Any, app: App, fake: FakeRun) -> None:
    fake.grow(20)
    open_train(phone, app, fake.run.id)
    wait_points(phone, 20)
    wait_for_fit(phone)
