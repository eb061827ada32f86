"""A text is looked for in more errors than one page looks through, until there are no more."""

import asyncio
import re
from collections.abc import Iterator

import pytest

import tako
from tako.connections import run_sync
from tests.support import tako_json
from tests.web.ledger import Ledger, ledger

TEXT = "plum"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """``old`` has the text, then 5,070 more cancelled runs do not, then ``new`` has it."""
    with ledger(tmp_path_factory.mktemp("further")) as here:
        cancelled("old", TEXT)
        many = tako.enqueue_many_sync("count", [{"steps": 0}] * 5_070, delay="1h")
        run_sync(all_cancelled([run.id for run in many]))
        cancelled("new", f"a {TEXT}")
        yield here


def cancelled(run_id: str, reason: str) -> None:
    tako.enqueue_sync("wait", "x", delay="1h", run_id=run_id)
    tako.cancel_sync(run_id, reason)


async def all_cancelled(ids: list[str]) -> None:
    await asyncio.gather(*(tako.cancel(run_id, "noise") for run_id in ids))


def shown(page: str) -> list[str]:
    return re.findall(r'name="run" value="([^"]+)"', page)


def test_a_page_says_that_it_stopped_and_more_goes_on(book: Ledger) -> None:
    with book.visitor() as ana:
        first = ana.get(f"/runs?text={TEXT}").text
        assert shown(first) == ["new"]
        assert "Not all errors were looked through" in first
        more = re.search(r'href="(\?[^"]*)" rel="next"', first)
        assert more is not None
        second = ana.get(f"/runs{more[1].replace('&amp;', '&')}").text
        assert shown(second) == ["old"]
        assert "Not all errors" not in second and 'rel="next"' not in second


def test_a_page_with_none_among_those_goes_on_too(book: Ledger) -> None:
    with book.visitor() as ana:
        page = ana.get(f"/runs?text={TEXT}&before=new").text
        assert shown(page) == []
        assert "None among these." in page and 'rel="next"' in page


def test_a_workflow_s_own_few_errors_are_all_looked_through(book: Ledger) -> None:
    with book.visitor() as ana:
        page = ana.get(f"/runs?text={TEXT}&workflow=wait").text
        assert shown(page) == ["new", "old"] and 'rel="next"' not in page


def test_an_export_is_whole(book: Ledger) -> None:
    with book.visitor() as ana:
        assert [run["id"] for run in ana.get(f"/runs.json?text={TEXT}").json()] == ["new", "old"]


@pytest.mark.parametrize("limit", [1, 50])
def test_the_api_gives_a_next_until_there_are_no_more(book: Ledger, limit: int) -> None:
    with book.visitor() as ana:
        found, query = [], f"text={TEXT}&limit={limit}"
        while query:
            page = ana.get(f"/api/runs?{query}").json()
            found += [run["id"] for run in page["runs"]]
            query = f"text={TEXT}&limit={limit}&cursor={page['next']}" if page["next"] else ""
        assert found == ["new", "old"]


def test_what_is_done_to_all_that_match_is_done_to_all(book: Ledger) -> None:
    with book.visitor() as ana:
        body = {"do": "rerun", "filter": {"text": TEXT}, "dry_run": True}
        said = ana.http.post("/api/runs/bulk", json=body).json()
        assert [run["id"] for run in said["runs"]] == ["new", "old"]
        assert said["more"] is False


def test_the_cli_looks_through_all(book: Ledger) -> None:
    found = tako_json(book.app, "runs", "list", "--text", TEXT)
    assert [run["id"] for run in found] == ["new", "old"]
    found = tako_json(book.app, "runs", "list", "--text", TEXT, "--limit", "1")
    assert [run["id"] for run in found] == ["new"]
