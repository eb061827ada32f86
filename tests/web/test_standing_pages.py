"""Workflows, what waits, the system and logs: as people see them, and what operators may do."""

import asyncio
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import AppFixture, free_port, make_app, server, tako, wait_until
from tests.web.browser import Visitor, csrf_of, once_of

WORKFLOWS = """
    from dataclasses import dataclass
    from typing import Annotated

    from msgspec import Meta
    from tako import Step, workflow


    @dataclass
    class Order:
        customer: str
        amount: Annotated[int, Meta(ge=1)]


    @workflow("order")
    async def order(payload: Order, step: Step) -> int:
        step.log.info("order of %s", payload.customer)
        return payload.amount


    @workflow("wait/for")
    async def wait_for(payload: object, step: Step) -> object:
        return await step.wait_for(str(payload), int)


    @workflow("count", retries=0)
    async def count(payload: int, step: Step) -> int:
        return 12 // payload


    @workflow("nap")
    async def nap(payload: object, step: Step) -> None:
        await step.sleep("long", "2h")
"""
BROKEN = "from tako import nonsense_that_is_not_there\n"
TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "local"

    [roles]
    viewer = ["vic"]
    operator = ["ana"]

    [hooks.bank]
    kind = "hmac"
    secret = "a-very-secret-thing"
    event = "paid"

    [notify.mail]
    url = "mailtos://user:another-secret@example.com"
"""
PEOPLE = """
    [ana]
    [vic]
"""
MANY = """
    from tako import workflow

    for number in range(25):

        @workflow(f"zz-{number:02}")
        async def same(payload: int, step: object) -> None: ...
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    files = {
        "workflows/all.py": WORKFLOWS,
        "workflows/bad.py": BROKEN,
        "workflows/many.py": MANY,
        "people.toml": PEOPLE,
    }
    made = make_app(
        Path(tmp_path_factory.mktemp("standing")),
        files,
        toml=TOML.replace("{port}", str(free_port())),
    )
    with server(made) as started:
        started.wait_http()
        done = tako(made, "enqueue", "nap", "--delay", "9h")  # its first worker loads them all
        assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture
def ana(app: AppFixture) -> Iterator[Visitor]:
    with Visitor(app.url) as visitor:
        visitor.log_in("ana")
        yield visitor


@pytest.fixture
def vic(app: AppFixture) -> Iterator[Visitor]:
    with Visitor(app.url) as visitor:
        visitor.log_in("vic")
        yield visitor


def start(ana: Visitor, workflow: str, **fields: str) -> httpx.Response:
    path = f"/workflows/{workflow}"
    return ana.submit(path, **fields)


def run_of(response: httpx.Response) -> str:
    assert response.status_code == 303, response.text
    return str(response.headers["location"]).removeprefix("/runs/")


def text_of(response: httpx.Response) -> str:
    main = response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


