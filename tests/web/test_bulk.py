"""Cancelling and rerunning many runs: nothing before the preview was seen, and not too many."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

import tako
from tests.web.browser import Visitor, csrf_of
from tests.web.ledger import Ledger, ledger


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with ledger(tmp_path_factory.mktemp("bulk")) as here:
        yield here


def choose(visitor: Visitor, **fields: object) -> httpx.Response:
    """Press a button below the list."""
    token = csrf_of(visitor.get("/runs").text)
    return visitor.http.post("/runs/bulk", data={"csrf": token, **fields})


def confirm(visitor: Visitor, preview: httpx.Response, **more: str) -> httpx.Response:
    """Send the form of the preview as it is."""
    form = preview.text.partition('action="/runs/bulk"')[2].partition("</form>")[0]
    data: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form):
        data.setdefault(name, []).append(unescape(value))
    return visitor.http.post("/runs/bulk", data=data | more)


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_the_chosen_are_listed_and_only_then_cancelled(book: Ledger) -> None:
    ids = [book.start("wait", f"b:{n}", "waiting", run_id=f"b {n}&<") for n in range(3)]
    with book.visitor() as ana:
        preview = choose(ana, do="cancel", run=ids[:2])
        assert "Cancel: 2 runs?" in text_of(preview.text)
        assert {tako.get_sync(run_id).state for run_id in ids} == {"waiting"}
        done = confirm(ana, preview, reason="closed")
        assert "2 cancelled" in text_of(done.text)
    assert [tako.get_sync(run_id).state for run_id in ids] == ["cancelled"] * 2 + ["waiting"]
    assert tako.get_sync(ids[0]).reason == "closed"


def test_those_that_ended_before_are_counted_and_left(book: Ledger) -> None:
    done_id = book.start("count", {"steps": 0}, "succeeded")
    open_id = book.start("wait", "c:1", "waiting")
    with book.visitor() as ana:
        preview = choose(ana, do="cancel", run=[done_id, open_id, "nonesuch"])
        assert "1 of the chosen have ended" in text_of(preview.text)
        tako.cancel_sync(open_id)
        assert "There is nothing to do" in text_of(confirm(ana, preview).text)
    assert tako.get_sync(done_id).state == "succeeded"


def test_all_that_match_are_run_again(book: Ledger) -> None:
    ids = [book.start("fail", "x", "failed", tags=["again"]) for _ in range(3)]
    book.start("fail", "x", "failed")
    with book.visitor() as ana:
        preview = choose(ana, do="rerun", all="1", query="tag=again&state=failed")
        assert "Run again: 3 runs?" in text_of(preview.text)
        assert text_of(preview.text).count("ValueError: invalid literal for int()") == 3
        before = {run_id: tako.get_sync(run_id).finished_at for run_id in ids}
        done = confirm(ana, preview).text
        assert "3 run again" in text_of(done)
        assert 'href="/runs?workflow=fail&amp;tag=again">See how they fare' in done
    for run_id in ids:
        with pytest.raises(tako.RunFailed):
            tako.Handle(run_id).result_sync(timeout=20)
        assert (tako.get_sync(run_id).finished_at or 0) > (before[run_id] or 0)


def test_of_a_filter_that_is_given_twice_the_last_counts_as_in_the_list(book: Ledger) -> None:
    book.start("fail", "x", "failed", tags=["twice"])
    tako.enqueue_sync("wait", "never", delay="1h", tags=["twice"])
    query = "tag=twice&state=pending&state=failed"
    with book.visitor() as ana:
        assert text_of(ana.get(f"/runs?{query}").text).count("twice") > 0
        preview = choose(ana, do="rerun", all="1", query=query)
        assert "Run again: 1 run?" in text_of(preview.text)


def test_more_than_a_thousand_are_done_in_parts(book: Ledger) -> None:
    tako.enqueue_many_sync("wait", ["never"] * 1_050, delay="1h", tags=["mass"])
    with book.visitor() as ana:
        preview = choose(ana, do="cancel", all="1", query="tag=mass")
        assert "Cancel: 1,000 runs?" in text_of(preview.text)
        assert "shows more than 1,000 runs" in text_of(preview.text)
        assert "1,000 cancelled" in text_of(confirm(ana, preview).text)
        rest = choose(ana, do="cancel", all="1", query="tag=mass&state=pending")
        assert "Cancel: 50 runs?" in text_of(rest.text)


def test_nothing_chosen_says_what_can_be(book: Ledger) -> None:
    with book.visitor() as ana:
        assert "There is nothing to do" in text_of(choose(ana, do="rerun").text)
        assert choose(ana, do="explode").status_code == 400


def test_a_viewer_or_a_forged_form_changes_nothing(book: Ledger) -> None:
    run_id = book.start("wait", "d:1", "waiting")
    given = {"do": "cancel", "run": run_id, "sure": "1"}
    with book.visitor("vic") as vic:
        assert vic.http.post("/runs/bulk", data=given).status_code == 403
    with book.visitor() as ana:
        assert ana.http.post("/runs/bulk", data={**given, "csrf": "x"}).status_code == 403
    assert tako.get_sync(run_id).state == "waiting"
