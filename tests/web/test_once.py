"""Sent twice with one `Idempotency-Key`: done once, and answered alike."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.web.site import Site, ask, problem, site


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("once")) as found:
        yield found


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


@pytest.mark.parametrize("key", ["", "a b", "\u00fc", "x" * 201])
def test_a_key_that_cannot_be_one_is_refused(api: httpx.Client, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    refused = api.post("/api/signal", json={"event": "x"}, headers=headers)
    assert problem(refused, 400, "bad_request")["field"] == "Idempotency-Key"