def ended(ana: Visitor, run: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        found = ana.get(f"/api/runs/{run}", headers={"accept": "application/json"}).json()
        return found if found["finished_at"] else None

    return dict(asyncio.run(wait_until(there, what=f"the end of run {run}")))


def waits_for(ana: Visitor, event: str, waiters: int = 1) -> None:
    def there() -> bool:
        page = ana.get("/waiting", params={"of": event})
        return page.text.count('data-label="Run"') == waiters

    asyncio.run(wait_until(there, what=f"{waiters} waiting for {event}"))


# --- workflows


def test_workflows_show_what_there_is_and_loudly_what_does_not_load(vic: Visitor) -> None:
    page = vic.get("/workflows")
    assert page.status_code == 200
    text = text_of(page)
    assert "workflows.bad does not load" in text
    assert "nonsense_that_is_not_there" in text
    assert text.index("does not load") < text.index("order")
    assert "wait/for" in text
    assert "all.py:" in text


def test_a_chart_has_its_numbers_in_a_text_too(ana: Visitor) -> None:
    ended(ana, run_of(start(ana, "order", **{"value/customer": "eve", "value/amount": "3"})))
    page = ana.get("/workflows/order").text
    label = re.search(r'role="img"[^>]*aria-label="([^"]*)"', page)
    assert label is not None
    assert re.match(r"\d+ runs in 14 days\. 13 days before: 0, .*last 24 hours: \d+$", label[1])


def test_the_last_runs_of_a_workflow_are_signs_with_words_that_lead_to_them(ana: Visitor) -> None:
    run = run_of(start(ana, "order", **{"value/customer": "eve", "value/amount": "3"}))
    ended(ana, run)
    dots = ana.get("/workflows").text.partition(">order</a>")[2].partition("</li>\n")[0]
    last = re.findall(r'<a class="state (\w+)" href="/runs/(\w+)"', dots)[-1]
    assert last == ("succeeded", run)
    assert f'<span class="sr-only">succeeded: {run}</span>' in dots


def test_how_often_and_how_long_is_a_chart_each_with_its_words(ana: Visitor) -> None:
    ended(ana, run_of(start(ana, "order", **{"value/customer": "eve", "value/amount": "3"})))
    page = ana.get("/workflows/order").text
    labels = re.findall(r'role="img"[^>]*aria-label="([^"]*)"', page)
    assert len(labels) == 4 and "runs in 14 days" in labels[0]
    assert labels[2].startswith("Starts after: p50")
    assert re.fullmatch(r"Takes: p50 [^,]+, p90 [^,]+, p99 [^,]+", labels[1])
    assert labels[3].startswith("Per cent that failed, oldest first. part 1 of ")


def test_a_run_is_started_from_the_form_of_its_payload(ana: Visitor) -> None:
    page = ana.get("/workflows/order")
    assert 'name="value/customer"' in page.text
    answer = start(
        ana,
        "order",
        **{"value/customer": "eve", "value/amount": "7", "unique_key": "k-1", "tags": "vip, eu"},
    )
    run = ended(ana, run_of(answer))
    assert (run["payload"], run["result"]) == ({"customer": "eve", "amount": 7}, 7)
    tags = sorted(run["tags"])
    assert (run["unique_key"], tags) == ("k-1", ["eu", "vip"])


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_started(ana: Visitor) -> None:
    fields = {"value/customer": "eve", "value/amount": "0", "delay": "soon"}
    page = start(ana, "order", **fields)
    assert page.status_code == 422
    assert 'id="delay-error"' in page.text
    page = start(ana, "order", **fields | {"delay": ""})
    assert page.status_code == 422
    assert 'id="value-amount-error"' in page.text
    assert 'value="eve"' in page.text


def test_a_payload_that_is_one_value_is_called_so(ana: Visitor) -> None:
    page = text_of(ana.get("/workflows/count"))
    assert "Start a run Payload" in page and "Your answer" not in page


def test_the_runs_that_failed_are_a_click_away_from_how_many_they_are(ana: Visitor) -> None:
    run = run_of(start(ana, "count", value="0"))
    ended(ana, run)
    (query,) = re.findall(r'href="/runs(\?state=failed[^"]*)"', ana.get("/workflows").text)
    assert run in ana.get(f"/runs{unescape(query)}").text


def test_without_a_type_the_payload_is_json(ana: Visitor) -> None:
    page = start(ana, "nap", json="{not json", delay="1h")
    assert page.status_code == 422
    assert "This is not JSON" in page.text
    run = run_of(start(ana, "nap", json='{"a": [1]}', delay="1h"))
    found = ana.get(f"/api/runs/{run}").json()
    assert found["payload"] == {"a": [1]}
    assert found["run_at"] is not None


def test_pressed_twice_one_run_is_started(ana: Visitor) -> None:
    page = ana.get("/workflows/nap").text
    fields = {"csrf": csrf_of(page), "once": once_of(page), "json": "1", "delay": "1h"}
    first = run_of(ana.http.post("/workflows/nap", data=fields))
    assert run_of(ana.http.post("/workflows/nap", data=fields)) == first
    changed = run_of(ana.http.post("/workflows/nap", data=fields | {"json": "2"}))
    assert changed != first, "who goes back and changes something starts another"


def test_a_form_made_for_what_the_workflow_took_before_starts_nothing(ana: Visitor) -> None:
    (mark,) = re.findall(r'name="mark" value="(\w+)"', ana.get("/workflows/order").text)
    fields = {"value/customer": "eve", "value/amount": "7", "mark": "0" * len(mark)}
    page = start(ana, "order", **fields)
    assert page.status_code == 409
    assert "has changed since you saw the form" in text_of(page)
    assert 'value="eve"' in page.text, "nothing has to be typed again"
    assert run_of(start(ana, "order", **fields | {"mark": mark}))


def test_viewers_see_no_form_and_may_start_nothing(vic: Visitor) -> None:
    page = vic.get("/workflows/order")
    assert page.status_code == 200
    assert 'id="start"' not in page.text
    csrf = csrf_of(page.text)
    assert vic.http.post("/workflows/order", data={"csrf": csrf}).status_code == 403


def test_a_form_of_another_site_starts_nothing(ana: Visitor) -> None:
    answer = ana.http.post("/workflows/nap", data={"csrf": "x" * 43, "json": "1"})
    assert answer.status_code == 403


def test_an_unknown_workflow_is_not_found(ana: Visitor) -> None:
    assert ana.get("/workflows/nonesuch").status_code == 404


# --- waiting


def test_waiters_of_one_event_are_one_line_with_a_count(ana: Visitor) -> None:
    for _ in range(3):
        run_of(start(ana, "wait/for", json='"stock:apples"'))
    waits_for(ana, "stock:apples", 3)
    page = ana.get("/waiting", params={"event": "stock:"})
    assert re.search(r"stock:apples</a></td><td[^>]*>3</td>", page.text)
    assert "stock:apples" not in text_of(ana.get("/waiting", params={"event": "other"}))


def test_a_signal_is_sent_and_what_became_of_it_is_said(ana: Visitor) -> None:
    run = run_of(start(ana, "wait/for", json='"paid:1"'))
    waits_for(ana, "paid:1")
    refused = ana.submit("/waiting", event="paid:1", payload='"no number"')
    assert refused.status_code == 422
    assert "nothing was delivered" in refused.text
    page = ana.submit("/waiting", event="paid:1", payload="5", key="once")
    assert "The signal to paid:1 was delivered to 1 run." in text_of(page)
    again = ana.submit("/waiting", event="paid:1", payload="5", key="once")
    assert "there was a signal to paid:1 with this key before" in text_of(again)
    assert ended(ana, run)["result"] == 5


def test_a_signal_that_nobody_takes_is_in_the_mailbox(ana: Visitor) -> None:
    page = ana.submit("/waiting", event="lonely:1", payload='{"deep": [1, 2]}')
    assert "Nobody waits for lonely:1 now" in text_of(page)
    mail = text_of(ana.get("/waiting", params={"view": "mailbox", "event": "lonely"}))
    assert "lonely:1" in mail
    assert "expires" in mail
    assert "deep" in mail


def test_a_signal_that_is_no_json_is_refused_at_its_field(ana: Visitor) -> None:
    page = ana.submit("/waiting", event="", payload="{")
    assert page.status_code == 422
    assert 'id="event-error"' in page.text
    assert 'id="payload-error"' in page.text


def test_deadlines_are_shown_soonest_first(ana: Visitor) -> None:
    run = run_of(start(ana, "nap", json="1", delay="3h"))

    def there() -> bool:
        return run in ana.get("/waiting?view=deadlines").text

    asyncio.run(wait_until(there, what="the deadline"))
    page = ana.get("/waiting?view=deadlines").text
    times = re.findall(r'data-label="When"><time datetime="([^"]+)"', page)
    assert times == sorted(times)
    for path in ("/waiting?view=deadlines", "/system"):
        assert re.search(r"starts\s*(<[^>]*>\s*)*nap", ana.get(path).text), path


def test_viewers_may_send_no_signal(vic: Visitor) -> None:
    page = vic.get("/waiting")
    assert 'id="signal"' not in page.text
    fields = {"csrf": csrf_of(page.text), "event": "x", "payload": "1"}
    assert vic.http.post("/waiting", data=fields).status_code == 403


@pytest.mark.parametrize("query", ["view=deadlines&after=x", "view=mailbox&after=-"])
def test_a_cursor_that_is_not_ours_is_refused(vic: Visitor, query: str) -> None:
    assert vic.get(f"/waiting?{query}").status_code == 400


# --- system


def test_the_system_shows_how_it_fares_and_no_secret(vic: Visitor) -> None:
    page = vic.get("/system")
    text = text_of(page)
    assert "Health trouble" in text
    assert "workflows.bad does not load, and what is in it does not run" in text
    assert "Storage" in text
    assert "hooks.bank.secret (secret) tako.toml" in text
    assert "notify.mail.url (secret) tako.toml" in text
    assert "web.session_ttl" in text
    assert "a-very-secret-thing" not in page.text
    assert "another-secret" not in page.text


def test_the_api_tells_the_same(vic: Visitor) -> None:
    found = vic.get("/api/system").json()
    assert found["engine"]["commits"]["measured"] > 0
    assert found["engine"]["started_at"]
    assert found["storage"]["runs"] >= 0
    assert "secret-thing" not in json.dumps(found)
    by_key = {s["key"]: s for s in found["settings"]}
    assert by_key["data_dir"]["source"] == "tako.toml"
    assert by_key["defaults.lease"]["source"] == "default"
    assert by_key["web.auth"] == {"key": "web.auth", "value": "local", "source": "tako.toml"}


# --- the API of what waits, and logs


def test_the_api_pages_through_what_waits(ana: Visitor) -> None:
    for event in ("page:1", "page:2", "page:3"):
        run_of(start(ana, "wait/for", json=f'"{event}"'))
        waits_for(ana, event)
    query = {"prefix": "page:", "limit": "2"}
    first = ana.get("/api/waits/events", params=query).json()
    rest = ana.get("/api/waits/events", params=query | {"cursor": first["next"]}).json()
    assert [e["event"] for e in first["events"] + rest["events"]] == ["page:1", "page:2", "page:3"]
    assert rest["next"] is None


def test_the_api_pages_through_the_mailbox_and_what_is_due(ana: Visitor) -> None:
    for number in range(3):
        ana.submit("/waiting", event=f"post:{number}", payload="1")
        run_of(start(ana, "nap", json="1", delay="5h"))
    for path, key, query in (
        ("/api/waits/mailbox", "events", {"prefix": "post:", "limit": "2"}),
        ("/api/due", "things", {"limit": "2"}),
    ):
        first = ana.get(path, params=query).json()
        rest = ana.get(path, params=query | {"cursor": first["next"]}).json()
        assert len(first[key]) == 2
        assert rest[key]
        assert not [thing for thing in rest[key] if thing in first[key]]


def test_workflows_come_in_pages_and_are_found_by_a_part_of_their_name(vic: Visitor) -> None:
    def names(page: httpx.Response) -> list[str]:
        return re.findall(r'<h2><a href="[^"]*" dir="auto">([^<]*)</a></h2>', page.text)

    first = vic.get("/workflows")
    (more,) = re.findall(r'href="([^"]*)" rel="next"', first.text)
    second = vic.get(f"/workflows{unescape(more)}")
    assert len(names(first)) == 25 and 'rel="next"' not in second.text
    known = [w["name"] for w in vic.get("/api/workflows").json()["workflows"]]
    assert names(first) + names(second) == known
    assert names(vic.get("/workflows?text=ZZ-1")) == [f"zz-{n}" for n in range(10, 20)]
    assert "No workflow is named so" in vic.get("/workflows?text=none").text


def test_figures_of_workflows_are_in_the_api(ana: Visitor) -> None:
    ended(ana, run_of(start(ana, "order", **{"value/customer": "eve", "value/amount": "3"})))
    found = ana.get("/api/workflows/stats", params={"workflow": "order"}).json()
    (order,) = found["workflows"]
    assert len(order["per_day"]) == 14
    assert order["per_day"][-1] >= 1
    assert len(order["duration"]) == 3
    assert len(order["failures"]) == min(20, order["sample"])
    assert order["waits"] == []
    everything = ana.get("/api/workflows/stats").json()["workflows"]
    assert {stat["waits"] for stat in everything} == {None}


def test_who_took_a_run_up_again_is_in_the_api(ana: Visitor) -> None:
    run = run_of(start(ana, "wait/for", json='"again:1"'))
    waits_for(ana, "again:1")
    ana.submit("/waiting", event="again:1", payload="5")
    ended(ana, run)
    (again,) = ana.get(f"/api/runs/{run}/passes").json()["passes"]
    assert again["attempt"] == 1 and again["worker_id"]
    (waited,) = ana.get("/api/workflows/stats?workflow=wait/for").json()["workflows"]
    assert len(waited["waits"]) == 3
    assert "<dt>Waits</dt>" in ana.get("/workflows/wait/for").text
    assert ana.get("/api/runs/none/passes").status_code == 404


def test_logs_are_in_the_api(ana: Visitor) -> None:
    run = run_of(start(ana, "order", **{"value/customer": "eve", "value/amount": "3"}))
    ended(ana, run)
    (line,) = ana.get(f"/api/runs/{run}/logs").json()["lines"]
    assert (line["level"], line["message"], line["attempt"]) == ("INFO", "order of eve", 1)


def test_logs_are_on_the_page_of_the_run(ana: Visitor, vic: Visitor) -> None:
    run = run_of(start(ana, "order", **{"value/customer": "<eve>", "value/amount": "3"}))
    ended(ana, run)
    assert "INFO order of <eve>" in text_of(vic.get(f"/runs/{run}"))
    silent = run_of(start(ana, "nap", json="1", delay="4h"))
    assert 'id="log-title"' not in vic.get(f"/runs/{silent}").text
