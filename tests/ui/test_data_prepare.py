"""Steps 1 and 2 in a real browser: bring data in, change a guess, mend, divide, reload, two browsers, bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from studio.core.assets import sample_data_dir

from .conftest import patient, settle, wait_for_fit, wait_for_told, wait_until

if TYPE_CHECKING:
    from tests.ui.conftest import App


def open_first(page: Any, app: App) -> None:
    page.goto(app.url)
    page.wait_for_selector("button[data-sample]:visible")
    settle(page)


def load_sample(page: Any, app: App, name: str) -> str:
    """Open the studio, press a sample card, answer with the run's id."""
    open_first(page, app)
    page.click(f"button[data-sample='{name}']")
    return loaded(page)


def loaded(page: Any) -> str:
    """Wait for the rows, and until the run stands in the list: what is pressed there must not move under the pointer."""
    page.wait_for_selector("#ts-rows table:visible")
    page.wait_for_function("new URL(location.href).searchParams.has('run')")
    run = str(page.evaluate("new URL(location.href).searchParams.get('run')"))
    page.wait_for_selector(f"#ts-run-list .ts-here [data-open='{run}']", state="attached")
    settle(page)
    return run


def to_prepare(page: Any) -> None:
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    settle(page)


def upload(page: Any, app: App, *files: Path) -> None:
    open_first(page, app)
    page.set_input_files("#ts-drop input[type=file]", [str(f) for f in files])


def test_the_first_screen_has_one_thing_to_do(page: Any, app: App) -> None:
    open_first(page, app)
    assert page.inner_text("h1") == "Fit a model to your data."
    assert page.locator("button[data-sample]").count() == 3
    assert page.locator("#ts-journey button[aria-disabled=true]").count() == 5
    assert page.locator("#ts-journey button[data-step='1']").get_attribute("title") == "Load data first."


def test_a_sample_is_understood_and_can_be_paged(page: Any, app: App) -> None:
    load_sample(page, app, "support_chat.jsonl")
    page.wait_for_selector("#ts-understood >> text=360 conversations")
    page.click("#ts-rows button[aria-label='Last rows']")
    page.wait_for_selector("text=Rows 351 to 360 of 360")
    page.click("#ts-rows button[aria-label='Previous rows']")
    page.wait_for_selector("text=Rows 341 to 350 of 360")


def test_a_guess_can_be_changed(page: Any, app: App) -> None:
    load_sample(page, app, "ticket_labels.csv")
    page.click("#ts-change")
    page.wait_for_selector("#ts-task:visible")
    page.click("#ts-task label:has-text('Chat')")
    page.wait_for_function("document.querySelector('#ts-understood').innerText.includes('conversation')")
    page.click("#ts-task label:has-text('label')")
    page.wait_for_function("!document.querySelector('#ts-understood').innerText.includes('conversation')")


def test_what_the_first_row_holds_can_be_said(page: Any, app: App, tmp_path: Path) -> None:
    file = tmp_path / "lamps.csv"
    file.write_text("question,answer\n" + "".join(f"What is {i} plus one?,It is {i + 1}.\n" for i in range(20)))
    upload(page, app, file)
    page.wait_for_selector("text=Rows 1 to 10 of 20")
    settle(page)
    page.click("#ts-change")
    page.click("#ts-first-row label:has-text('A row of data')")
    page.wait_for_selector("text=Rows 1 to 10 of 21")
    page.reload()
    page.wait_for_selector("#ts-rows th:has-text('column_1')")
    settle(page)
    page.click("#ts-change")
    page.wait_for_selector("#ts-first-row:visible")
    page.wait_for_function("document.querySelector('#ts-first-row input:checked')?.value === 'data'")


def test_messy_rows_are_mended_previewed_and_undone(page: Any, app: App) -> None:
    run = load_sample(page, app, "messy_support.csv")
    to_prepare(page)
    before = page.inner_text(".ts-rows")
    page.locator("button[data-action=preview]").first.click()
    page.wait_for_selector(".ts-preview")
    page.locator("button[data-action=fix]").first.click()
    page.wait_for_selector("button[data-action=undo]")
    page.wait_for_function("before => document.querySelector('.ts-rows').innerText !== before", arg=before)
    page.reload()
    page.wait_for_selector("button[data-action=undo]")
    assert page.evaluate("new URL(location.href).searchParams.get('run')") == run
    settle(page)
    page.click("button[data-action=undo]")
    page.wait_for_function("before => document.querySelector('.ts-rows').innerText === before", arg=before)


