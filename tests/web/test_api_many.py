"""The API does to many at one time what the pages do, and shows before what it would do."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.web.site import Site, ask, ended, enqueue, problem


@pytest.fixture(scope="module")
def api(here: Site) -> Iterator[httpx.Client]:
    with here.client() as client:
        yield client


def many(api: httpx.Client, **body: Any) -> dict[str, Any]:
    sent = api.post("/api/runs/bulk", json=body)
    assert sent.status_code == 200, sent.text
    found: dict[str, Any] = sent.json()
    return found


def outcomes(said: dict[str, Any]) -> dict[str, str]:
    return {run["id"]: run["outcome"] for run in said["runs"]}


def state(api: httpx.Client, run_id: str) -> str:
    return str(api.get(f"/api/runs/{run_id}").json()["state"])


def test_runs_are_cancelled_after_a_look_at_what_that_would_do(api: httpx.Client) -> None:
    one, two = (enqueue(api, "wait", f"m:{n}", tags=["mine"]) for n in range(2))
    over = ended(api, enqueue(api, "typed", {"amount": 1}))["id"]
    body = {"do": "cancel", "runs": [one, two, over, "nope", one]}
    look = many(api, **body, dry_run=True)
    assert (look["done"], look["more"]) == (0, False)
    would = {one: "ready", two: "ready", over: "left", "nope": "missing"}
    assert outcomes(look) == would
    assert {state(api, one), state(api, two)}.isdisjoint({"cancelled"})
    done = many(api, **body, reason="closed")
    assert done["done"] == 2
    assert outcomes(done) == {one: "done", two: "done", over: "left", "nope": "missing"}
    assert api.get(f"/api/runs/{two}").json()["reason"] == "closed"
    assert many(api, do="cancel", runs=[one])["runs"] == [
        {"id": one, "outcome": "left", "state": "cancelled", "problem": None}
    ]


def test_what_a_filter_finds_is_run_again(api: httpx.Client) -> None:
    failed = ended(api, enqueue(api, "fail", "x", tags=["again"]))["id"]
    other = ended(api, enqueue(api, "fail", "x"))["id"]
    body = {"do": "rerun", "filter": {"tag": "again", "state": "failed"}}
    assert outcomes(many(api, **body, dry_run=True)) == {failed: "ready"}
    assert outcomes(many(api, **body)) == {failed: "done"}
    assert state(api, other) == "failed"


def test_one_that_is_refused_does_not_stop_the_others(api: httpx.Client) -> None:
    first = ended(api, enqueue(api, "fail", "x", unique_key="one"))["id"]
    enqueue(api, "fail", "y", unique_key="one", delay=1000)
    other = ended(api, enqueue(api, "fail", "x"))["id"]
    done = many(api, do="rerun", runs=[first, other])
    assert outcomes(done) == {first: "refused", other: "done"}
    assert "unique key" in done["runs"][0]["problem"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"do": "cancel"}, "runs"),
        ({"do": "cancel", "runs": ["a"], "filter": {}}, "runs"),
        ({"do": "cancel", "runs": []}, "runs"),
        ({"do": "cancel", "runs": ["a"] * 1_001}, "runs"),
        ({"do": "explode", "runs": ["a"]}, "do"),
        ({"do": "cancel", "filter": {"state": "lost"}}, "filter.state"),
        ({"do": "cancel", "filter": {"since": "2026-02-31T00:00:00Z"}}, "since"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_done(
    api: httpx.Client, body: dict[str, Any], field: str
) -> None:
    said = problem(api.post("/api/runs/bulk", json=body), 422, "invalid")
    assert said["field"] == field


def test_with_a_key_nothing_is_done_to_what_a_filter_finds_but_it_is_shown(
    api: httpx.Client,
) -> None:
    """Sent again, the filter may find others, and the key would not hold."""
    run_id = enqueue(api, "wait", "m:key", tags=["keyed"])
    body = {"do": "cancel", "filter": {"tag": "keyed"}}
    keyed = [{"Idempotency-Key": f"filter:{n}"} for n in range(3)]
    refused = problem(api.post("/api/runs/bulk", json=body, headers=keyed[0]), 422, "invalid")
    assert refused["field"] == "filter" and "`runs`" in refused["detail"]
    assert state(api, run_id) != "cancelled"
    look = api.post("/api/runs/bulk", json=body | {"dry_run": True}, headers=keyed[1]).json()
    named = {"do": "cancel", "runs": [run["id"] for run in look["runs"]]}
    done = api.post("/api/runs/bulk", json=named, headers=keyed[2]).json()
    assert outcomes(done) == {run_id: "done"}


def test_many_approvals_get_one_answer_and_each_says_what_became_of_it(
    api: httpx.Client, here: Site
) -> None:
    mine, form, others = ask(api, to=["bob"]), ask(api, to=["bob"], form=True), ask(api, to=["vic"])
    digests = {i: api.get(f"/api/approvals/{i}").json()["digest"] for i in (mine, form, others)}
    old = ask(api, to=["bob"])
    picks = [{"id": i, "digest": digest} for i, digest in digests.items()]
    picks += [{"id": old, "digest": "0" * 64}, {"id": "nope"}]
    body = {"answer": "approve", "approvals": picks, "comment": "fine"}
    with here.client("bob") as bob:
        said = bob.post("/api/approvals/answer", json=body).json()
    assert said["counted"] == 1
    assert [a["status"] for a in said["answers"]] == [200, 422, 403, 409, 404]
    counted, unfilled, *_ = said["answers"]
    assert counted["approval"]["answers"][0]["comment"] == "fine"
    assert (counted["approval"]["state"], counted["problem"]) == ("decided", None)
    assert unfilled["problem"]["type"] == "tako:answer_refused"
    assert unfilled["problem"]["instance"] == f"/api/approvals/{form}/answer"
    assert api.get(f"/api/approvals/{old}").json()["state"] == "open"


def test_an_approval_twice_in_one_answer_is_refused_before_anything_is_sent(
    api: httpx.Client,
) -> None:
    approval_id = ask(api, to=["ana"])
    body = {"answer": "approve", "approvals": [{"id": approval_id}] * 2}
    problem(api.post("/api/approvals/answer", json=body), 422, "invalid")
    assert api.get(f"/api/approvals/{approval_id}").json()["answers"] == []


def test_one_step_of_a_run_is_read_by_its_name(api: httpx.Client) -> None:
    run_id = ended(api, enqueue(api, "fail", "x", run_id="a/b"))["id"]
    step = api.get(f"/api/runs/{run_id}/step", params={"name": "ok"}).json()
    assert (step["name"], step["value"], step["outcome"]) == ("ok", {"a": 1}, "ok")
    none = api.get(f"/api/runs/{run_id}/step", params={"name": "no"})
    problem(none, 404, "step_not_found")
