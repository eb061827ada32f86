"""What a page can do the API can too, and who may do it there may do it here.

A form that is added to a page fails here until it names the routes of the API that do the same.
"""

import httpx
import pytest

import tako
from tako.model import Approval
from tako.web.api.table import ROUTES
from tests.web.browser import Visitor, csrf_of
from tests.web.desk import Desk
from tests.web.pressing import CLICK
from tests.web.site import Site
from tests.web.test_one_path import posts

ANSWER, DELEGATE = "/api/approvals/{id}/answer", "/api/approvals/{id}/delegate"
TWINS = {  # the route of a page -> those of the API that do what its buttons do
    "/approvals/{id}/answer": {ANSWER},
    "/approvals/{id}/delegate": {DELEGATE},
    "/approvals/{id}/remind": {"/api/approvals/{id}/remind"},
    "/inbox/selected": {"/api/approvals/answer"},
    "/l/{token}": {ANSWER},
    "/runs/bulk": {"/api/runs/bulk"},
    "/runs/{id}/act": {"/api/runs/{id}/cancel", "/api/runs/{id}/rerun", "/api/signal"},
    "/waiting": {"/api/signal"},
    "/workflows/{name}": {"/api/enqueue"},
}
ABOUT_WHO = {"/login", "/logout"}  # a program has a token
NOT_PAGES = {"/hooks/{name}"}
API = {route.path: route for route in ROUTES if route.method == "POST"}
PEOPLE = ("ana", "bo", "vic", "asked", "out", "")  # "": nobody; "asked" and "out" have no role


def test_every_form_of_a_page_has_its_twin_in_the_api() -> None:
    pages = {path for path in posts() if not path.startswith("/api")} - NOT_PAGES - ABOUT_WHO
    assert pages == TWINS.keys()
    assert {twin for twins in TWINS.values() for twin in twins} <= API.keys()


@pytest.fixture
def approval(the_desk: Desk) -> Approval:
    return the_desk.ask(to=["ana", "asked", "group:finance"])


def forms(a: Approval) -> dict[str, tuple[str, dict[str, str]]]:
    """A form of each page, which would do something: where to, and what is in it."""
    answer = {"answer": "approve", "digest": a.digest}
    return {
        "/approvals/{id}/answer": (f"/approvals/{a.id}/answer", answer),
        "/approvals/{id}/delegate": (f"/approvals/{a.id}/delegate", {"to": "cy"}),
        "/approvals/{id}/remind": (f"/approvals/{a.id}/remind", {}),
        "/inbox/selected": ("/inbox/selected", answer | {"picks": f"{a.id}.{a.digest}"}),
        "/runs/bulk": ("/runs/bulk", {"do": "cancel", "run": a.run_id, "sure": "1"}),
        "/runs/{id}/act": (f"/runs/{a.run_id}/act", {"do": "cancel"}),
        "/waiting": ("/waiting", {"event": "twins"}),
        "/workflows/{name}": ("/workflows/ask", {"value": '{"title": "twin"}'}),
    }


def bodies(a: Approval) -> dict[str, object]:
    """What does the same, by route of the API."""
    answer = {"answer": "approve", "digest": a.digest}
    picks = [{"id": a.id, "digest": a.digest}]
    return {
        ANSWER: answer,
        DELEGATE: {"to": "cy"},
        "/api/approvals/{id}/remind": {},
        "/api/approvals/answer": {"answer": "approve", "approvals": picks},
        "/api/runs/bulk": {"do": "cancel", "runs": [a.run_id]},
        "/api/runs/{id}/cancel": {},
        "/api/runs/{id}/rerun": {},
        "/api/signal": {"event": "twins"},
        "/api/enqueue": {"workflow": "ask", "payload": {"title": "twin"}},
    }


def state(the_desk: Desk, a: Approval) -> object:
    """What anything of this may have changed."""
    now = the_desk.now(a)
    return tako.get_sync(a.run_id).state, now.state, now.answers, now.delegated


def may_page(visitor: Visitor, path: str, data: dict[str, str]) -> bool:
    """Whether it was let in; whoever is nobody has no page to take a token from but the login."""
    token = csrf_of(visitor.get("/login").text) if visitor.session is None else _token(visitor)
    sent = visitor.http.post(path, data={"csrf": token, **data}, headers=CLICK)
    assert sent.status_code < 500, sent.text
    login = sent.status_code == 303 and "/login" in sent.headers["location"]
    refused = any(text in sent.text for text in ("Not there", "Not for you to answer"))
    return not (login or refused or sent.status_code == 403)


def _token(visitor: Visitor) -> str:
    return csrf_of(visitor.get("/logout").text)


def may_api(visitor: Visitor, path: str, body: object) -> bool:
    sent = visitor.http.post(path, json=body, headers={"Sec-Fetch-Site": "same-origin"})
    assert sent.status_code < 500, sent.text
    return sent.status_code not in (401, 403) and '"status":403' not in sent.text


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("path", sorted(TWINS.keys() - {"/l/{token}"}))
def test_who_may_do_it_on_a_page_may_do_it_by_the_api_and_nobody_else(
    the_desk: Desk, visitors: dict[str, Visitor], approval: Approval, path: str, name: str
) -> None:
    before = state(the_desk, approval)
    again = the_desk.ask(to=["ana", "asked", "group:finance"])
    by_page = may_page(visitors[name], *forms(approval)[path])
    if not by_page:
        assert state(the_desk, approval) == before, "refused, and yet it was done"
    for twin in TWINS[path]:
        target = twin.replace("{id}", again.run_id if "/runs/" in twin else again.id)
        assert may_api(visitors[name], target, bodies(again)[twin]) == by_page, twin


def test_a_program_of_somebody_without_the_role_answers_nothing_though_they_are_asked(
    the_desk: Desk, approval: Approval
) -> None:
    token = Site(the_desk.app, the_desk.server).token("asked")
    said = httpx.post(
        f"{the_desk.url}/api/approvals/{approval.id}/answer",
        json={"answer": "approve"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (said.status_code, said.json()["role"]) == (403, "approver")
