"""The HTTP API by its public face: a real server, a real port, real tokens."""

import re
import sqlite3
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tako.bearers import TOKEN, new_secret
from tako.checks import RUN_PARTS
from tako.web import pages
from tako.web.api.table import ROUTES
from tests.web.site import Site, ask, asked, ended, enqueue, problem

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def api(here: Site) -> Iterator[httpx.Client]:
    """What ana's program sees: she is an operator."""
    with here.client() as client:
        yield client


# --- runs


def test_a_run_is_enqueued_and_read_with_real_json_and_times_that_programs_read(
    api: httpx.Client,
) -> None:
    run = ended(api, enqueue(api, "typed", {"amount": 7}))
    assert run["state"] == "succeeded"
    assert run["payload"] == {"amount": 7, "why": ""} or run["payload"] == {"amount": 7}
    assert run["result"] == 7
    assert TIME.fullmatch(run["created_at"]) and TIME.fullmatch(run["finished_at"])


def test_a_payload_that_does_not_fit_is_refused_at_the_door(api: httpx.Client) -> None:
    body = {"workflow": "typed", "payload": {"amount": "seven"}}
    problem(api.post("/api/enqueue", json=body), 422, "payload_refused")


def test_a_workflow_that_nobody_knows_is_not_found(api: httpx.Client) -> None:
    said = problem(api.post("/api/enqueue", json={"workflow": "fale"}), 404, "unknown_workflow")
    assert "fail" in said["detail"]


def test_a_failed_run_says_why_and_is_rerun_from_a_step(api: httpx.Client) -> None:
    run_id = enqueue(api, "fail", "no luck")
    run = ended(api, run_id)
    assert run["error"]["type"] == "ValueError" and run["error"]["message"] == "no luck"
    steps = api.get(f"/api/runs/{run_id}/steps").json()
    assert [(s["name"], s["value"], s["outcome"]) for s in steps["steps"]] == [
        ("ok", {"a": 1}, "ok")
    ]
    again = api.post(f"/api/runs/{run_id}/rerun", json={"from_step": "ok"})
    assert again.json() == {"state": "pending"}
    missing = api.post(f"/api/runs/{ended(api, run_id)['id']}/rerun", json={"from_step": "other"})
    problem(missing, 404, "step_not_found")


def test_a_run_that_has_succeeded_is_not_run_again(api: httpx.Client) -> None:
    run_id = enqueue(api, "typed", {"amount": 1})
    ended(api, run_id)
    problem(api.post(f"/api/runs/{run_id}/rerun", json={}), 409, "wrong_state")


def test_a_waiting_run_is_signalled_and_what_nobody_waits_for_is_kept(api: httpx.Client) -> None:
    event = f"paid:{uuid.uuid4()}"
    early = api.post("/api/signal", json={"event": event, "payload": {"n": [1, None]}})
    assert early.json() == {"outcome": "buffered", "delivered": 0, "spreading": False}
    kept = api.get("/api/waits", params={"event": event}).json()["events"]
    assert kept[0]["payload"] == {"n": [1, None]}
    assert ended(api, enqueue(api, "wait", event))["result"] == {"n": [1, None]}


def test_a_run_is_cancelled_once_and_told_of_its_state_after_that(api: httpx.Client) -> None:
    run_id = enqueue(api, "wait", f"never:{uuid.uuid4()}")
    path = f"/api/runs/{run_id}/cancel"
    assert api.post(path, json={"reason": "a mistake"}).json()["changed"] is True
    assert api.post(path).json() == {"changed": False, "state": "cancelled"}
    assert api.get(f"/api/runs/{run_id}").json()["reason"] == "a mistake"


