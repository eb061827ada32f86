"""Sent twice with one `Idempotency-Key`: done once, and answered alike."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import apsw
import httpx
import pytest

from tako.ids import same_id
from tests.web.site import Site, ask, ended, enqueue, problem


@pytest.fixture(scope="module")
def api(here: Site) -> Iterator[httpx.Client]:
    with here.client() as client:
        yield client


def test_an_answer_sent_twice_with_one_key_counts_once(api: httpx.Client, here: Site) -> None:
    approval_id = ask(api, to=["bob", "cleo"], quorum=2)
    path = f"/api/approvals/{approval_id}/answer"
    with here.client("bob") as bob:
        key = {"Idempotency-Key": "k1"}
        first = bob.post(path, json={"answer": "approve"}, headers=key)
        again = bob.post(path, json={"answer": "approve"}, headers=key)
        assert again.status_code == 200 and again.json() == first.json()
        other = bob.post(path, json={"answer": "approve"}, headers={"Idempotency-Key": "k2"})
    problem(other, 409, "already_answered")


def test_a_run_enqueued_twice_with_one_key_is_one_run(api: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"workflow": "typed", "payload": {"amount": 1}}
    first = api.post("/api/enqueue", json=body, headers=key)
    again = api.post("/api/enqueue", json=body, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.json()["created"] is True


def test_keys_of_two_people_are_two_keys(api: httpx.Client, here: Site) -> None:
    """Else one could take the place of another's request, or learn of it."""
    approval_id = ask(api, to=["bob", "cleo"], quorum=2)
    path, key = f"/api/approvals/{approval_id}/answer", {"Idempotency-Key": "same"}
    with here.client("bob") as bob, here.client("cleo") as cleo:
        bob.post(path, json={"answer": "approve"}, headers=key)
        decided = cleo.post(path, json={"answer": "approve"}, headers=key).json()
    assert {answer["person"] for answer in decided["answers"]} == {"bob", "cleo"}


def test_a_signal_sent_twice_with_one_key_is_one_signal(api: httpx.Client) -> None:
    event, key = f"once:{uuid.uuid4()}", {"Idempotency-Key": "again"}
    for _ in range(2):
        sent = api.post("/api/signal", json={"event": event}, headers=key)
        assert sent.json()["outcome"] == "buffered"
    assert len(api.get("/api/waits", params={"event": event}).json()["events"]) == 1


def test_a_reminder_sent_twice_with_one_key_reminds_once(api: httpx.Client) -> None:
    approval_id = ask(api, to=["bob"], tell=True)
    for _ in range(2):
        key = {"Idempotency-Key": "r"}
        sent = api.post(f"/api/approvals/{approval_id}/remind", headers=key)
        assert sent.json() == {"people": ["bob"]}
    rows = api.get(f"/api/approvals/{approval_id}/history").json()["rows"]
    assert sum(row["kind"] == "reminded" for row in rows) == 1


def twice(api: httpx.Client, path: str, body: object, key: str) -> list[httpx.Response]:
    return [api.post(path, json=body, headers={"Idempotency-Key": key}) for _ in range(2)]


def test_a_key_with_another_body_is_refused_and_does_nothing(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "bodies"}
    body = {"workflow": "typed", "payload": {"amount": 1, "why": "x"}}
    run_id = api.post("/api/enqueue", json=body, headers=key).json()["run_id"]
    other = body | {"payload": {"amount": 2}}
    problem(api.post("/api/enqueue", json=other, headers=key), 422, "key_reused")
    before = api.get("/api/runs", params={"workflow": "typed"}).json()["runs"]
    assert before[0]["id"] == run_id
    text = '{ "payload": {"why": "x", "amount": 1}, "workflow": "typed" }'
    spelt = {"Content-Type": "application/json"} | key
    same = api.post("/api/enqueue", content=text, headers=spelt)
    assert (same.status_code, same.json()["run_id"]) == (201, run_id)


def test_a_key_is_that_of_one_path(api: httpx.Client) -> None:
    for event in ("one", "two"):
        key = {"Idempotency-Key": "paths"}
        run_id = enqueue(api, "wait", event)
        assert api.post(f"/api/runs/{run_id}/cancel", headers=key).json()["changed"] is True


def test_what_was_refused_may_be_tried_again_with_its_key(api: httpx.Client) -> None:
    run_id, key = enqueue(api, "wait", "later"), {"Idempotency-Key": "tried"}
    path = f"/api/runs/{run_id}/rerun"
    problem(api.post(path, headers=key), 409, "wrong_state")
    api.post(f"/api/runs/{run_id}/cancel")
    assert api.post(path, headers=key).status_code == 200


