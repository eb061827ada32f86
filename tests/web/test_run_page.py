"""The page of one run: whatever its size and its names, and what operators do with it."""

import html
import re
from collections.abc import Iterator
from time import perf_counter

import pytest

import tako
from tests.web.browser import said
from tests.web.chromium import chromium
from tests.web.ledger import Ledger, ledger
from tests.web.tour import wrong_layout


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with ledger(tmp_path_factory.mktemp("run")) as here:
        here.start("count", {"steps": 10_000}, "succeeded", run_id="long")
        yield here


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_ten_thousand_steps_are_a_page_as_quick_as_any(book: Ledger) -> None:
    with book.visitor() as ana:
        began = perf_counter()
        page = ana.get("/runs/long")
        took = perf_counter() - began
        assert page.status_code == 200
        assert len(page.content) < 300_000
        assert took < 2.0  # on a machine that does other things too
        svg = re.search(r"<svg class=\"timeline .*</svg>", page.text, re.DOTALL)
        assert svg and len(svg[0]) < 150_000
        assert "Steps 1 to 3,000" in text_of(page.text)


def test_all_steps_are_reached_by_pages_and_each_bar_leads_to_its_row(book: Ledger) -> None:
    with book.visitor() as ana:
        page, query, seen = "", "", 0
        while True:
            page = ana.get(f"/runs/long{query}").text
            numbers = [int(n) for n in re.findall(r'<tr id="step-(\d+)"', page)]
            assert numbers[0] == seen + 1
            seen = numbers[-1]
            more = re.search(r'href="(\?[^"]*)" rel="next"', page)
            if not more:
                break
            query = html.unescape(more[1])
        assert seen == 10_000
        href = html.unescape(re.findall(r'<a href="(\?[^"]*#step-\d+)"', page)[0])
        found = ana.get(f"/runs/long{href.partition('#')[0]}").text
        assert f'<tr id="{href.partition("#")[2]}"' in found


def test_a_payload_of_two_megabytes_does_not_break_the_page(book: Ledger) -> None:
    run_id = book.start("big", ["x" * 1_000] * 2_000, "succeeded")
    with book.visitor() as ana:
        page = ana.get(f"/runs/{run_id}")
        assert page.status_code == 200 and len(page.content) < 1_000_000
        assert len(ana.get(f"/runs/{run_id}/payload.json").content) > 2_000_000


def test_a_failed_run_shows_its_error_and_its_steps_what_they_gave(book: Ledger) -> None:
    run_id = book.start("fail", "plum", "failed")
    with book.visitor() as ana:
        page = ana.get(f"/runs/{run_id}").text
        assert "ValueError" in page and "Traceback (most recent call last)" in page
        assert "ok <b>" not in page
        assert "run it again: saved steps are kept" in text_of(page)
        links = re.findall(r'href="(/runs/[^"]*/steps\?name=[^"]+)"', page)
        values = [ana.get(html.unescape(link)) for link in links]
        assert [value.status_code for value in values] == [200] * len(links)
        assert "plum" in values[0].text
        assert any("invalid literal" in value.text for value in values)
        where = re.search(r'In step <a href="([^"]+)"[^>]*>broken</a> · <code>([^<]+)</code>', page)
        assert where and where[2].startswith("workflows/") and where[2].endswith(", in fail")
        assert html.unescape(where[1]) in map(html.unescape, links)
        begins = re.findall(r'class="cut begins"[^>]*>([^<]+)<', page)
        assert html.unescape(begins[0]) == '"plum"'
        assert begins[1].startswith("ValueError: invalid literal for int()")


def test_a_moment_within_a_sentence_is_in_the_readers_own_time(book: Ledger) -> None:
    run_id = tako.enqueue_sync("wait", "later", delay="1h").id
    with book.visitor() as ana:
        page = ana.get(f"/runs/{run_id}").text
        assert re.search(r'id="waiting".*it starts in [^(]*\(<time datetime="[^"]+Z"', page)
        assert 'href="/workflows/wait"' in page