def test_pages_of_runs_have_each_run_once(api: httpx.Client) -> None:
    made = {enqueue(api, "typed", {"amount": n}) for n in range(5)}
    seen, cursor = [], None
    while True:
        query = httpx.QueryParams({"workflow": "typed", "limit": 2})
        query = query.set("cursor", cursor) if cursor else query
        page = api.get("/api/runs", params=query).json()
        seen += [run["id"] for run in page["runs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) and made <= set(seen)


def test_pages_of_steps_have_each_step_once(api: httpx.Client) -> None:
    event = f"steps:{uuid.uuid4()}"
    api.post("/api/signal", json={"event": event})
    run_id = enqueue(api, "wait", event)
    ended(api, run_id)
    first = api.get(f"/api/runs/{run_id}/steps", params={"limit": 1}).json()
    rest = api.get(f"/api/runs/{run_id}/steps", params={"cursor": first["next"]}).json()
    assert [s["name"] for s in first["steps"] + rest["steps"]] == ["first", event]


def test_an_id_with_a_slash_is_an_id_like_any_other(api: httpx.Client) -> None:
    run_id = f"2026/{uuid.uuid4()}"
    enqueue(api, "wait", "slash:never", run_id=run_id)
    assert api.get(f"/api/runs/{run_id}").json()["id"] == run_id
    assert api.get(f"/api/runs/{run_id}/steps").status_code == 200
    assert api.post(f"/api/runs/{run_id}/cancel").json()["changed"] is True


def test_an_id_that_no_address_leads_to_is_refused(api: httpx.Client) -> None:
    """And there are no other such ends than those that are known: of pages and of the API."""
    paths = [route.path for route in ROUTES]
    paths += [str(getattr(route, "path", "")) for route in pages.run.routes()]
    paths += [str(getattr(route, "path", "")) for route in pages.acting.routes()]
    ends = {path.partition("}/")[2] for path in paths if "/runs/{id" in path} - {""}
    assert ends == set(RUN_PARTS)
    for run_id in ("bulk", "a/..", "./a", *(f"a/{end}" for end in ends)):
        body = {"workflow": "wait", "payload": "never", "run_id": run_id}
        problem(api.post("/api/enqueue", json=body), 422, "payload_refused")
    for run_id in ("bulk/x", "a.json/..b", "cancel", "a/x.json", "/b", "c/"):
        mine = f"{uuid.uuid4()}{run_id}" if run_id != "cancel" else run_id
        enqueue(api, "wait", "never", run_id=mine)
        assert api.get(f"/api/runs/{quote(mine, safe='')}").json()["id"] == mine
        page = api.get(f"/runs/{quote(mine, safe='')}", headers={"accept": "text/html"})
        assert page.status_code == 200, mine


def test_the_workflows_are_listed_with_what_they_take_but_not_ours(api: httpx.Client) -> None:
    ended(api, enqueue(api, "typed", {"amount": 1}))
    found = {w["name"]: w for w in api.get("/api/workflows").json()["workflows"]}
    assert found.keys() == {"ask", "typed", "wait", "fail"}
    assert "amount" in str(found["typed"]["payload"])


# --- approvals


def test_an_approval_is_read_and_answered_and_its_run_goes_on(
    api: httpx.Client, here: Site
) -> None:
    approval_id = ask(api, to=["bob"], body="**42** pieces")
    shown = api.get(f"/api/approvals/{approval_id}").json()
    assert shown["title"] == "Sign?" and shown["body"] == "**42** pieces"
    assert shown["state"] == "open" and shown["options"] == ["approve", "reject"]
    with here.client("bob") as bob:
        answer = {"answer": "approve", "digest": shown["digest"], "comment": "fine"}
        decided = bob.post(f"/api/approvals/{approval_id}/answer", json=answer).json()
    assert (decided["outcome"], decided["decided_by"], decided["channel"]) == (
        "approve",
        "bob",
        "api",
    )
    assert TIME.fullmatch(decided["decided_at"])
    assert decided["answers"][0]["comment"] == "fine"
    assert ended(api, shown["run_id"])["result"] == ["approve", "bob", "api"]


def test_who_comes_second_is_told_who_was_first(api: httpx.Client, here: Site) -> None:
    approval_id = ask(api, to=["bob", "cleo"])
    with here.client("bob") as bob, here.client("cleo") as cleo:
        bob.post(f"/api/approvals/{approval_id}/answer", json={"answer": "reject"})
        late = cleo.post(f"/api/approvals/{approval_id}/answer", json={"answer": "approve"})
    said = problem(late, 409, "already_decided")
    assert (said["outcome"], said["by"], said["channel"]) == ("reject", "bob", "api")
    assert TIME.fullmatch(said["at"])


def test_who_is_not_asked_may_not_answer_though_they_are_an_operator(api: httpx.Client) -> None:
    approval_id = ask(api, to=["bob"])
    refused = api.post(f"/api/approvals/{approval_id}/answer", json={"answer": "approve"})
    problem(refused, 403, "not_allowed")
    assert api.get(f"/api/approvals/{approval_id}").json()["state"] == "open"


def test_a_form_that_does_not_fit_names_the_field_and_the_run_waits_on(
    api: httpx.Client, here: Site
) -> None:
    approval_id = ask(api, to=["bob"], form=True)
    path = f"/api/approvals/{approval_id}/answer"
    with here.client("bob") as bob:
        wrong = bob.post(path, json={"answer": "approve", "value": {"amount": "many"}})
        assert problem(wrong, 422, "answer_refused")["field"] == "amount"
        missing = bob.post(path, json={"answer": "approve"})
        assert problem(missing, 422, "answer_refused")["field"] == "value"
        right = bob.post(path, json={"answer": "approve", "value": {"amount": 3, "why": "x"}})
    assert right.json()["answers"][0]["value"] == {"amount": 3, "why": "x"}


def test_content_that_is_not_what_was_seen_is_not_decided(api: httpx.Client, here: Site) -> None:
    approval_id = ask(api, to=["bob"])
    with here.client("bob") as bob:
        answer = {"answer": "approve", "digest": "0" * 64}
        refused = bob.post(f"/api/approvals/{approval_id}/answer", json=answer)
    now = api.get(f"/api/approvals/{approval_id}").json()["digest"]
    assert problem(refused, 409, "content_changed")["digest"] == now


def test_an_approval_whose_run_was_cancelled_is_gone_for_who_answers(
    api: httpx.Client, here: Site
) -> None:
    approval_id = ask(api, to=["bob"])
    run_id = api.get(f"/api/approvals/{approval_id}").json()["run_id"]
    api.post(f"/api/runs/{run_id}/cancel")
    with here.client("bob") as bob:
        late = bob.post(f"/api/approvals/{approval_id}/answer", json={"answer": "approve"})
    assert problem(late, 410, "approval_closed")["state"] == "withdrawn"


def test_an_approval_that_nobody_knows_is_not_found(api: httpx.Client) -> None:
    for path in ("/api/approvals/nope", "/api/approvals/nope/history"):
        problem(api.get(path), 404, "approval_not_found")
    answer = api.post("/api/approvals/nope/answer", json={"answer": "approve"})
    problem(answer, 404, "approval_not_found")


def test_what_waits_for_me_is_mine_until_i_have_answered(api: httpx.Client, here: Site) -> None:
    mine, other = ask(api, to=["cleo"]), ask(api, to=["bob"])

    def ids(client: httpx.Client) -> set[str]:
        found = client.get("/api/approvals", params={"mine": "true", "limit": 200}).json()
        return {approval["id"] for approval in found["approvals"]}

    with here.client("cleo") as cleo:
        assert mine in ids(cleo) and other not in ids(cleo)
        cleo.post(f"/api/approvals/{mine}/answer", json={"answer": "approve"})
        assert mine not in ids(cleo)


def test_pages_of_approvals_have_each_once(api: httpx.Client) -> None:
    made = {ask(api, to=["cleo"]) for _ in range(3)}
    seen, cursor = [], None
    while True:
        query = httpx.QueryParams({"limit": 2})
        query = query.set("cursor", cursor) if cursor else query
        page = api.get("/api/approvals", params=query).json()
        seen += [approval["id"] for approval in page["approvals"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) and made <= set(seen)


def test_who_delegates_hands_it_over_and_saying_it_again_changes_nothing(
    api: httpx.Client, here: Site
) -> None:
    approval_id = ask(api, to=["bob"])
    path = f"/api/approvals/{approval_id}"
    with here.client("bob") as bob, here.client("cleo") as cleo:
        first = bob.post(f"{path}/delegate", json={"to": "cleo", "comment": "on holiday"})
        assert first.json()["delegated"] == [{"from": "bob", "to": "cleo"}]
        again = bob.post(f"{path}/delegate", json={"to": "cleo", "comment": "on holiday"})
        assert again.json() == first.json()
        problem(bob.post(f"{path}/answer", json={"answer": "approve"}), 403, "not_allowed")
        decided = cleo.post(f"{path}/answer", json={"answer": "approve"}).json()
    assert decided["decided_by"] == "cleo"


def test_links_are_made_for_who_is_asked_and_can_be_revoked(api: httpx.Client) -> None:
    approval_id = ask(api, to=["bob"])
    path = f"/api/approvals/{approval_id}/links"
    made = api.post(path, json={"person": "bob", "answers": ["approve"], "ttl": 60})
    assert made.status_code == 201
    link = made.json()
    assert link["url"].startswith(f"{api.base_url}/l/".replace("//l", "/l"))
    assert link["answers"] == ["approve"] and TIME.fullmatch(link["expires_at"])
    problem(api.post(path, json={"person": "cleo"}), 403, "not_allowed")
    assert api.post(f"{path}/revoke", json={"person": "bob"}).json() == {"revoked": 1}
    assert api.post(f"{path}/revoke").json() == {"revoked": 0}


def test_the_history_of_an_approval_says_who_did_what_how_and_from_where(
    api: httpx.Client, here: Site
) -> None:
    approval_id = ask(api, to=["bob"])
    with here.client("bob") as bob:
        bob.post(f"/api/approvals/{approval_id}/answer", json={"answer": "maybe"})
        bob.post(f"/api/approvals/{approval_id}/answer", json={"answer": "approve"})
    rows = api.get(f"/api/approvals/{approval_id}/history").json()["rows"]
    assert [row["kind"] for row in rows][:4] == ["asked", "refused", "answered", "decided"]
    answered = rows[2]
    assert (answered["person"], answered["auth"], answered["channel"], answered["address"]) == (
        "bob",
        "token",
        "api",
        "127.0.0.1",
    )
    assert answered["detail"]["answer"] == "approve"
    first = api.get(f"/api/approvals/{approval_id}/history", params={"limit": 1}).json()
    query = {"cursor": first["next"]}
    rest = api.get(f"/api/approvals/{approval_id}/history", params=query).json()
    assert first["rows"] + rest["rows"] == rows


# --- what cannot be used


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/signal", {}, "event"),
        ("/api/signal", {"event": "x", "paylod": 1}, "paylod"),
        ("/api/signal", {"event": ""}, "event"),
        ("/api/signal", {"event": "a\nb"}, "event"),
        ("/api/signal", {"event": "a\n"}, "event"),
        ("/api/signal", {"event": "x" * 501}, "event"),
        ("/api/signal", {"event": "x", "key": 7}, "key"),
        ("/api/signal", [], ""),
        ("/api/enqueue", {"workflow": "typed", "priority": 2**70}, "priority"),
        ("/api/enqueue", {"workflow": "typed", "priority": 1.5}, "priority"),
        ("/api/enqueue", {"workflow": "typed", "delay": -1}, "delay"),
        ("/api/enqueue", {"workflow": "typed", "delay": 1e300}, "delay"),
        ("/api/enqueue", {"workflow": "typed", "run_at": "2026-01-01T00:00:00"}, "run_at"),
        ("/api/enqueue", {"workflow": "typed", "run_at": "tomorrow"}, "run_at"),
        ("/api/enqueue", {"workflow": "typed", "retries": -1}, "retries"),
        ("/api/enqueue", {"workflow": "typed", "person": "ana"}, "person"),
        ("/api/approvals/x/links", {"person": "bob", "ttl": 0}, "ttl"),
        ("/api/approvals/x/links", {"person": "bob", "answers": [""]}, "answers[0]"),
        ("/api/approvals/x/answer", {"answer": "approve", "digest": "abc"}, "digest"),
        ("/api/approvals/x/answer", {"answer": "approve", "by": "bob"}, "by"),
        ("/api/signal?event=x", {"event": "x"}, "event"),
    ],
)
def test_a_body_that_cannot_be_used_names_the_field(
    api: httpx.Client, path: str, body: object, field: str
) -> None:
    said = api.post(path, json=body)
    assert said.json()["field"] == field
    assert said.status_code == 422 and said.json()["type"] == "tako:invalid"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/runs?state=asleep", "state"),
        ("/api/runs?limit=0", "limit"),
        ("/api/runs?limit=201", "limit"),
        ("/api/runs?limit=99999999999999999999999", "limit"),
        ("/api/runs?limit=ten", "limit"),
        ("/api/runs?limit=1&limit=2", "limit"),
        ("/api/runs?satte=failed", "satte"),
        ("/api/runs?cursor=", "cursor"),
        ("/api/approvals?mine=perhaps", "mine"),
        ("/api/approvals/x?limit=1", "limit"),
        ("/api/approvals/x/history?cursor=-1", "cursor"),
        ("/api/waits?event=", "event"),
    ],
)
def test_a_query_that_cannot_be_used_names_the_parameter(
    api: httpx.Client, path: str, field: str
) -> None:
    said = api.get(path)
    assert said.json()["field"] == field
    assert said.status_code == 422 and said.json()["type"] == "tako:invalid"


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b'{"event": "\xff"}', b'{"event": "\\ud800"}', b"[" * 100_000, b"1" * 5000],
)
def test_a_body_that_is_no_json_is_a_bad_request(api: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    said = api.post("/api/signal", content=body, headers=headers)
    assert said.status_code in (400, 422), said.text


def test_a_body_that_does_not_say_it_is_json_is_refused(api: httpx.Client) -> None:
    """A page of another site can send a form without being asked, but not JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        sent = api.post("/api/signal", content=b'{"event":"x"}', headers={"content-type": kind})
        problem(sent, 415, "wrong_type")


def test_a_path_that_leads_nowhere_and_a_method_that_does_nothing(api: httpx.Client) -> None:
    said = problem(api.get("/api/nothing"), 404, "not_found")
    there = "there is nothing at /api/nothing: /api/openapi.json lists what there is"
    assert said["detail"] == there
    problem(api.get("/api"), 404, "not_found")
    problem(api.get("/api/runs/"), 404, "not_found")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        sent = api.request(method, "/api/runs")
        detail = problem(sent, 405, "wrong_method")["detail"]
        allowed = sent.headers["allow"]
        assert set(allowed.split(", ")) == {"GET", "HEAD"}
        assert detail == f"{method} is not possible at /api/runs, only {allowed}"
    problem(api.get("/api/enqueue"), 405, "wrong_method")
    problem(api.get("/api/runs/x/cancel"), 405, "wrong_method")


def test_head_is_get_without_the_body(api: httpx.Client) -> None:
    said = api.head("/api/runs")
    assert said.status_code == 200 and said.content == b""


def test_what_nobody_expected_is_logged_and_says_nothing_inside(
    api: httpx.Client, here: Site
) -> None:
    run_id = enqueue(api, "fail", "as it should")
    ended(api, run_id)
    with sqlite3.connect(here.app.db, timeout=5) as outside:
        outside.execute("UPDATE runs SET error = '{}' WHERE id = ?", [run_id])
    said = api.get(f"/api/runs/{run_id}")
    found = problem(said, 500, "internal")
    assert found.keys() == {"type", "title", "status", "detail", "instance"}
    assert "missing required field" not in said.text
    here.server.wait_log("missing required field")
    assert api.get("/api/me").status_code == 200


# --- who


def test_me_is_who_the_token_was_made_for(here: Site) -> None:
    with here.client("boss", "approver") as client:  # an alias of ana
        me = client.get("/api/me").json()
    assert (me["person"], me["name"], me["role"], me["auth"]) == (
        "ana",
        "Ana Admin",
        "approver",
        "token",
    )
    assert me["groups"] == ["group:finance"]
    assert me["credential"]["scopes"] == ["approver"]


def test_who_shows_nothing_or_something_else_is_told_to_log_in(here: Site) -> None:
    with here.client(None) as nobody:
        said = nobody.get("/api/me")
        problem(said, 401, "not_logged_in")
        assert said.headers["www-authenticate"].startswith("Bearer")
        for given in ("Basic YTpi", "tako_x", ""):
            said = nobody.get("/api/me", headers={"authorization": given})
            problem(said, 401, "not_logged_in")


def test_a_token_that_is_over_is_none(here: Site) -> None:
    token = here.token("ana", ttl=-1)
    unknown = new_secret(TOKEN)
    details = set()
    with here.client(None) as nobody:
        for given in (token, unknown, "tako_nonsense", "x"):
            said = nobody.get("/api/me", headers={"authorization": f"Bearer {given}"})
            details.add(problem(said, 401, "bad_token")["detail"])
            assert said.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert len(details) == 1, "who tries tokens learns nothing of them"
    assert "unknown, expired or revoked" in details.pop()


def test_the_same_run_is_asked_for_by_its_id_only(api: httpx.Client) -> None:
    run_id = enqueue(api, "ask", {"to": ["bob"]})
    approval_id = asked(api, run_id)
    found = api.get("/api/approvals", params={"run": run_id, "state": "all"}).json()
    assert [approval["id"] for approval in found["approvals"]] == [approval_id]