def mend_twice(page: Any) -> None:
    for done in (1, 2):
        page.locator("button[data-action=fix]").first.click()
        page.wait_for_function("n => document.querySelectorAll('.ts-undo li').length === n", arg=done)


def test_undo_pressed_twice_takes_back_one_fix(page: Any, app: App) -> None:
    load_sample(page, app, "messy_support.csv")
    to_prepare(page)
    mend_twice(page)
    page.evaluate("[1, 2].forEach(() => document.querySelector('.ts-undo button').click())")
    page.wait_for_function("document.querySelectorAll('.ts-undo li').length === 1")
    page.wait_for_timeout(1500)
    assert page.locator(".ts-undo li").count() == 1
    assert page.evaluate("window.told") == []


def test_undo_in_a_window_with_an_old_list_takes_nothing_else(page: Any, app: App, browser: Any) -> None:
    run = load_sample(page, app, "messy_support.csv")
    to_prepare(page)
    mend_twice(page)
    other = patient(browser.new_page())
    other.goto(f"{app.url}?run={run}")
    other.wait_for_selector(".ts-undo button:visible")
    settle(other)
    other.locator(".ts-undo button").first.click()
    other.wait_for_function("document.querySelectorAll('.ts-undo li').length === 1")
    kept = other.inner_text(".ts-undo")
    other.close()
    page.locator(".ts-undo button").first.click()
    wait_for_told(page, "The list of fixes has changed meanwhile")
    page.wait_for_function("document.querySelectorAll('.ts-undo li').length === 1")
    assert page.inner_text(".ts-undo") == kept


def test_the_column_that_names_the_split_is_kept_to(page: Any, app: App, tmp_path: Path) -> None:
    parts = ["train", "train", "dev", "test"]
    rows = (f"What is number {i}?,It is {i} of course.,{parts[i % 4]}" for i in range(80))
    (tmp_path / "rows.csv").write_text("question,answer,which_part\n" + "\n".join(rows))
    upload(page, app, tmp_path / "rows.csv")
    loaded(page)
    to_prepare(page)
    page.wait_for_selector(".ts-told-train:has-text('64 rows')")
    page.click("#ts-split-more button")
    choose_split(page, "which_part")
    page.wait_for_selector(".ts-told-train:has-text('40 rows')")
    page.wait_for_selector("#ts-split >> text=Your own split was kept.")
    page.wait_for_selector("input[data-handle=train]:disabled")
    choose_split(page, "answer")
    page.wait_for_selector("#ts-split-column >> text=which is no part of a split")
    page.wait_for_function("document.querySelector('#ts-split-column input').value === 'which_part'")
    assert "40 rows" in page.inner_text(".ts-told-train")
    choose_split(page, "(none)")
    page.wait_for_selector(".ts-told-train:has-text('64 rows')")
    page.wait_for_selector("input[data-handle=train]:enabled")
    page.wait_for_selector("#ts-split-column >> text=which is no part of a split", state="detached")


def choose_split(page: Any, name: str) -> None:
    page.click("#ts-split-column input")
    page.click(f"#ts-split-column [role=option]:has-text('{name}')")


