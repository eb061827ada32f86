"""Every role against every route of the API: who may is in the table, and nowhere else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tako.model import Role
from tako.web.api.calls import Route
from tako.web.api.table import ROUTES
from tests.web.site import Site, ask

ORDER = [Role.VIEWER, Role.APPROVER, Role.OPERATOR]
PEOPLE = {Role.VIEWER: "vic", Role.APPROVER: "bob", Role.OPERATOR: "ana"}
# A body that a route takes, so that who may gets past the check of it.
BODIES: dict[str, dict[str, Any]] = {
    "/api/enqueue": {"workflow": "typed", "payload": {"amount": 1}},
    "/api/signal": {"event": "roles"},
    "/api/runs/bulk": {"do": "cancel", "runs": ["nope"]},
    "/api/approvals/answer": {"answer": "approve", "approvals": [{"id": "nope"}]},
    "/api/approvals/{id}/answer": {"answer": "no such"},
    "/api/approvals/{id}/delegate": {"to": "cleo"},
    "/api/approvals/{id}/links": {"person": "bob"},
}


@pytest.fixture(scope="module")
def clients(here: Site) -> Iterator[dict[str, httpx.Client]]:
    """By the role they have, or as which nothing is allowed."""
    known = {str(role): here.client(person) for role, person in PEOPLE.items()}
    # An operator's token with fewer scopes is worth no more than they say.
    scoped = {f"ana as {role}": here.client("ana", role) for role in ORDER}
    others = {"nobody": here.client(None), "without a role": here.client("zoe")}
    yield known | scoped | others
    for client in (*known.values(), *scoped.values(), *others.values()):
        client.close()


def send(client: httpx.Client, route: Route) -> httpx.Response:
    path = route.path.replace("{id}", "nope")
    if route.method == "GET":
        return client.get(path)
    return client.post(path, json=BODIES.get(route.path, {}))


def test_every_route_names_a_role() -> None:
    assert [route.path for route in ROUTES if route.role not in ORDER] == []


def test_what_changes_something_takes_more_than_a_viewer() -> None:
    for route in ROUTES:
        assert (route.method == "POST") == (route.role is not Role.VIEWER), route.path


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_a_route_lets_in_whom_its_role_says(route: Route, clients: dict[str, httpx.Client]) -> None:
    problem = "application/problem+json"
    for who, client in clients.items():
        said = send(client, route)
        role = who.removeprefix("ana as ")
        if role == "nobody":
            assert said.status_code == 401, who
        elif role == "without a role" or ORDER.index(Role(role)) < ORDER.index(route.role):
            assert said.status_code == 403, who
            assert said.headers["content-type"] == problem
            assert said.json()["role"] == route.role, "what it takes"
        else:  # let in: what comes of it is not the matter here
            assert said.status_code not in (401, 403, 405, 415), (who, said.text)
            assert said.status_code < 500, (who, said.text)


def test_who_may_not_changes_nothing_and_learns_nothing(
    here: Site, clients: dict[str, httpx.Client]
) -> None:
    operator = clients["operator"]
    approval_id = ask(operator, to=["bob"])
    for who in ("nobody", "without a role", "viewer", "ana as viewer"):
        for route in ROUTES:
            if route.method == "POST":
                path = route.path.replace("{id}", approval_id)
                body = BODIES.get(route.path, {})
                if path == "/api/approvals/answer":
                    body = {"answer": "approve", "approvals": [{"id": approval_id}]}
                elif path.endswith("/answer"):
                    body = {"answer": "approve"}
                said = clients[who].post(path, json=body)
                assert said.status_code in (401, 403), (who, path)
                assert "Sign?" not in said.text
    shown = operator.get(f"/api/approvals/{approval_id}").json()
    assert (shown["state"], shown["answers"], shown["delegated"]) == ("open", [], [])
    rows = operator.get(f"/api/approvals/{approval_id}/history").json()["rows"]
    assert [row["kind"] for row in rows] == ["asked"]
