"""The Model step in a real browser: cards, presets, every problem at its field, the receipt."""

from __future__ import annotations

from typing import Any

import pytest

from studio.core.recipe import BaseOptions
from studio.core.workspace import Workspace
from studio.runs.draft import Draft

from .conftest import App, settle, wait_for_fit, wait_until

OWN = BaseOptions().id
"""The base that comes with the studio and is chosen until somebody chooses another."""


@pytest.fixture(scope="module")
def run_id(app: App) -> str:
    draft = Draft.from_sample(Workspace.open(app.workspace), "support_chat.jsonl")
    draft.visit(2)
    return draft.run.id


def open_model(page: Any, app: App, run_id: str) -> None:
    page.goto(f"{app.url}?run={run_id}&step=3")
    page.wait_for_selector("#ts-bases .ts-card")
    page.wait_for_selector("#ts-receipt .ts-receipt")
    settle(page)


def recipe(app: App, run_id: str) -> Any:
    return Draft.open(Workspace.open(app.workspace), run_id).recipe()


def wait_for_words(page: Any, place: str, words: str) -> None:
    page.wait_for_function(
        "([place, words]) => document.querySelector(place)?.innerText.includes(words)", arg=[place, words]
    )


def fill(page: Any, field: str, value: str) -> None:
    page.fill(f"#ts-{field} input", value)
    page.keyboard.press("Tab")