def test_two_requests_for_a_link_with_one_key_make_one_link(api: httpx.Client, here: Site) -> None:
    path = f"/api/approvals/{ask(api, to=['bob'])}/links"
    first, again = twice(api, path, {"person": "bob"}, "link")
    assert (again.status_code, again.json()) == (201, first.json())
    assert api.post(path, json={"person": "bob"}).json()["url"] != first.json()["url"]
    token = first.json()["url"].rpartition("/")[2].encode()
    files = here.app.db, here.app.db.with_name(f"{here.app.db.name}-wal")
    assert not any(token in file.read_bytes() for file in files), "it is a secret"


def test_a_run_is_rerun_once_with_one_key_though_it_has_ended_in_between(
    api: httpx.Client,
) -> None:
    run_id = ended(api, enqueue(api, "fail", "x"))["id"]
    path, key = f"/api/runs/{run_id}/rerun", {"Idempotency-Key": "again"}
    assert api.post(path, json={}, headers=key).json() == {"state": "pending"}
    first = ended(api, run_id)
    assert api.post(path, json={}, headers=key).json() == {"state": "pending"}
    assert api.get(f"/api/runs/{run_id}").json() == first


def test_the_reply_to_a_request_that_is_sent_again_is_the_first(api: httpx.Client) -> None:
    one, two = (enqueue(api, "wait", f"first:{n}") for n in range(2))
    asked_id = ask(api, to=["bob"])
    api.post(f"/api/approvals/{asked_id}/links", json={"person": "bob"})
    requests: list[tuple[str, object]] = [
        (f"/api/runs/{one}/cancel", {"reason": "x"}),
        ("/api/runs/bulk", {"do": "cancel", "runs": [two]}),
        (f"/api/approvals/{asked_id}/links/revoke", {}),
    ]
    for path, body in requests:
        first, again = twice(api, path, body, "first")
        assert (first.status_code, again.json()) == (200, first.json()), path
    assert first.json() == {"revoked": 1}


def lose(here: Site, path: str, key: str) -> None:
    """The reply to a request of ana's, as if all had stopped when it was done, not yet answered."""
    with closing(apsw.Connection(str(here.app.db))) as outside:
        outside.set_busy_timeout(10_000)
        kept = same_id("ana", path, key)
        outside.execute("UPDATE requests SET reply = NULL WHERE id = ?", (kept,))
        assert outside.changes() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/runs/{id}/cancel", lambda run_id: {"reason": "x"}),
        ("/api/runs/bulk", lambda run_id: {"do": "cancel", "runs": [run_id]}),
    ],
)
def test_a_cancel_whose_reply_was_lost_does_not_end_the_run_again_after_a_rerun(
    api: httpx.Client, here: Site, path: str, body: Callable[[str], object]
) -> None:
    run_id = enqueue(api, "wait", "lost")
    path, key = path.replace("{id}", run_id), {"Idempotency-Key": "lost"}
    first = api.post(path, json=body(run_id), headers=key)
    assert api.get(f"/api/runs/{run_id}").json()["state"] == "cancelled"
    api.post(f"/api/runs/{run_id}/rerun")
    lose(here, path, "lost")
    assert api.post(path, json=body(run_id), headers=key).json() == first.json()
    assert api.get(f"/api/runs/{run_id}").json()["state"] != "cancelled"


@pytest.mark.parametrize("do", ["cancel", "rerun"])
def test_many_runs_whose_reply_was_lost_are_done_and_not_left_when_it_is_asked_again(
    api: httpx.Client, here: Site, do: str
) -> None:
    runs = [enqueue(api, "wait", f"lost:{do}") for _ in range(2)]
    other = ended(api, enqueue(api, "typed", {"amount": 1}))["id"]
    if do == "rerun":
        api.post("/api/runs/bulk", json={"do": "cancel", "runs": runs})
    body = {"do": do, "runs": [*runs, other]}
    path, key = "/api/runs/bulk", {"Idempotency-Key": f"lost-{do}"}
    first = api.post(path, json=body, headers=key).json()
    assert first["done"] == 2
    assert [run["outcome"] for run in first["runs"]] == ["done", "done", "left"]
    lose(here, path, f"lost-{do}")
    again = api.post(path, json=body, headers=key).json()
    assert [run["outcome"] for run in again["runs"]] == ["done", "done", "left"]


def test_links_revoked_by_a_request_whose_reply_was_lost_are_those_of_then(
    api: httpx.Client, here: Site
) -> None:
    links = f"/api/approvals/{ask(api, to=['bob'])}/links"
    path, key = f"{links}/revoke", {"Idempotency-Key": "lost"}
    api.post(links, json={"person": "bob"})
    assert api.post(path, json={}, headers=key).json() == {"revoked": 1}
    lose(here, path, "lost")
    link = api.post(links, json={"person": "bob"}).json()["url"]
    assert api.post(path, json={}, headers=key).json() == {"revoked": 1}
    with here.client(None) as bob:
        assert bob.get(link).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "\u00fc", "x" * 201])
def test_a_key_that_cannot_be_one_is_refused(api: httpx.Client, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    refused = api.post("/api/signal", json={"event": "x"}, headers=headers)
    assert problem(refused, 400, "bad_request")["field"] == "Idempotency-Key"