def test_a_split_that_was_found_is_shown_and_can_be_left_aside(page: Any, app: App, tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        rows = "\n".join(f"What is {name} number {i}?,It is {i} of course." for i in range(40))
        (tmp_path / name).write_text("question,answer\n" + rows)
    upload(page, app, tmp_path / "train.csv", tmp_path / "test.csv")
    loaded(page)
    to_prepare(page)
    page.wait_for_selector(".ts-told-test:has-text('40 rows')")
    page.click("#ts-split-more button")
    page.wait_for_function("document.querySelector('#ts-split-column input')?.value === 'split'")
    choose_split(page, "(none)")
    page.wait_for_selector(".ts-told-test:has-text('8 rows')")
    page.reload()
    page.wait_for_selector(".ts-told-test:has-text('8 rows')")


def test_a_finding_can_be_left_and_stays_left(page: Any, app: App) -> None:
    load_sample(page, app, "messy_support.csv")
    to_prepare(page)
    count = page.locator("article.ts-finding").count()
    page.locator("button[data-action=leave]").first.click()
    page.wait_for_selector("text=Left as they are: 1")
    page.reload()
    page.wait_for_selector("text=Left as they are: 1")
    page.wait_for_function("n => document.querySelectorAll('article.ts-finding').length === n", arg=count - 1)


def test_the_split_follows_the_keys_and_counts_every_row(page: Any, app: App) -> None:
    load_sample(page, app, "support_chat.jsonl")
    to_prepare(page)
    page.locator("input[data-handle=train]").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".ts-told-train:has-text('70 %') .ts-count:has-text('row')")
    counts = [int(n) for n in re.findall(r"(\d+) rows", page.inner_text(".ts-split-legend"))]
    assert sum(counts) == int(page.inner_text(".ts-rows").split("→")[1].strip())
    page.reload()
    page.wait_for_selector(".ts-told-train:has-text('70 %')")


def test_a_handle_that_is_moved_again_before_the_answer_stays_where_it_is(page: Any, app: App) -> None:
    load_sample(page, app, "support_chat.jsonl")
    to_prepare(page)
    held: list[Any] = []
    page.route("**/queue/join*", lambda route: held.append(route) if not held else route.continue_())
    page.locator("input[data-handle=train]").focus()
    page.keyboard.press("ArrowLeft")
    wait_until(page, lambda: held)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(600)  # long enough for it to be sent as well
    page.keyboard.press("ArrowLeft")
    held[0].continue_()
    page.wait_for_selector(".ts-told-train:has-text('77 %') .ts-count:has-text('row')")
    page.reload()
    page.wait_for_selector(".ts-told-train:has-text('77 %') .ts-count:has-text('row')")


def test_the_bar_shows_what_counts(page: Any, app: App) -> None:
    load_sample(page, app, "support_chat.jsonl")
    to_prepare(page)
    page.locator("input[data-handle=train]").focus()
    page.keyboard.press("Home")
    page.locator("input[data-handle=validation]").focus()
    page.keyboard.press("End")
    page.wait_for_selector(".ts-told-validation:has-text('90 %') .ts-count:has-text('row')")
    page.wait_for_selector("article[data-check=few_to_learn]")
    shown = page.inner_text(".ts-split-legend")
    assert re.findall(r"(\d+) %", shown) == ["5", "90", "5"]
    page.wait_for_function("""() => {
        const [bar, part] = ['.ts-handles', '.ts-part.ts-part-train'].map(s => document.querySelector(s).getBoundingClientRect());
        return Math.abs(part.right - (bar.x + 10 + 0.05 * (bar.width - 20))) < 1;
    }""")
    page.reload()
    page.wait_for_selector(".ts-told-validation:has-text('90 %')")
    assert page.inner_text(".ts-split-legend") == shown


def test_what_the_model_sees_turns_row_by_row(page: Any, app: App) -> None:
    load_sample(page, app, "support_chat.jsonl")
    to_prepare(page)
    first = page.inner_text("#ts-seen pre")
    assert page.locator("#ts-seen pre .ts-learned").count() >= 1
    page.click("#ts-seen button[data-turn='1']")
    page.wait_for_selector("#ts-seen >> text=Training row 2 of")
    assert page.inner_text("#ts-seen pre") != first


def test_a_run_is_found_again_by_its_address_in_a_second_browser(page: Any, app: App, browser: Any) -> None:
    run = load_sample(page, app, "ticket_labels.csv")
    to_prepare(page)
    other = patient(browser.new_page())
    other.goto(f"{app.url}?run={run}")
    other.wait_for_selector("#ts-seen pre:visible")
    settle(other)
    assert other.locator("#ts-journey [aria-current=step]").inner_text().endswith("Prepare")
    other.close()


def test_an_unknown_run_is_told_and_the_first_screen_shown(page: Any, app: App) -> None:
    page.goto(f"{app.url}?run=no-such-run")
    wait_for_told(page, "There is no such run.")
    page.wait_for_selector("h1:visible")
    page.goto(f"{app.url}?run=../../etc/passwd")
    page.wait_for_selector("h1:visible")


