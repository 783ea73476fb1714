"""Take the README's pictures, and those a picky designer wants to see: every step, light and dark, wide and on a phone.

python -m tests.ui.screenshots [FOLDER]      # default: assets/screenshots (the README's, light, 1280 wide)
python -m tests.ui.screenshots FOLDER --all  # also dark and 375 px
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.ui.conftest import FLAGS, App, find_browser

ROOT = Path(__file__).resolve().parents[2]
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 812}
QUESTION = "My lamp arrived with a crack in the shade. What now?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "assets" / "screenshots")
    parser.add_argument("--all", action="store_true", help="also dark and 375 px")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    looks = [("", WIDE, "light")]
    if chosen.all:
        looks += [("-dark", WIDE, "dark"), ("-phone", PHONE, "light"), ("-phone-dark", PHONE, "dark")]
    with tempfile.TemporaryDirectory(prefix="tailor-pictures-") as scratch, sync_playwright() as playwright:
        app = App(Path(scratch) / "workspace", Path(scratch) / "server.log")
        app.start()
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)

        def take(page: Any, name: str) -> None:
            """One picture a look: the same page, resized and re-coloured."""
            address = page.url
            for suffix, size, scheme in looks:
                context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1)
                shown = context.new_page()
                shown.goto(address)
                shown.wait_for_selector(".ts-journey:not([data-busy])", timeout=60_000)
                shown.wait_for_timeout(3_000)
                shown.screenshot(path=str(chosen.folder / f"{name}{suffix}.png"), full_page=bool(suffix))
                context.close()
            print(chosen.folder / f"{name}.png", flush=True)

        try:
            _walk(browser.new_page(viewport=WIDE), app, take)
        finally:
            browser.close()
            app.stop()
            app.end_workers()


def _walk(page: Any, app: App, take: Callable[[Any, str], None]) -> None:
    page.set_default_timeout(60_000)
    page.goto(app.url)
    page.wait_for_selector("button[data-sample]:visible")
    take(page, "start")
    page.click("button[data-sample='messy_support.csv']")
    page.wait_for_function("new URL(location.href).searchParams.has('run')")
    page.wait_for_selector("#ts-rows table:visible")
    take(page, "data")
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    page.wait_for_selector(".ts-journey:not([data-busy])")
    take(page, "prepare")
    page.goto(app.url)
    page.click("button[data-sample='support_chat.jsonl']")
    page.wait_for_function("new URL(location.href).searchParams.has('run')")
    page.wait_for_selector("#ts-rows table:visible")
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    page.wait_for_selector(".ts-journey:not([data-busy])")
    page.click("#ts-next-prepare")
    page.wait_for_selector("#ts-start:visible")
    page.wait_for_selector("#ts-receipt >> text=/about \\d+ (s|min)/", timeout=120_000)
    take(page, "model")
    page.click("#ts-start")
    run = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    while app.state(run).get("step", 0) < 60:
        page.wait_for_timeout(500)
    take(page, "train")
    while app.state(run)["state"] != "finished":
        page.wait_for_timeout(500)
    take(page, "trained")
    page.click("#ts-to-compare:enabled")
    page.wait_for_selector("#ts-ask:visible")
    page.fill("#ts-ask textarea", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("#ts-panes >> text=/tokens/", timeout=120_000)
    page.wait_for_timeout(1_000)
    take(page, "compare")  # the conversation is kept, so the other looks show it too
    page.click("#ts-to-export")
    page.click("#ts-make-merged")
    page.wait_for_selector("#ts-export-merged >> text=checked against the app", timeout=180_000)
    take(page, "export")


if __name__ == "__main__":
    main()
