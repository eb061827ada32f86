"""API tokens: what they may do, for how long, and what becomes of them with their person."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import AppFixture, free_port, make_app, server, tako, tako_json
from tests.web.browser import Visitor
from tests.web.crowd import users_app

ORDER = ("viewer", "approver", "operator")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    people = "".join(f'[{role}]\naliases = ["{role}-too"]\n\n' for role in (*ORDER, "nobody"))
    roles = "".join(f'{role} = ["{role}"]\n' for role in ORDER)
    toml = f'[web]\nlisten = "127.0.0.1:{free_port()}"\nauth = "users"\n\n[roles]\n{roles}'
    folder = tmp_path_factory.mktemp("tokens")
    app = make_app(folder, {"people.toml": people}, toml=toml)
    with server(app) as process:
        process.wait_http()
        yield app


def made(app: AppFixture, person: str, scope: str, **options: str) -> str:
    more = [text for name, value in options.items() for text in (f"--{name}", value)]
    created = tako_json(app, "tokens", "create", "--person", person, "--scope", scope, *more)
    return str(created["token"])


def call(app: AppFixture, token: str, method: str = "GET", path: str = "/api/runs") -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    body = {"event": "e"} if method == "POST" else None
    return httpx.request(method, app.url + path, headers=headers, json=body)


def role(app: AppFixture, token: str) -> str | None:
    with Visitor(app.url, Authorization=f"Bearer {token}") as visitor:
        return visitor.role


@pytest.mark.parametrize("scope", ORDER)
@pytest.mark.parametrize("person", [*ORDER, "nobody"])
def test_a_token_may_do_the_lesser_of_its_scope_and_its_persons_role(
    app: AppFixture, person: str, scope: str
) -> None:
    token = made(app, person, scope)
    least = None if person == "nobody" else min(person, scope, key=ORDER.index)
    assert role(app, token) == least
    assert call(app, token).status_code == (403 if least is None else 200)
    may_signal = call(app, token, "POST", "/api/signal").status_code in (200, 201, 202)
    assert may_signal == (least == "operator")


def test_an_alias_is_its_person(app: AppFixture) -> None:
    token = made(app, "Viewer-Too", "operator")
    assert role(app, token) == "viewer"
    tokens = tako_json(app, "tokens", "list", "--person", "VIEWER")
    assert tokens[0]["person"] == "viewer"


INVALID = 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("header", "kind", "scheme"),
    [
        ("Bearer", "not_logged_in", "Bearer"),
        ("Bearer tako_", "bad_token", INVALID),
        ("Bearer tako_" + "x" * 43, "bad_token", INVALID),
        ("Bearer nonsense", "bad_token", INVALID),
        ("Bearer tako_é", "bad_token", INVALID),
        ("Basic dGFrbzp0YWtv", "not_logged_in", "Bearer"),
        ("Token tako_x", "not_logged_in", "Bearer"),
    ],
)
def test_what_is_no_token_is_401_and_says_how_to_get_one(
    app: AppFixture, header: str, kind: str, scheme: str
) -> None:
    headers = {b"Authorization": header.encode("latin-1")}
    answer = httpx.get(f"{app.url}/api/runs", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == scheme
    assert answer.json()["type"] == f"tako:{kind}"
    assert "token" in answer.json()["detail"]


def test_the_scheme_may_be_written_in_any_case(app: AppFixture) -> None:
    headers = {"Authorization": f"bEaReR {made(app, 'viewer', 'viewer')}"}
    assert httpx.get(f"{app.url}/api/runs", headers=headers).status_code == 200


def test_the_cookie_of_a_session_is_no_token_and_a_token_is_no_cookie(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    with server(app) as process, Visitor(app.url) as visitor:
        process.wait_http()
        visitor.log_in("ana", "ana's password")
        assert call(app, str(visitor.session)).status_code == 401
        token = made(app, "ana", "operator")
        visitor.http.cookies.set("tako_session", token, domain="127.0.0.1")
        assert visitor.name is None


def test_a_revoked_token_is_over_at_once(app: AppFixture) -> None:
    token, other = made(app, "viewer", "viewer"), made(app, "viewer", "viewer", name="other")
    newest = tako_json(app, "tokens", "list")
    assert newest[0]["name"] == "other"
    assert tako_json(app, "tokens", "revoke", newest[1]["id"]) == {"revoked": 1}
    assert (call(app, token).status_code, call(app, other).status_code) == (401, 200)


def test_all_tokens_and_sessions_of_a_person_can_be_revoked(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    with server(app) as process, Visitor(app.url) as visitor:
        process.wait_http()
        visitor.log_in("ben", "bens password")
        tokens = [made(app, "ben", "viewer") for _ in range(2)]
        anas = made(app, "ana", "viewer")
        assert tako_json(app, "tokens", "revoke", "--person", "BEN") == {"revoked": 3}
        assert [call(app, token).status_code for token in (*tokens, anas)] == [401, 401, 200]
        assert visitor.name is None


def test_an_expired_token_is_over(app: AppFixture) -> None:
    begin = time.monotonic()
    token = made(app, "viewer", "viewer", expires="1500ms")
    while call(app, token).status_code == 200:
        assert time.monotonic() - begin < 20
    assert time.monotonic() - begin > 1.4
    assert call(app, token).status_code == 401


def test_who_loses_a_role_or_is_removed_takes_their_tokens_along(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    with server(app) as process:
        process.wait_http()
        token = made(app, "ana", "operator")
        assert role(app, token) == "operator"
        people = (app.dir / "people.toml").read_text()
        (app.dir / "people.toml").write_text(people.replace('["finance"]', "[]"))
        assert call(app, token).status_code == 403
        tako(app, "people", "remove", "ana")
        assert call(app, token).status_code == 401


def test_only_the_hash_of_a_token_is_kept(app: AppFixture) -> None:
    token = made(app, "viewer", "viewer")
    for file in app.data_dir.glob("runs.db*"):
        assert token.encode() not in file.read_bytes()
        assert token.removeprefix("tako_").encode() not in file.read_bytes()


def test_a_token_needs_no_browsers_courtesies_but_another_site_cannot_use_a_cookie(
    tmp_path: Path,
) -> None:
    app = users_app(tmp_path)
    with server(app) as process, Visitor(app.url) as visitor:
        process.wait_http()
        evil = {"Origin": "https://evil.example"}
        headers = {"Authorization": f"Bearer {made(app, 'ana', 'operator')}"} | evil
        signal = {"event": "x"}
        sent = httpx.post(f"{app.url}/api/signal", headers=headers, json=signal)
        assert sent.status_code in (200, 201, 202)
        visitor.log_in("ana", "ana's password")
        assert visitor.http.post("/api/signal", headers=evil, json=signal).status_code == 403
