"""The frame around the steps in a real browser: messages, the browser's own Back, runs that others delete, a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.ui.conftest import patient, wait_for_told
from tests.ui.test_data_prepare import load_sample, open_first, to_prepare

if TYPE_CHECKING:
    from tests.ui.conftest import App

AT = "n => { const row = document.querySelector('.ts-journey')?.dataset; return row && row.current === String(n) && row.busy === undefined }"


def wait_for_step(page: Any, step: int) -> None:
    page.wait_for_function(AT, arg=step)


def wait_for_place(page: Any, run: str | None, step: str | None) -> None:
    page.wait_for_function(
        "wanted => JSON.stringify(['run', 'step'].map(n => new URL(location.href).searchParams.get(n))) === JSON.stringify(wanted)",
        arg=[run, step],
    )


MESSAGES = (
    "[...document.querySelectorAll('.toast-message-item')].filter(e => e.checkVisibility()).map(e => e.innerText)"
)


def messages(page: Any) -> list[str]:
    """What is told on the page just now."""
    return list(page.evaluate(MESSAGES))


def wait_for_messages(page: Any, *wanted: str) -> None:
    """Until exactly these stand on the page, each named by some of its words; those that are closed fade away."""
    page.wait_for_function(
        f"wanted => {{ const told = {MESSAGES}; return told.length === wanted.length && wanted.every((w, i) => told[i].includes(w)) }}",
        arg=list(wanted),
    )


def stop_the_clock(page: Any) -> None:
    """Messages go by themselves after a while; from now on only :func:`pass_time` lets it pass."""
    page.add_init_script("""
        const real = window.setInterval, looks = [];
        window.setInterval = (look, pause, ...more) => pause === 500 ? looks.push(look) : real(look, pause, ...more);
        window.passTime = (ms) => { for (let n = 0; n < ms / 500; n += 1) looks.forEach((look) => look()); return looks.length };
    """)


def pass_time(page: Any, seconds: float) -> None:
    assert page.evaluate("ms => window.passTime(ms)", seconds * 1000) > 0, "messages.js looks every 500 ms"


def press_blocked(page: Any, step: int) -> None:
    """A step that is not possible yet: it says why."""
    page.locator(f"button[data-step='{step}']").dispatch_event("click")


class TestMessages:
    def test_the_newest_takes_the_place_of_the_others(self, page: Any, app: App) -> None:
        stop_the_clock(page)
        load_sample(page, app, "ticket_labels.csv")
        press_blocked(page, 4)
        wait_for_messages(page, "Compare:")
        press_blocked(page, 5)
        wait_for_messages(page, "Export:")

    def test_the_next_thing_a_person_does_clears_them(self, page: Any, app: App) -> None:
        stop_the_clock(page)
        open_first(page, app)
        page.click("#ts-other-ways > button")
        page.get_by_role("button", name="Read this text").click()
        wait_for_messages(page, "There is nothing to read")
        page.fill("#ts-other-ways textarea", "question\tanswer\nWhen?\tNow.\nWhere?\tHere.\n")
        page.get_by_role("button", name="Read this text").click()
        page.wait_for_selector("#ts-rows table:visible")
        wait_for_messages(page)

    def test_they_stay_as_long_as_they_take_to_read_and_can_be_closed(self, page: Any, app: App) -> None:
        stop_the_clock(page)
        load_sample(page, app, "ticket_labels.csv")
        press_blocked(page, 4)
        wait_for_messages(page, "Compare:")
        pass_time(page, 5)
        page.wait_for_timeout(1_000)  # it would have faded away
        assert len(messages(page)) == 1
        pass_time(page, 15)
        wait_for_messages(page)
        press_blocked(page, 4)
        wait_for_messages(page, "Compare:")
        page.click(".toast-close")
        wait_for_messages(page)


class TestHistory:
    def test_back_and_forward_go_from_step_to_step(self, page: Any, app: App) -> None:
        run = load_sample(page, app, "ticket_labels.csv")
        to_prepare(page)
        page.click("#ts-next-prepare")
        wait_for_step(page, 2)
        page.go_back()
        wait_for_step(page, 1)
        page.wait_for_selector("#ts-seen pre:visible")
        wait_for_place(page, run, "2")
        page.go_back()
        page.go_back()
        page.wait_for_selector("button[data-sample]:visible")
        wait_for_place(page, None, None)
        page.go_forward()
        page.go_forward()
        wait_for_step(page, 1)
        wait_for_place(page, run, "2")
        page.wait_for_timeout(4_000)  # a tick
        page.reload()
        wait_for_step(page, 1)
        page.go_forward()
        wait_for_step(page, 2)
        wait_for_place(page, run, "3")

    def test_a_step_that_is_not_possible_any_more_leads_to_the_one_that_is(self, page: Any, app: App) -> None:
        run = load_sample(page, app, "ticket_labels.csv")
        page.evaluate("history.pushState(null, '', location.href.replace('step=1', 'step=5'))")
        to_prepare(page)
        length = page.evaluate("history.length")
        page.go_back()
        wait_for_step(page, 2)
        wait_for_place(page, run, "3")
        assert page.evaluate("history.length") == length


class TestRunsOfOthers:
    def test_a_run_that_is_deleted_elsewhere_leaves_the_start_page(self, page: Any, app: App, browser: Any) -> None:
        load_sample(page, app, "ticket_labels.csv")
        other = patient(browser.new_page())
        stop_the_clock(other)
        other.goto(page.url)
        other.wait_for_selector("#ts-rows table:visible")
        page.click(".ts-here .ts-run-more")
        page.click(".ts-run-menu >> text=Delete…")
        page.click(".ts-run-menu .ts-danger")
        page.wait_for_selector("button[data-sample]:visible")
        other.wait_for_selector("button[data-sample]:visible")
        wait_for_place(other, None, None)
        wait_for_messages(other, "This run was deleted.")
        assert len(other.evaluate("window.told")) == 1
        other.close()

    def test_a_name_is_given_once_and_the_question_before_deleting_names_it(self, page: Any, app: App) -> None:
        load_sample(page, app, "ticket_labels.csv")
        load_sample(page, app, "ticket_labels.csv")
        names = page.locator(".ts-run-name").all_inner_texts()
        page.click(".ts-here .ts-run-more")
        page.fill(".ts-run-menu input", names[1].upper())
        page.keyboard.press("Enter")
        wait_for_told(page, "This name is taken.")
        assert page.locator(".ts-run-name").all_inner_texts() == names
        page.click(".ts-here .ts-run-more")
        page.fill(".ts-run-menu input", "Nursery")
        page.keyboard.press("Enter")
        page.wait_for_selector(".ts-here .ts-run-name >> text=Nursery")
        page.click(".ts-here .ts-run-more")
        page.click(".ts-run-menu >> text=Delete…")
        page.wait_for_selector(".ts-run-menu p >> text=Delete “Nursery” with its model and files?")


class TestPhone:
    def test_a_step_opens_at_its_top(self, phone: Any, app: App) -> None:
        load_sample(phone, app, "support_chat.jsonl")
        to_prepare(phone)
        phone.click("#ts-next-prepare")
        wait_for_step(phone, 2)
        phone.wait_for_timeout(1_000)
        assert phone.evaluate("scrollY") == 0
        phone.go_back()
        wait_for_step(phone, 1)
        phone.wait_for_timeout(1_000)
        assert phone.evaluate("scrollY") == 0

    def test_the_arrow_beside_a_long_title_keeps_its_size(self, phone: Any, app: App) -> None:
        open_first(phone, app)
        phone.wait_for_function("document.querySelector('#ts-other-ways .icon').getBoundingClientRect().height > 8")
