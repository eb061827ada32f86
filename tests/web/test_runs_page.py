"""The list of runs: filters in the address, pages, and what cannot be found."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

import tako
from tako.model import Run, RunError, RunState
from tako.web.pages.causes import causes
from tests.web.ledger import Ledger, ledger

HOSTILE = 'x<script>"&?#/%41' + "é" * 180


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with ledger(tmp_path_factory.mktemp("runs")) as here:
        here.start("count", {"steps": 1}, "succeeded", run_id="one", tags=["blue", "eu west"])
        here.start("count", {"steps": 2}, "succeeded", run_id="two", tags=["blue"])
        here.start("fail", "plum", "failed", run_id="bad")
        here.start("wait", "go", "waiting", run_id=HOSTILE)
        yield here


def ids(page: str) -> list[str]:
    return re.findall(r'name="run" value="([^"]+)"', page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["bad"]),
        ("workflow=count", ["two", "one"]),
        ("tag=blue", ["two", "one"]),
        ("tag=eu+west", ["one"]),
        ("text=plum", ["bad"]),
        ("text=tw", ["two"]),
        ("state=succeeded&tag=blue&workflow=count&last=1h", ["two", "one"]),
        ("until=2020-01-01T00:00", []),
        ("since=2020-01-01T00:00&workflow=fail", ["bad"]),
    ],
)
def test_a_filter_is_in_the_address(book: Ledger, query: str, found: list[str]) -> None:
    with book.visitor() as ana:
        page = ana.get(f"/runs?{query}")
        assert page.status_code == 200
        assert ids(page.text) == found


def test_counts_lead_to_the_runs_in_that_state(book: Ledger) -> None:
    with book.visitor() as ana:
        page = ana.get("/runs?workflow=count").text
        link = re.search(r'href="\?([^"]*state=succeeded[^"]*)"[^>]*>.*?<strong>2</strong>', page)
        assert link and "workflow=count" in link[1]


def test_what_cannot_be_used_is_said_and_the_rest_holds(book: Ledger) -> None:
    with book.visitor() as ana:
        page = ana.get("/runs?last=soon&since=yesterday&state=odd&workflow=fail").text
        assert "“soon” is no duration" in page
        assert "“yesterday” is no time" in page
        assert "“odd” is no state" in page
        assert ids(page) == ["bad"]


def test_an_id_of_200_characters_of_any_kind_is_a_link_that_works(book: Ledger) -> None:
    with book.visitor() as ana:
        page = ana.get("/runs?state=waiting").text
        assert "<script>&quot;" not in page
        (href,) = re.findall(r'<a class="ident" href="([^"]+)"', page)
        found = ana.get(href)
        assert found.status_code == 200
        assert "It waits for go." in found.text
        (region,) = re.findall(r'id="region" data-region hx-get="([^"]+)"', found.text)
        assert "It waits for go." in ana.get(region, headers={"HX-Request": "true"}).text
        ana.http.cookies.clear()
        login = ana.get(href).headers["location"]
        back = ana.submit(login, name="ana", next=parse_qs(urlsplit(login).query)["next"][0])
        assert "It waits for go." in ana.get(back.headers["location"]).text


def test_failed_runs_are_counted_by_what_failed_and_each_cause_is_a_filter(book: Ledger) -> None:
    for payload in ("order 17 is lost", "order 18 is lost", "pears"):
        book.start("fail", payload, "failed", tags=["night"])
    with book.visitor() as ana:
        page = ana.get("/runs?state=failed&tag=night").text
        found = re.findall(r'class="cut" href="(\?[^"]+)"[^>]*>([^<]+)<.*?<strong>(\d)<', page)
        begins = "ValueError: invalid literal for int() with base"
        assert [(unescape(text), count) for _, text, count in found] == [(begins, "3")]
        assert len(ids(ana.get(f"/runs{unescape(found[0][0])}").text)) == 3
        assert "Why they failed" not in ana.get("/runs?tag=night").text


def failed(number: int, error: str) -> Run:
    kind, _, message = error.partition(": ")
    told = msgspec.json.encode(RunError(kind, message)).decode()
    ended = (number, None, number, number + 10, None, None, "null", None, told, None, None)
    return Run(f"r{number}", "fail", "default", RunState.FAILED, 1, 0, None, 0, *ended)


def test_errors_that_differ_in_numbers_alone_have_one_cause() -> None:
    errors = ["shop.Declined: card 4711 (req_1)", "shop.Declined: card 17 (req_2)", "KeyError: 'a'"]
    found = causes([failed(n, error) for n, error in enumerate(errors)])
    assert [(c.text, c.title, c.runs, c.first, c.last) for c in found] == [
        ("shop.Declined: card", "Declined: card", 2, 10, 11),
        ("KeyError: 'a'", "KeyError: 'a'", 1, 12, 12),
    ]


def test_errors_of_very_many_kinds_are_counted_by_their_types() -> None:
    found = causes([failed(n, f"KeyError: '{name}'") for n, name in enumerate("abcdefghij")])
    assert [(cause.text, cause.runs) for cause in found] == [("KeyError", 10)]


def test_pages_go_through_all_runs_once(book: Ledger) -> None:
    tako.enqueue_many_sync("count", [{"steps": 0}] * 120, tags=["many"])
    with book.visitor() as ana:
        seen, query = [], "?tag=many"
        while query:
            page = ana.get(f"/runs{query}").text
            seen += ids(page)
            more = re.search(r'href="(\?[^"]*)" rel="next"', page)
            query = more[1].replace("&amp;", "&") if more else ""
        assert len(seen) == len(set(seen)) == 120


def test_tako_s_own_runs_are_hidden_unless_asked_for(book: Ledger) -> None:
    book.start("tell", "Ship?", "waiting")
    with book.visitor() as ana:
        (told,) = ids(ana.get("/runs?workflow=tako.notify").text)
        assert told in ids(ana.get("/runs?own=1").text)
        assert told not in ids(ana.get("/runs").text)


def test_nothing_found_says_what_to_do(book: Ledger) -> None:
    with book.visitor() as ana:
        assert "Take away a part of the filter" in ana.get("/runs?text=nonesuch").text


def test_a_viewer_sees_runs_and_no_buttons(book: Ledger) -> None:
    with book.visitor("vic") as vic:
        page = vic.get("/runs").text
        assert "bad" in page and 'name="run"' not in page and 'id="bulk"' not in page


def test_somebody_without_a_role_sees_no_runs(book: Ledger) -> None:
    with book.visitor("zoe") as zoe:
        assert zoe.get("/runs").status_code == 403
        assert zoe.get("/runs.csv").status_code == 403


def test_the_cli_finds_by_tag_and_text(book: Ledger) -> None:
    from tests.support import tako, tako_json

    found = tako_json(book.app, "runs", "list", "--tag", "eu west")
    assert [run["id"] for run in found] == ["one"]
    assert found[0]["tags"] == ["blue", "eu west"]
    assert [run["id"] for run in tako_json(book.app, "runs", "list", "--text", "plum")] == ["bad"]
    done = tako(book.app, "enqueue", "count", '{"steps": 0}', "--tag", "a", "--tag", "b")
    assert done.returncode == 0
    assert tako_json(book.app, "runs", "list", "--tag", "b")[0]["tags"] == ["a", "b"]


def test_a_text_is_no_list_of_tags() -> None:
    with pytest.raises(TypeError, match="not one text"):
        tako.enqueue_sync("count", {"steps": 0}, tags="blue")
    with pytest.raises(ValueError, match="at most 20"):
        tako.enqueue_sync("count", {"steps": 0}, tags=[str(n) for n in range(21)])
