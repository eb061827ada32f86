"""A schedule as people see it: on the pages, in what is due, and in the API."""

import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.support import AppFixture, free_port, make_app, server, until
from tests.web.browser import Visitor

WORKFLOWS = """
    from tako import Cron, Scheduled, Step, workflow


    @workflow("nightly", schedule=Cron("0 3 * * 1-5", zone="Europe/Zurich", payload="<west>"))
    async def nightly(payload: str, step: Step) -> None: ...


    @workflow("beat", schedule="* * * * * *")
    async def beat(payload: Scheduled, step: Step) -> str:
        return payload.at.isoformat()


    @workflow("plain")
    async def plain(payload: object, step: Step) -> None: ...
"""
TOML = '[web]\nlisten = "127.0.0.1:{port}"\nauth = "local"\n'


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    made = make_app(
        Path(tmp_path_factory.mktemp("schedules")),
        {"workflows/all.py": WORKFLOWS, "people.toml": "[ana]\n"},
        toml=TOML.replace("{port}", str(free_port())),
    )
    with server(made) as started:
        started.wait_http()
        yield made


@pytest.fixture
def visitor(app: AppFixture) -> Iterator[Visitor]:
    with Visitor(app.url) as visitor:
        visitor.log_in("ana")
        yield visitor


def schedules(visitor: Visitor) -> dict[str, Any]:
    """Those of the API by workflow, once the code is known."""

    def known() -> Any:
        found = visitor.get("/api/workflows", headers={"accept": "application/json"}).json()
        return {w["name"]: w["schedule"] for w in found["workflows"]}

    return dict(until(known, "that the code is known"))


def beaten(visitor: Visitor) -> tuple[str, str]:
    """The last moment of the beat, and the id of its run."""

    def there() -> str:
        return str(schedules(visitor)["beat"]["last_at"] or "")

    at = until(there, "a beat")
    moment = datetime.fromisoformat(at)
    return at, f"beat-{moment:%Y%m%dT%H%M%SZ}"


def text_of(response: httpx.Response) -> str:
    main = response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


@pytest.mark.parametrize("path", ["/workflows", "/workflows/nightly"])
def test_a_workflow_shows_rule_words_zone_and_next_moment(visitor: Visitor, path: str) -> None:
    upcoming = schedules(visitor)["nightly"]["next_at"]
    page = visitor.get(path)
    assert "At 03:00 on Monday through Friday Europe/Zurich · 0 3 * * 1-5" in text_of(page)
    assert f'<span class="when">Next <time datetime="{upcoming}"' in page.text
    assert "stands still" not in page.text


def test_a_workflow_without_a_schedule_says_nothing_of_one(visitor: Visitor) -> None:
    schedules(visitor)
    assert "Next" not in text_of(visitor.get("/workflows/plain"))


def test_the_last_moment_leads_to_its_run_which_says_what_it_is_for(visitor: Visitor) -> None:
    at, run_id = beaten(visitor)
    page = visitor.get("/workflows/beat").text
    assert re.search(r'>last <a href="/runs/beat-\d{8}T\d{6}Z">', page)
    run = visitor.get(f"/runs/{run_id}")
    assert re.search(rf'<dt>Scheduled for</dt><dd><time datetime="{re.escape(at)}"', run.text)
    found = visitor.get(f"/api/runs/{run_id}").json()
    assert found["scheduled_for"] == at
    assert datetime.fromisoformat(found["payload"]["at"]) == datetime.fromisoformat(at)


def test_what_is_due_has_schedules_that_lead_to_their_workflow(visitor: Visitor) -> None:
    schedules(visitor)
    for path in ("/waiting?view=deadlines", "/system"):
        page = visitor.get(path).text
        assert '<a href="/workflows/nightly">its schedule</a>' in page
        assert 'href="/runs/"' not in page
    assert "runs by itself" in text_of(visitor.get("/waiting?view=deadlines"))
    things = visitor.get("/api/due").json()["things"]
    (nightly,) = [thing for thing in things if thing["name"] == "nightly"]
    assert (nightly["kind"], nightly["run_id"]) == ("schedule", None)


def test_the_api_tells_of_schedules(visitor: Visitor) -> None:
    found = schedules(visitor)
    nightly, beat = found["nightly"], found["beat"]
    upcoming = datetime.fromisoformat(nightly["next_at"]).astimezone(ZoneInfo("Europe/Zurich"))
    assert (upcoming.hour, upcoming.minute, upcoming.weekday() < 5) == (3, 0, True)
    assert nightly | {"next_at": None} == {
        "rule": "0 3 * * 1-5",
        "zone": "Europe/Zurich",
        "words": "At 03:00 on Monday through Friday",
        "payload": "<west>",
        "next_at": None,
        "last_at": None,
    }
    assert (beat["words"], beat["zone"], beat["payload"]) == ("Every second", "UTC", None)
    assert found["plain"] is None