def test_the_suggested_base_comes_first_with_its_reason(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    first = page.locator("#ts-bases .ts-card").first
    assert "SUGGESTED" in first.inner_text().upper()
    assert first.locator(".ts-card-reason").inner_text()
    assert first.get_attribute("aria-checked") == "true"


def test_the_search_finds_and_show_all_shows_all(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.fill("#ts-base-search textarea, #ts-base-search input", "qwen apache")
    page.wait_for_function(
        "[...document.querySelectorAll('.ts-card strong')].every(c => c.textContent.includes('Qwen'))"
    )
    page.fill("#ts-base-search textarea, #ts-base-search input", "")
    page.wait_for_function("document.querySelectorAll('.ts-card').length === 6")
    page.check("#ts-base-all input")
    page.wait_for_function("document.querySelectorAll('.ts-card').length > 15")


def test_the_receipt_stays_in_view_and_a_measured_time_appears(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.wait_for_function("document.querySelector('#ts-foot').getBoundingClientRect().bottom <= 801")
    page.wait_for_selector("#ts-receipt >> text=/about \\d+ (s|min)/", timeout=600_000)
    page.wait_for_selector("#ts-preset-thorough >> text=/about \\d+ (s|min)/")


def test_every_problem_is_told_at_its_field_at_once_and_nothing_starts(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.click("#ts-advanced > button")
    fill(page, "training-epochs", "-3")
    fill(page, "training-learning-rate", "7")
    fill(page, "method-rank", "0")
    page.wait_for_selector("#ts-method-rank.ts-field-wrong, .ts-field-wrong #ts-method-rank")
    page.wait_for_selector("#ts-receipt >> text=mend 3 settings first")
    for field, said in (
        ("training-epochs", "too small"),
        ("training-learning-rate", "too large"),
        ("method-rank", "too small"),
    ):
        wait_for_words(page, f"#ts-{field}", said)
    told = page.inner_text("#ts-receipt")
    assert "Marked above: Adapter size, Times through your rows, How big each step is." in told
    assert "training.epochs" not in told
    assert "fits" not in told
    assert "fits" not in page.inner_text(".ts-card.ts-picked")
    page.wait_for_selector("#ts-start[disabled]")
    assert app.state(run_id)["state"] == "draft"
    assert recipe(app, run_id).training.epochs is None

    fill(page, "training-epochs", "2")
    fill(page, "training-learning-rate", "")
    fill(page, "method-rank", "8")
    page.wait_for_function("document.querySelectorAll('.ts-field-wrong').length === 0")
    wait_until(page, lambda: (recipe(app, run_id).training.epochs, recipe(app, run_id).method.rank) == (2, 8))
    page.wait_for_selector("#ts-receipt >> text=in 2 passes")
    page.wait_for_selector("#ts-start:not([disabled])")


def test_a_setting_far_off_is_cautioned_at_its_field_and_may_start(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    fill(page, "training-learning-rate", "1")
    fill(page, "training-epochs", "0.001")
    page.wait_for_selector("#ts-receipt >> text=1 in 0.001 passes")
    wait_for_words(page, "#ts-training-learning-rate", "1,000 times the suggested")
    wait_for_words(page, "#ts-training-epochs", "less than one step")
    page.wait_for_function("document.querySelectorAll('.ts-field-caution').length === 2")
    wait_for_words(page, "#ts-receipt", "Far from what is suggested: Times through your rows, How big each step is.")
    page.wait_for_selector("#ts-start:not([disabled])")
    page.click("#ts-preset-balanced")
    page.wait_for_function("document.querySelectorAll('.ts-field-caution').length === 0")


def test_arabic_rows_get_a_base_that_knows_arabic_first(page: Any, app: App) -> None:
    rows = [
        f'{{"question": "أين طردي رقم {i}؟ كان من المفترض أن يصل أمس", "answer": "سيصل طردك رقم {i} غدا صباحا"}}'
        for i in range(20)
    ]
    draft = Draft.from_text(Workspace.open(app.workspace), "\n".join(rows))
    open_model(page, app, draft.run.id)
    first = page.locator("#ts-bases .ts-card").first.inner_text()
    assert "SUGGESTED" in first.upper()
    assert "Knows Arabic." in first
    own = page.locator(f'.ts-card[data-base="{OWN}"]')
    assert own.get_attribute("aria-checked") == "true"
    assert "English only; your rows are in Arabic." in own.inner_text()
    assert "knows English only" in page.inner_text("#ts-receipt")


def test_a_preset_takes_back_what_was_typed_and_a_reload_keeps_it(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    fill(page, "training-epochs", "5")
    page.wait_for_selector("#ts-receipt >> text=in 5 passes")
    page.click("#ts-preset-quick")
    page.wait_for_selector("#ts-preset-quick.primary")
    page.wait_for_function("document.querySelector('#ts-training-epochs input').value === ''")
    page.wait_for_timeout(1_000)
    assert recipe(app, run_id).training.epochs is None
    page.wait_for_selector("#ts-training-epochs input[placeholder^='auto: ']")
    page.reload()
    page.wait_for_selector("#ts-preset-quick.primary")


def test_an_unknown_model_is_a_message_with_the_next_step(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.click("#ts-other-base > button")
    for told, typed in enumerate(("nobody/nothing", "/no/such/folder", "a b c", "<b>x</b>")):
        page.fill("#ts-other-base-id textarea, #ts-other-base-id input", typed)
        page.get_by_role("button", name="Use this model").click()
        page.wait_for_function("told => window.told.length > told", arg=told)
        assert "Traceback" not in page.evaluate("window.told.at(-1)")
    assert page.evaluate("window.told.length") == 4
    assert recipe(app, run_id).base.id == OWN


def test_cards_answer_to_the_keyboard(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.locator("#ts-bases .ts-card").first.focus()
    page.keyboard.press("ArrowRight")
    chosen = page.evaluate("document.activeElement.dataset.base")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'.ts-card.ts-picked[data-base="{chosen}"]')
    assert recipe(app, run_id).base.id == chosen
    page.click(f'.ts-card[data-base="{OWN}"]')
    page.wait_for_selector(f'.ts-card.ts-picked[data-base="{OWN}"]')


def test_on_a_phone_nothing_sticks_out(phone: Any, app: App, run_id: str) -> None:
    open_model(phone, app, run_id)
    wait_for_fit(phone)


def test_a_word_in_italics_is_explained_to_mouse_keyboard_and_finger(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    page.click("#ts-advanced > button")
    word, tip = page.locator("#ts-method-rank .ts-term"), page.locator("#ts-tip")
    word.hover()
    wait_for_words(page, "#ts-tip:not([hidden])", "size of an adapter")
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")
    page.focus("#ts-method-rank input")
    page.keyboard.press("Shift+Tab")
    wait_for_words(page, "#ts-tip:not([hidden])", "size of an adapter")
    page.wait_for_selector("#ts-method-rank .ts-term[aria-describedby=ts-tip]")
    page.wait_for_timeout(1_000)  # leaving the field is answered meanwhile
    wait_for_words(page, "#ts-tip:not([hidden])", "size of an adapter")
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    page.click("#ts-sidebar .toggle-button")
    page.set_viewport_size({"width": 375, "height": 812})
    for found in page.locator(".ts-field .ts-term:visible").all()[:12]:
        found.click()
        page.wait_for_function("""() => {
            const tip = document.querySelector('#ts-tip:not([hidden])'), box = tip?.getBoundingClientRect();
            return box && box.width > 0 && box.left >= 0 && box.right <= 375;
        }""")
        assert page.evaluate("document.activeElement.tagName") != "INPUT"
    page.mouse.click(5, 700)
    tip.wait_for(state="hidden")


def test_what_was_typed_is_shown_as_it_was_typed(page: Any, app: App, run_id: str) -> None:
    open_model(page, app, run_id)
    fill(page, "training-learning-rate", "*<img src=x>* & `a_b`")
    note = page.locator("#ts-training-learning-rate .info-text")
    page.wait_for_function("document.querySelector('#ts-training-learning-rate .info-text').innerText.includes('✕')")
    assert "<img src=x>" in note.inner_text()
    assert " & " in note.inner_text()
    assert "\\" not in note.inner_text()
    assert note.locator("img, code").count() == 0
    fill(page, "training-learning-rate", "")
