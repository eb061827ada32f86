"""The mode proxy: whom the proxy names, and nobody whom somebody else names."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support import AppFixture, free_port, make_app, server, tako
from tests.web.browser import Visitor, said

PROXY, STRANGER = "127.0.0.1", "127.0.0.2"
TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    url = "https://tako.example"
    auth = "proxy"

    [web.proxy]
    trusted = ["127.0.0.1", "10.0.0.0/8", "::1"]
    person_header = "X-Person"
    groups_header = "X-Groups"

    [roles]
    operator = ["ana", "group:admins"]
    approver = ["group:finance"]
    viewer = ["ben"]
"""
PEOPLE = """
    [ana]
    name = "Ana Lima"
    email = "ana@example.com"
    aliases = ["al"]
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    folder = tmp_path_factory.mktemp("proxy")
    app = make_app(folder, {"people.toml": PEOPLE}, toml=TOML.format(port=free_port()))
    with server(app) as process:
        process.wait_log("app app: https://tako.example")
        yield app


def url(app: AppFixture) -> str:
    listen = (app.dir / "tako.toml").read_text().partition('listen = "')[2].partition('"')[0]
    return f"http://{listen}"


def seen(app: AppFixture, address: str = PROXY, **headers: str) -> tuple[str | None, str | None]:
    """Name and role, as the pages show them to who sends these headers from this address."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with Visitor(url(app), address, **named) as visitor:
        return visitor.name, visitor.role


def test_the_proxy_says_who_somebody_is(app: AppFixture) -> None:
    assert seen(app, X_Person="ana") == ("Ana Lima", "operator")
    assert seen(app, X_Person="ben") == ("ben", "viewer")
    assert seen(app, X_Person="who-is-not-in-the-file") == ("who-is-not-in-the-file", None)


@pytest.mark.parametrize("name", ["ANA", "AL", "Ana@Example.com"])
def test_every_name_of_somebody_is_theirs(app: AppFixture, name: str) -> None:
    assert seen(app, X_Person=name) == ("Ana Lima", "operator")


def test_groups_that_the_proxy_names_count_too(app: AppFixture) -> None:
    assert seen(app, X_Person="cleo", X_Groups="staff, Finance") == ("cleo", "approver")
    assert seen(app, X_Person="cleo", X_Groups="finance,admins") == ("cleo", "operator")
    assert seen(app, X_Person="cleo", X_Groups="") == ("cleo", None)


def test_from_another_address_the_headers_are_nothing(app: AppFixture) -> None:
    assert seen(app, STRANGER, X_Person="ana", X_Groups="admins") == (None, None)
    spoofed = {"X-Forwarded-For": PROXY, "X-Real-IP": PROXY, "Forwarded": f"for={PROXY}"}
    with Visitor(url(app), STRANGER, **{"X-Person": "ana"}, **spoofed) as stranger:
        page = stranger.get("/login")
        assert page.status_code == 401
        assert "The proxy in front of tako" in said(page)
        assert stranger.get("/api/runs").status_code == 401
        assert stranger.http.post("/api/signal", json={"event": "x"}).status_code == 401


def test_no_name_two_names_and_names_of_nobody_are_nobody(app: AppFixture) -> None:
    assert seen(app) == (None, None)
    for name in ("", "*", "group:admins", "Group:admins", "x" * 300):
        assert seen(app, X_Person=name) == (None, None)
    twice = [("X-Person", "ben"), ("X-Person", "ana")]
    assert httpx.get(f"{url(app)}/api/runs", headers=twice).status_code == 401


def test_a_group_header_alone_makes_nobody_an_operator(app: AppFixture) -> None:
    assert seen(app, X_Groups="admins") == (None, None)


def test_a_name_in_utf_8_is_read_as_it_is(app: AppFixture) -> None:
    headers = {b"X-Person": "Zoë".encode(), b"Accept": b"text/html"}
    assert "Zoë" in httpx.get(f"{url(app)}/login", headers=headers).text


def test_roles_hold_at_the_api(app: AppFixture) -> None:
    def status(person: str, method: str, path: str) -> int:
        body = {"event": "e"} if method == "POST" else None
        headers = {"X-Person": person}
        return httpx.request(method, url(app) + path, headers=headers, json=body).status_code

    assert status("ben", "GET", "/api/runs") == 200
    assert status("ben", "POST", "/api/signal") == 403
    assert status("nobody", "GET", "/api/runs") == 403
    assert status("ana", "POST", "/api/signal") in (200, 201, 202)


def test_a_token_counts_from_the_proxy_alone_and_before_its_header(app: AppFixture) -> None:
    made = tako(app, "tokens", "create", "--person", "ben", "--scope", "operator")
    bearer = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert seen(app, PROXY, **bearer) == ("ben", "viewer")
    assert seen(app, PROXY, **bearer, X_Person="ana") == ("ben", "viewer")
    assert seen(app, STRANGER, **bearer) == (None, None)


def test_a_bearer_of_the_proxys_own_is_no_token_and_no_excuse(app: AppFixture) -> None:
    own = {"Authorization": "Bearer eyJhbGciOi"}
    assert seen(app, X_Person="ana", **own) == ("Ana Lima", "operator")
    headers = own | {"X-Person": "ana", "Origin": "https://evil.example"}
    done = httpx.post(f"{url(app)}/api/signal", headers=headers, json={"event": "x"})
    assert (done.status_code, done.json()["type"]) == (403, "tako:wrong_origin")


def test_a_password_of_the_proxys_own_does_not_open_it_to_other_sites(app: AppFixture) -> None:
    """A browser adds Basic credentials by itself, to what other sites send as well."""
    headers = {"Authorization": "Basic YTpi", "X-Person": "ana", "Sec-Fetch-Site": "cross-site"}
    done = httpx.post(f"{url(app)}/api/signal", headers=headers, json={"event": "x"})
    assert (done.status_code, done.json()["type"]) == (403, "tako:wrong_origin")


def test_the_proxy_logs_people_out_as_it_logged_them_in(app: AppFixture) -> None:
    with Visitor(url(app), PROXY, **{"X-Person": "ana"}) as visitor:
        assert visitor.http.post("/login", data={"name": "ben"}).status_code == 405
        assert "logs you out" in said(visitor.http.post("/logout"))
        assert visitor.name == "Ana Lima"
