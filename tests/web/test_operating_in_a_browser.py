"""What people do with runs, workflows and events: in a real browser, with and without scripts.

Each starts as its reader would, at a page of the navigation, and goes on by what that page offers.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Download, Page, expect

import tako
from tako.connections import run_sync
from tako.ids import new_id
from tests.support import in_state, wait_until
from tests.web import tour
from tests.web.showcase import Showcase, showcase


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("operating"), runs=24, steps=3) as found:
        yield found


@pytest.fixture(scope="module")
def ana(shop: Showcase, browser: Browser, *, scripts: bool) -> Iterator[Page]:
    """An operator. She is told nothing in the console, and no script of hers fails."""
    with browser.new_context(base_url=shop.url, java_script_enabled=scripts) as context:
        page = context.new_page()
        trouble: list[str] = []
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        tour.log_in(page, tour.OPERATOR)
        yield page
        refused = "Failed to load resource"  # 404, 409, 422: what is told is on the page
        assert [line for line in trouble if not line.startswith(refused)] == []


def go(page: Page, place: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=place).click()
    expect(page.get_by_role("heading", level=1, name=place)).to_be_visible()


def waiting(customer: str, **options: Any) -> str:
    """A run that waits for an event of this customer."""
    handle = tako.enqueue_sync("welcome-customer", customer, **options)
    run_sync(in_state(handle, "waiting"))
    return handle.id


def rows(page: Page) -> list[str]:
    """The runs that a list shows."""
    return page.locator("tbody [data-row] a.ident").all_inner_texts()


def text_of(download: Download) -> str:
    return Path(download.path()).read_text()


# --- the list of runs


def test_runs_are_filtered_and_the_address_keeps_it(shop: Showcase, ana: Page) -> None:
    go(ana, "Runs")
    ana.get_by_label("Workflow", exact=True).fill("restock")
    ana.keyboard.press("Enter")
    expect(ana).to_have_url(re.compile(r"/runs\?.*workflow=restock"))
    expect(ana.get_by_label("Workflow", exact=True)).to_have_value("restock")
    ana.get_by_role("navigation", name="By state").get_by_role("link", name="failed").click()
    expect(ana).to_have_url(re.compile("state=failed"))
    failed = rows(ana)
    assert shop.failed in failed
    assert {tako.get_sync(run_id).state for run_id in failed} == {"failed"}
    ana.reload()
    assert rows(ana) == failed
    ana.get_by_label("Id or error").fill("warehouse closed")
    ana.get_by_role("button", name="Filter").click()
    expect(ana).to_have_url(re.compile(r"^(?=.*text=warehouse\+closed)(?=.*state=failed)"))
    assert rows(ana) == failed
    ana.get_by_role("link", name="Clear").click()
    expect(ana).to_have_url(f"{shop.url}/runs")
    ana.go_back()
    assert rows(ana) == failed


def test_what_the_filter_shows_is_downloaded(shop: Showcase, ana: Page) -> None:
    ana.goto("/runs?workflow=restock&state=failed")
    shown = rows(ana)
    with ana.expect_download() as table:
        ana.get_by_role("link", name="Export as CSV").click()
    lines = list(csv.DictReader(io.StringIO(text_of(table.value))))
    assert table.value.suggested_filename == "runs.csv"
    assert [line["id"] for line in lines] == shown
    with ana.expect_download() as objects:
        ana.get_by_role("link", name="Export as JSON").click()
    assert [run["id"] for run in json.loads(text_of(objects.value))] == shown


def test_many_are_cancelled_and_run_again_after_a_preview_that_lists_them(
    ana: Page, *, scripts: bool
) -> None:
    tag = f"many-{new_id()}"
    ids = [waiting(f"m-{n}", tags=[tag]) for n in range(3)]
    ana.goto(f"/runs?tag={tag}")
    for run_id in ids[:2]:
        ana.get_by_role("checkbox", name=f"Choose run {run_id}").check()
    ana.get_by_role("button", name="Cancel …").click()
    expect(ana.get_by_role("heading", name="Cancel: 2 runs?")).to_be_visible()
    listed = ana.locator("table a.ident").all_inner_texts()
    assert sorted(listed) == sorted(ids[:2])
    assert {tako.get_sync(run_id).state for run_id in ids} == {"waiting"}
    ana.get_by_label("Why").fill("closed today")
    ana.get_by_role("button", name="Cancel: 2 runs").click()
    expect(ana.get_by_role("heading", name="2 cancelled")).to_be_visible()
    assert [tako.get_sync(run_id).reason for run_id in ids] == ["closed today"] * 2 + [None]
    ana.get_by_role("link", name="Back to the list").click()
    expect(ana).to_have_url(re.compile(f"tag={tag}"))
    every = ana.get_by_label("Choose all that are shown")
    expect(every).to_be_visible(visible=scripts)
    if scripts:
        every.check()
        assert ana.locator("input[name=run]:checked").count() == 3
    ana.get_by_label("All that the filter shows").check()
    ana.get_by_role("button", name="Run again …").click()
    expect(ana.get_by_text("1 of the chosen")).to_be_visible()
    ana.get_by_role("button", name="Run again: 2 runs").click()
    expect(ana.get_by_role("heading", name="2 run again")).to_be_visible()
    for run_id in ids:
        run_sync(in_state(tako.Handle(run_id), "waiting"))
        tako.cancel_sync(run_id)


# --- one run


def test_a_step_is_chosen_in_the_picture_and_its_value_looked_at(shop: Showcase, ana: Page) -> None:
    ana.goto(f"/runs/{shop.succeeded}")
    ana.locator("svg.timeline a:visible").filter(has_text="charge").click()
    row = ana.locator("tr:target")
    expect(row).to_contain_text("charge")
    row.get_by_role("link", name="charge").click()
    expect(ana.get_by_role("heading", level=1, name="charge")).to_be_visible()
    expect(ana.locator(".json")).to_contain_text("payment-o-19")
    ana.get_by_role("navigation", name="Where you are").get_by_role("link").last.click()
    expect(ana.get_by_role("region", name="Lines of the log")).to_contain_text("order o-19")
    name = ana.locator(".json").first.get_by_text("customer")
    expect(name).to_be_visible()
    ana.locator(".json summary").first.click()  # folded: the browser's own search still finds it
    expect(name).to_be_hidden()


def test_what_came_in_is_copied_as_it_was_sent(shop: Showcase, ana: Page, *, scripts: bool) -> None:
    ana.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ana.goto(f"/runs/{shop.succeeded}")
    copy = ana.get_by_role("button", name="Copy the JSON").first
    expect(copy).to_be_visible(visible=scripts)
    if scripts:
        copy.click()
        expect(ana.get_by_role("status").get_by_text("Copied")).to_be_attached()
        copied = ana.evaluate("navigator.clipboard.readText()")
        assert copied == tako.get_sync(shop.succeeded).payload
        ana.get_by_role("button", name="Copy the id").click()
        expect(ana.get_by_role("button", name="Copy the id")).to_have_text("Copied")
        assert ana.evaluate("navigator.clipboard.readText()") == shop.succeeded


def test_a_run_is_cancelled_with_a_reason_run_again_and_signalled(ana: Page) -> None:
    run_id = waiting("c-1")
    ana.goto(f"/runs/{run_id}")
    ana.get_by_label("Why it is cancelled").fill("by mistake")
    ana.get_by_role("button", name="Cancel the run").click()
    expect(ana.locator(".title-bar .state")).to_contain_text("cancelled")
    expect(ana.get_by_text("by mistake")).to_be_visible()
    ana.get_by_role("button", name="Run it again").click()
    run_sync(in_state(tako.Handle(run_id), "waiting"))
    ana.goto(f"/runs/{run_id}")
    ana.get_by_label("Payload, as JSON").fill("not JSON")
    ana.get_by_role("button", name="Send the signal").click()
    expect(ana.get_by_role("alert")).to_contain_text("This is not JSON")
    ana.get_by_label("Payload, as JSON").fill('{"by": "mail"}')
    ana.get_by_role("button", name="Send the signal").click()
    run_sync(in_state(tako.Handle(run_id), "succeeded"))
    ana.goto(f"/runs/{run_id}")
    expect(ana.locator(".json").last).to_contain_text("mail")


def test_a_failed_run_shows_its_traceback_and_runs_again_from_a_step(ana: Page) -> None:
    run = tako.enqueue_sync("restock", {"beans": 1, "cups": -1})
    run_sync(in_state(run, "failed"))
    ana.goto(f"/runs/{run.id}")
    ana.get_by_text("Traceback", exact=True).click()
    expect(ana.get_by_text("ConnectionError").last).to_be_visible()
    ana.get_by_role("link", name="value of count beans").click()
    ana.get_by_role("link", name="Run again from here").click()
    expect(ana.get_by_role("heading", name="Run again from “count beans”?")).to_be_visible()
    expect(ana.locator("main ol > li").filter(has_text="count")).to_have_count(2)
    assert tako.get_sync(run.id).state == "failed"
    ended = tako.get_sync(run.id).finished_at
    ana.get_by_role("button", name="Forget and run again").click()
    expect(ana).to_have_url(re.compile(f"/runs/{run.id}$"))

    async def ended_again() -> bool:
        now = await run.status()
        return now.state == "failed" and now.finished_at != ended

    run_sync(wait_until(ended_again))


# --- starting a run


def test_a_run_is_started_from_the_form_of_its_type_after_what_was_wrong(ana: Page) -> None:
    go(ana, "Workflows")
    ana.get_by_role("link", name="fulfill-order", exact=True).click()
    ana.get_by_role("button", name="Start").click()  # the browser itself asks for what is missing
    expect(ana.get_by_label("Order id")).to_be_focused()
    ana.get_by_label("Order id").fill("o-77")
    ana.get_by_label("Customer").fill("مقهى النيل")
    ana.get_by_label("Total").fill("1200")
    ana.get_by_text("Options").click()
    ana.get_by_label("Start after").fill("soon")
    ana.get_by_role("button", name="Start").click()
    expect(ana.get_by_role("alert")).to_contain_text("Nothing was started")
    wrong = ana.get_by_label("Start after")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile("soon"))
    expect(ana.get_by_label("Customer")).to_have_value("مقهى النيل")
    wrong.fill("")
    ana.get_by_label("Customer").press("Enter")
    expect(ana.get_by_role("heading", level=1)).to_contain_text("fulfill-order")
    run_id = ana.url.rpartition("/")[2]
    assert tako.Handle(run_id).result_sync(timeout=20) == "shipped"


# --- what waits


def test_an_event_is_found_signalled_and_what_nobody_takes_is_in_the_mailbox(ana: Page) -> None:
    customer = f"w-{new_id()}"
    run_id = waiting(customer)
    go(ana, "Waiting")
    ana.get_by_label("Events that begin with").fill(f"confirmed:{customer}")
    ana.get_by_role("button", name="Show").click()
    ana.get_by_role("link", name=f"confirmed:{customer}").click()
    expect(ana.locator("tbody [data-row] a.ident")).to_have_text([run_id])
    expect(ana.get_by_label("Event", exact=True)).to_have_value(f"confirmed:{customer}")
    ana.get_by_label("Payload").fill("{")
    ana.get_by_role("button", name="Send").click()
    expect(ana.get_by_label("Payload")).to_have_attribute("aria-invalid", "true")
    ana.get_by_label("Payload").fill("true")
    ana.get_by_role("button", name="Send").click()
    expect(ana.locator("#signal").get_by_role("status")).to_contain_text("1")
    assert tako.Handle(run_id).result_sync(timeout=20) is True
    ana.get_by_label("Event", exact=True).fill(f"nobody:{customer}")
    ana.get_by_role("button", name="Send").click()
    expect(ana.locator("#signal").get_by_role("status")).to_be_visible()
    ana.get_by_role("link", name="Mailbox").click()
    expect(ana.get_by_role("heading", name=f"nobody:{customer}")).to_be_visible()


def test_the_system_says_how_it_fares(ana: Page) -> None:
    go(ana, "System")
    expect(ana.locator(".figure").filter(has_text="Health")).to_contain_text("good")
    expect(ana.get_by_role("heading", name="Settings")).to_be_visible()
    ana.get_by_role("link", name="All", exact=True).click()
    expect(ana).to_have_url(re.compile(r"/waiting\?view=deadlines"))


# --- only with scripts


def test_counts_follow_by_themselves_and_keys_go_through_the_runs(
    shop: Showcase, browser: Browser
) -> None:
    with browser.new_context(base_url=shop.url) as context:
        page = context.new_page()
        tour.log_in(page, tour.VIEWER)
        with page.expect_response("**/live?**"):
            page.goto("/runs?workflow=welcome-customer")
        tab = page.get_by_role("navigation", name="By state").get_by_role("link", name="waiting")
        number = int(tab.locator("strong").inner_text())
        run_id = waiting("live")
        expect(tab.locator("strong")).to_have_text(str(number + 1))
        assert rows(page)[0] == run_id
        page.keyboard.press("/")
        expect(page.get_by_label("Id or error")).to_be_focused()
        page.keyboard.type("j")  # a letter, here
        page.keyboard.press("Tab")
        page.locator("h1").click()
        page.keyboard.press("j")
        expect(page.get_by_role("link", name=run_id)).to_be_focused()
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(run_id)
        tako.cancel_sync(run_id)
        expect(page.locator(".title-bar .state")).to_contain_text("cancelled")
