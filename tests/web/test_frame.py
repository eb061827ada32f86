"""What all pages share: the navigation by role, the icon, what is loaded, and what went wrong."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import httpx
import pytest

from tako.web.pages.rendering import badge, short
from tests.web.site import Site, ask

FIRST_LOAD = 100_000  # bytes over the wire: page, style, scripts, icon
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def ana(here: Site) -> Iterator[httpx.Client]:
    with here.client("ana") as api:
        api.headers["accept"] = "text/html"
        yield api


def places(page: str) -> list[str]:
    nav = page.partition('aria-label="Main"')[2].partition("</nav>")[0]
    return re.findall(r'<a href="([^"]*)"', nav)


@pytest.mark.parametrize(
    ("person", "there"),
    [
        ("zoe", ["/inbox"]),
        ("vic", ["/inbox", "/runs", "/workflows", "/waiting", "/system"]),
        ("ana", ["/inbox", "/runs", "/workflows", "/waiting", "/system"]),
    ],
)
def test_the_navigation_has_what_this_person_may_see(
    here: Site, person: str, there: list[str]
) -> None:
    with here.client(person) as api:
        assert places(api.get("/inbox", headers=HTML).text) == there


def test_the_place_where_somebody_is_is_marked(ana: httpx.Client) -> None:
    page = ana.get("/inbox").text
    assert page.count("aria-current") == 2  # in the navigation, and among the tabs of the page
    assert '<a href="/inbox" aria-current="page">' in page


def test_who_answers_an_approval_is_in_the_inbox(here: Site, ana: httpx.Client) -> None:
    with here.client() as operator:
        asked = ask(operator)
    page = ana.get(f"/approvals/{asked}").text
    assert page.count("aria-current") == 1
    assert '<a href="/inbox" aria-current="page">' in page


def test_how_many_wait_is_in_title_icon_and_navigation(here: Site) -> None:
    with here.client("cleo") as api, here.client() as operator:
        before = api.get("/inbox/count").json()["inbox"]
        ask(operator, to=["cleo"])
        page = api.get("/inbox", headers=HTML).text
        count = before + 1
        assert api.get("/inbox/count").json() == {"inbox": count}
        assert f"<title>({count}) Inbox" in page
        assert f'href="/favicon.svg?n={count}"' in page
        assert re.search(rf"data-inbox>{count}</span>", page)


@pytest.mark.parametrize(("count", "text"), [(0, ""), (1, "1"), (99, "99"), (100, "99+")])
def test_more_than_are_counted_are_said_to_be_more(count: int, text: str) -> None:
    assert badge(count) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-3_600_000, "0 ms"),  # the clock was set back meanwhile
        (999, "999 ms"),
        (3_400, "3.4 s"),
        (320_000, "5 min 20 s"),
        (266_400_000, "3 days 2 h"),
    ],
)
def test_a_span_of_time_has_two_units_and_is_never_less_than_nothing(ms: int, text: str) -> None:
    assert short(ms) == text


@pytest.mark.parametrize(
    ("query", "text"), [("?n=3", ">3<"), ("?n=100", ">99+<"), ("", None), ("?n=<b>", None)]
)
def test_the_icon_shows_a_number_and_nothing_else(here: Site, query: str, text: str | None) -> None:
    icon = httpx.get(f"{here.url}/favicon.svg{query}")
    assert icon.headers["content-type"] == "image/svg+xml"
    assert text in icon.text if text else "<text" not in icon.text


def test_the_first_load_of_a_page_is_below_a_hundred_thousand_bytes(
    ana: httpx.Client, here: Site
) -> None:
    with here.client() as operator:
        for number in range(30):
            ask(operator, body=f"May order {number} ship?")
    page = ana.get("/inbox?view=open").text
    files = set(re.findall(r'(?:src|href)="(/(?:static|favicon)[^"]+)"', page))
    assert len(files) >= 5
    sent = len(page.encode())
    for file in files:
        with ana.stream("GET", unescape(file)) as answer:
            assert answer.status_code == 200
            sent += sum(len(part) for part in answer.iter_raw())
    assert sent < FIRST_LOAD


def test_files_are_compressed_and_pages_with_a_secret_are_not(ana: httpx.Client) -> None:
    assert ana.get("/static/htmx.js").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in ana.get("/inbox").headers


def test_nothing_in_a_page_needs_what_the_policy_forbids(ana: httpx.Client, here: Site) -> None:
    """No script or style within it, no handler, nothing from elsewhere; and htmx may not eval."""
    page = ana.get("/inbox").text
    assert not re.search(r"<style|<script>|\son\w+=|style=|https?://", page.partition("<main")[0])
    config = re.search(r"htmx-config\" content='([^']*)'", page)
    assert config and '"allowEval": false' in config[1]
    assert '"includeIndicatorStyles": false' in config[1]


@pytest.mark.parametrize(
    ("path", "status", "said", "way"),
    [
        ("/nowhere", 404, "nothing at /nowhere", 'href="/inbox" dir="auto">To the inbox'),
        ("/runs/a%26b", 404, "no run a&b", 'href="/runs?text=a%26b" dir="auto">Look for “a&b”'),
        ("/system/x", 404, "nothing at", 'href="/system" dir="auto">To the system'),
        ("/workflows/nothing", 404, "nothing", 'href="/workflows" dir="auto">To the workflows'),
        ("/approvals/nothing", 404, "nothing", 'href="/inbox" dir="auto">To the inbox'),
    ],
)
def test_who_is_lost_has_the_navigation_and_a_way_on_that_fits(
    ana: httpx.Client, path: str, status: int, said: str, way: str
) -> None:
    page = ana.get(path)
    shown = unescape(page.text)
    assert page.status_code == status, shown
    assert said in shown and 'class="card message"' in shown and way in shown
    assert places(page.text) == ["/inbox", "/runs", "/workflows", "/waiting", "/system"]
    assert "Ana Admin" in shown
    with httpx.Client(base_url=ana.base_url, headers=HTML) as nobody:
        assert not places(nobody.get("/nowhere").text)


def test_a_program_gets_a_problem_where_a_browser_gets_a_page(ana: httpx.Client) -> None:
    assert ana.get("/api/runs/x").headers["content-type"] == "application/problem+json"


def test_who_may_not_see_a_page_is_told_so_on_one(here: Site) -> None:
    with here.client("zoe") as api:
        page = api.get("/runs/x", headers=HTML)
        assert page.status_code == 403 and 'class="card message"' in page.text
        assert places(page.text) == ["/inbox"] and ">To the inbox<" in page.text


def test_what_is_meant_for_another_host_gets_no_frame(ana: httpx.Client) -> None:
    page = ana.get("/runs", headers={"host": "elsewhere.example"})
    assert page.status_code == 421 and not places(page.text) and "Ana" not in page.text


def test_the_region_alone_is_answered_to_the_script_of_a_page(ana: httpx.Client) -> None:
    part = ana.get("/inbox", headers={"HX-Request": "true"}).text
    assert "<html" not in part and "<title>Inbox" in part
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in ana.get("/inbox", headers=restored).text


def test_the_inbox_is_still_found_where_it_was(ana: httpx.Client) -> None:
    assert ana.get("/").headers["location"] == "/inbox"
    assert ana.get("/approvals?view=all").headers["location"] == "/inbox?view=all"


def test_a_run_is_shown_with_its_payload_and_steps_whatever_it_is_called(
    here: Site, ana: httpx.Client
) -> None:
    name = "id/with <b>&?# " + "x" * 170
    with here.client() as api:
        body = {"workflow": "fail", "payload": {"a": "<script>"}, "run_id": name}
        assert api.post("/api/enqueue", json=body).status_code == 201
    path = f"/runs/{quote(name, safe='')}"
    page = ana.get(path)
    assert page.status_code == 200, page.text
    assert "<b>&?#" not in page.text and "<script>" not in page.text.partition("<main")[2]
    payload = ana.get(f"{path}/payload.json")
    assert payload.json() == {"a": "<script>"}
    assert "attachment" in payload.headers["content-disposition"]