def test_a_waiting_run_is_signalled_from_its_page(book: Ledger) -> None:
    run_id = book.start("wait", "paid:1", "waiting")
    with book.visitor() as ana:
        here = f"/runs/{run_id}"
        assert "It waits for paid:1." in ana.get(here).text
        bad = ana.submit(f"{here}/act", page=here, do="signal", event="paid:1", payload="not json")
        assert bad.status_code == 422 and "not JSON" in said(bad)
        assert f'hx-get="{here}"' in bad.text  # what keeps it up to date is not the form's address
        sent = ana.submit(f"{here}/act", page=here, do="signal", event="paid:1", payload="[1]")
        assert sent.status_code == 303
    assert tako.Handle(run_id).result_sync(timeout=20) == [1]


def test_a_run_is_cancelled_with_a_reason_and_run_again(book: Ledger) -> None:
    run_id = book.start("wait", "paid:2", "waiting")
    with book.visitor() as ana:
        here = f"/runs/{run_id}"
        ana.submit(f"{here}/act", page=here, do="cancel", reason="closed for <now>")
        assert tako.get_sync(run_id).reason == "closed for <now>"
        again = ana.submit(f"{here}/act", page=here, do="cancel")
        assert again.status_code == 422 and "had ended before" in said(again)
        ana.submit(f"{here}/act", page=here, do="rerun")
        assert tako.get_sync(run_id).state != "cancelled"
        refused = ana.submit(f"{here}/act", page=here, do="rerun")
        assert refused.status_code == 409 and "Nothing was done" in said(refused)


def test_what_a_rerun_from_a_step_forgets_is_shown_first(book: Ledger) -> None:
    run_id = book.start("wait", "paid:3", "waiting")
    tako.cancel_sync(run_id)
    with book.visitor() as ana:
        here = f"/runs/{run_id}"
        page = ana.get(f"{here}/rerun?step=first")
        assert "0 saved steps are kept. 1 is forgotten" in text_of(page.text)
        done = ana.submit(f"{here}/act", page=f"{here}/rerun?step=first", do="rerun", step="first")
        assert done.status_code == 303
        assert ana.get(f"{here}/rerun?step=nonesuch").status_code == 404


def test_a_viewer_and_a_page_of_another_site_change_nothing(book: Ledger) -> None:
    run_id = book.start("wait", "paid:4", "waiting")
    with book.visitor("vic") as vic:
        page = vic.get(f"/runs/{run_id}").text
        assert "What you can do" not in page
        assert vic.http.post(f"/runs/{run_id}/act", data={"do": "cancel"}).status_code == 403
    with book.visitor() as ana:
        forged = ana.http.post(f"/runs/{run_id}/act", data={"do": "cancel", "csrf": "x"})
        assert forged.status_code == 403 and "Nothing was done" in said(forged)
    assert tako.get_sync(run_id).state == "waiting"


def test_what_is_asked_of_people_is_linked(book: Ledger) -> None:
    run_id = book.start("ask", "Ship it to אורי?", "waiting")
    with book.visitor() as ana:
        page = ana.get(f"/runs/{run_id}").text
        assert "It waits for the answer of any approver to “Ship it to אורי?”" in text_of(page)
        (href,) = set(re.findall(r'href="(/approvals/[^"]+)"', page))
        assert "Ship it to" in ana.get(href).text


def test_an_unknown_run_is_said_to_be_none(book: Ledger) -> None:
    with book.visitor() as ana:
        assert ana.get("/runs/nonesuch").status_code == 404


def test_what_is_huge_is_a_page_that_opens_soon_and_fits(book: Ledger) -> None:
    large = book.start("big", ["x" * 1_000] * 1_500 + ["W" * 9_000] * 60, "succeeded")
    text = book.start("big", ["مرحبا " * 300] * 600, "succeeded")
    pages = ["/runs/long", "/runs/long?rows=2900", f"/runs/{large}", f"/runs/{text}", "/runs"]
    pages.append("/runs/long/steps?name=fetch-9999")
    with chromium() as browser:
        page = browser.new_page(base_url=book.url)
        page.goto("/login")
        page.get_by_label("name").fill("ana")
        page.keyboard.press("Enter")
        page.wait_for_url("**/inbox")
        for path in pages:
            began = perf_counter()
            page.goto(path)
            assert perf_counter() - began < 5.0, path  # on a machine that does other things too
            for width in (375, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                assert wrong_layout(page) == [], (path, width)
