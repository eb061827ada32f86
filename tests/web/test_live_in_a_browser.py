"""An open page stays up to date, and keeps what its reader has folded, through a restart too."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

import tako
from tests.support import start_server
from tests.web.desk import Desk, desk


@pytest.fixture
def the_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("live")) as found:
        yield found


@pytest.fixture
def page(the_desk: Desk, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=the_desk.url)
    found = context.new_page()
    trouble: list[str] = []
    found.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    found.on("pageerror", lambda error: trouble.append(str(error)))
    yield found
    context.close()
    awaited = ("Failed to load", "net::", "Status Error Code 401")
    assert [line for line in trouble if not any(text in line for text in awaited)] == []


def open_run(page: Page, run_id: str) -> None:
    page.goto(f"/login?next=/runs/{run_id}")
    with page.expect_response("**/live?**"):
        page.get_by_role("button", name="Ana").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(run_id)


def log_out(page: Page) -> None:
    page.goto("/logout")
    page.locator("#main").get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out")).to_be_visible()


def test_a_run_is_seen_to_end_without_a_reload_and_what_was_folded_stays_folded(
    the_desk: Desk, page: Page
) -> None:
    payload = {"title": "Ship?", "to": ["bo"], "options": ("approve", "reject", "later")}
    run = tako.enqueue_sync("ask", payload)
    open_run(page, run.id)
    main = page.locator("#main")
    expect(main.locator(".state.waiting").first).to_be_visible()
    option = page.locator(".json").get_by_text("“later”")
    expect(option).to_be_visible()
    page.locator(".json summary", has_text="array of 3").click()
    expect(option).to_be_hidden()
    page.evaluate("window.seen = true")  # gone after a reload
    tako.cancel_sync(run.id, "enough")
    expect(main.locator(".state.cancelled").first).to_be_visible()
    assert page.evaluate("window.seen")
    expect(option).to_be_hidden()


def test_who_logs_out_in_one_tab_is_asked_to_log_in_by_the_others(
    the_desk: Desk, page: Page
) -> None:
    run = tako.enqueue_sync("ask", {"title": "Ship?", "to": ["bo"]})
    open_run(page, run.id)
    log_out(page.context.new_page())
    page.bring_to_front()
    tako.cancel_sync(run.id, "enough")
    page.wait_for_url(f"**/login?next=%2Fruns%2F{run.id}")


def test_a_page_whose_browser_is_somebody_elses_now_becomes_theirs(
    the_desk: Desk, page: Page
) -> None:
    run = tako.enqueue_sync("ask", {"title": "Ship?", "to": ["bo"]})
    open_run(page, run.id)
    other = page.context.new_page()
    log_out(other)
    other.goto("/login?next=/inbox/count")
    other.get_by_role("button", name="Bo").click()
    other.wait_for_url("**/inbox/count")
    page.bring_to_front()
    tako.cancel_sync(run.id, "enough")
    expect(page.locator(".bar-name")).to_have_text("Bo Lindqvist")
    expect(page.locator("#main .state.cancelled").first).to_be_visible()


def test_a_page_says_that_the_server_is_away_and_catches_up_when_it_is_back(
    the_desk: Desk, page: Page
) -> None:
    run = tako.enqueue_sync("ask", {"title": "Ship?", "to": ["bo"]})
    open_run(page, run.id)
    page.evaluate("window.seen = true")
    the_desk.server.kill()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    again = start_server(the_desk.app)
    try:
        tako.cancel_sync(run.id, "enough")
        cancelled = page.locator("#main .state.cancelled").first
        expect(cancelled).to_be_visible()
        expect(page.get_by_text("The server does not answer")).to_be_hidden()
        assert page.evaluate("window.seen")
    finally:
        again.clean_up()


def test_a_stream_that_has_gone_silent_is_noticed_and_made_anew(the_desk: Desk, page: Page) -> None:
    page.clock.install()
    run = tako.enqueue_sync("ask", {"title": "Ship?", "to": ["bo"]})
    open_run(page, run.id)
    expect(page.locator("#main .state.waiting").first).to_be_visible()
    doors = the_desk.server.doors()
    doors.suspend()  # nothing comes, and nothing is closed: as after a sleep
    try:
        tako.cancel_sync(run.id, "enough")
        page.clock.fast_forward("00:41")
        expect(page.get_by_text("The server does not answer")).to_be_visible()
    finally:
        doors.resume()
    expect(page.locator("#main .state.cancelled").first).to_be_visible()
    expect(page.get_by_text("The server does not answer")).to_be_hidden()


def test_title_and_navigation_count_what_waits_without_a_reload(the_desk: Desk, page: Page) -> None:
    page.goto("/login?next=/runs")
    with page.expect_response("**/live?**"):
        page.get_by_role("button", name="Ana").click()
    expect(page).not_to_have_title("(1)")
    tako.enqueue_sync("ask", {"title": "Ship?", "to": ["ana"]})
    expect(page.locator("[data-inbox]")).to_have_text("1")
    expect(page.locator("#announce")).to_have_text("1 waiting for your answer")
    assert page.title().startswith("(1) ")
    icon = page.locator("link[rel=icon]").get_attribute("href")
    assert icon == "/favicon.svg?n=1"