def test_runs_can_be_switched_renamed_and_deleted(page: Any, app: App) -> None:
    first = load_sample(page, app, "support_chat.jsonl")
    page.click("#ts-new-run")
    page.wait_for_selector("h1:visible")
    page.wait_for_function("!new URL(location.href).searchParams.has('run')")
    second = load_sample(page, app, "ticket_labels.csv")
    page.click(f"button[data-open='{first}']")
    page.wait_for_function("run => new URL(location.href).searchParams.get('run') === run", arg=first)
    page.wait_for_selector(f"#ts-run-list .ts-here [data-open='{first}']")
    settle(page)
    page.hover(f"button[data-open='{second}']")
    page.click(f"button[data-menu='{second}']")
    page.fill(".ts-run-menu input", "<b>My tickets</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector(".ts-run-name:text-is('<b>My tickets</b>')")
    settle(page)
    page.click(f"button[data-menu='{first}']")
    page.click(".ts-run-menu >> text=Delete…")
    page.click(".ts-run-menu button.ts-danger")
    page.wait_for_selector("h1:visible")
    assert first not in app.run_ids()
    assert second in app.run_ids()


def test_data_is_never_markup(page: Any, app: App, tmp_path: Path) -> None:
    bad = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1">${window.hacked=1} **b** {{x}}'
    rows = "\n".join(
        f'"{bad.replace(chr(34), chr(34) * 2)} {i}","{bad.replace(chr(34), chr(34) * 2)} answer {i}"' for i in range(30)
    )
    file = tmp_path / "<img src=x onerror=window.hacked=1>.csv"
    file.write_text("question,answer\n" + rows)
    upload(page, app, file)
    loaded(page)
    assert "<script>" in page.inner_text("#ts-rows")
    to_prepare(page)
    assert "<script>" in page.inner_text("#ts-seen pre")
    assert page.evaluate("window.hacked") is None


def test_pasted_text_becomes_a_run(page: Any, app: App) -> None:
    open_first(page, app)
    page.click("#ts-other-ways button")
    rows = "\n".join(f"What is {i} plus one?\tIt is {i + 1}." for i in range(20))
    page.fill("#ts-pasted textarea", "question\tanswer\n" + rows)
    page.click("#ts-read-pasted")
    page.wait_for_selector("text=Rows 1 to 10 of 20")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, b"{not json"], ids=["empty", "binary", "torn"]
)
def test_bad_files_end_in_a_message(page: Any, app: App, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / ("bad.json" if content.startswith(b"{") else "bad.csv")
    file.write_bytes(content)
    before = app.run_ids()
    upload(page, app, file)
    page.wait_for_function("window.told.length > 0")
    shown = page.evaluate("window.told.join(' ')")
    assert "Traceback" not in shown
    assert len(shown) > 20
    assert app.run_ids() == before
    page.wait_for_function("!document.querySelector('#ts-drop').innerText.includes('bad.')")
    page.wait_for_selector("#ts-drop input[type=file]", state="attached")


def test_without_a_network_the_hub_is_a_message(page: Any, app: App) -> None:
    open_first(page, app)
    page.click("#ts-other-ways button")
    page.fill("#ts-hub input, #ts-hub textarea", "someone/something")
    page.click("#ts-read-hub")
    page.wait_for_function("window.told.length > 0")
    assert "Traceback" not in page.evaluate("window.told.join(' ')")


def test_on_a_phone_nothing_sticks_out(phone: Any, app: App) -> None:
    open_first(phone, app)
    phone.wait_for_selector("#ts-sidebar:not(.open)", state="attached")
    wait_for_fit(phone)
    phone.click("button[data-sample='messy_support.csv']")
    loaded(phone)
    to_prepare(phone)
    wait_for_fit(phone)


def test_uploading_two_files_stacks_them(page: Any, app: App, tmp_path: Path) -> None:
    text = (sample_data_dir() / "ticket_labels.csv").read_text(encoding="utf-8")
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    upload(page, app, tmp_path / "train.csv", tmp_path / "test.csv")
    loaded(page)
    assert "1,024" in page.inner_text("#ts-rows")
