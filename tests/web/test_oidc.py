"""Logging in at an OpenID Connect provider: a real one, that can be told to misbehave."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.support import AppFixture, accepts_tcp, free_port, make_app, server
from tests.web.browser import Visitor, said
from tests.web.oidc_provider import CLIENT, SECRET

TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "oidc"

    [web.oidc]
    issuer = "http://127.0.0.1:{provider}"
    client_id = "{client}"
    client_secret = "${{OIDC_SECRET}}"
    person_claim = "{claim}"
    groups_claim = "groups"

    [roles]
    operator = ["group:finance"]
    viewer = ["group:staff"]
"""
PEOPLE = """
    [ana]
    name = "Ana Lima"
    email = "ANA@example.com"
"""


class Provider:
    """The provider's process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.oidc_provider"],
            cwd=ROOT,
            env=os.environ | {"OIDC_PORT": str(self.port)},
        )
        while not accepts_tcp("127.0.0.1", self.port):
            assert self.process.poll() is None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def misbehave(self, **how: Any) -> None:
        httpx.post(f"{self.url}/trouble", json=how, verify=False).raise_for_status()


@pytest.fixture(scope="module")
def process() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(process: Provider) -> Iterator[Provider]:
    process.misbehave()
    yield process
    process.misbehave()


def oidc_app(folder: Path, provider: Provider, claim: str = "email") -> AppFixture:
    values = {"provider": provider.port, "client": CLIENT, "claim": claim}
    toml = TOML.format(port=free_port(), **values)
    return make_app(folder, {"people.toml": PEOPLE}, toml=toml)


ENV = {"OIDC_SECRET": SECRET}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, process: Provider) -> Iterator[AppFixture]:
    app = oidc_app(tmp_path_factory.mktemp("oidc"), process)
    with server(app, env=ENV) as started:
        started.wait_http()
        yield app


_visits = count(1)


@pytest.fixture
def visitor(app: AppFixture, provider: Provider) -> Iterator[Visitor]:
    """Each from an address of its own: one address may try a hundred times."""
    with Visitor(app.url, f"127.0.5.{next(_visits)}") as someone:
        yield someone


def go(visitor: Visitor, path: str = "/login") -> str:
    """To the provider; the address of its page."""
    away = visitor.get(path)
    assert away.status_code == 302, away.text
    return str(away.headers["location"])


def authorize(page: str, login: str = "ana") -> str:
    """Log in at the provider; the address of the way back."""
    back = httpx.post(page, data={"login": login}, verify=False)
    assert back.status_code == 302, back.text
    return str(back.headers["location"])


def log_in(visitor: Visitor, login: str = "ana", path: str = "/login") -> httpx.Response:
    return visitor.get(authorize(go(visitor, path), login))


# --- as it should be


def test_the_provider_says_who_somebody_is_and_in_which_groups(visitor: Visitor) -> None:
    done = log_in(visitor, path="/login?next=/approvals%3Fstate%3Dopen")
    assert (done.status_code, done.headers["location"]) == (303, "/approvals?state=open")
    assert visitor.who() == ("Ana Lima", "operator")


def test_who_is_in_no_people_file_is_known_by_the_claim(visitor: Visitor) -> None:
    log_in(visitor, "ben")
    assert visitor.who() == ("ben@example.com", "viewer")


def test_what_is_sent_to_the_provider_is_new_each_time_and_holds_no_secret(
    visitor: Visitor,
) -> None:
    first, second = (parse_qs(urlsplit(go(visitor)).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["redirect_uri"] == [str(visitor.http.base_url).rstrip("/") + "/oidc/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]
    verifiers = [cookie.value or "" for cookie in visitor.http.cookies.jar]
    assert not any(first["code_challenge"][0] in verifier for verifier in verifiers)


def test_two_tabs_can_log_in_at_one_time(visitor: Visitor) -> None:
    pages = [go(visitor, f"/login?next=/{n}") for n in range(3)]
    for n, page in enumerate(pages):
        assert visitor.get(authorize(page)).headers["location"] == f"/{n}"


def test_the_cookies_are_for_no_script_and_are_gone_afterwards(visitor: Visitor) -> None:
    away = visitor.get("/login")
    kept = away.headers["set-cookie"]
    assert all(flag in kept for flag in ("HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"))
    visitor.get(authorize(away.headers["location"]))
    left = {cookie.name for cookie in visitor.http.cookies.jar}
    assert left == {"tako_session", "tako_csrf"}


def test_a_provider_that_tells_more_at_its_userinfo_endpoint_is_asked(
    visitor: Visitor, provider: Provider
) -> None:
    provider.misbehave(thin=True)
    log_in(visitor)
    assert visitor.who() == ("Ana Lima", "operator")


def test_a_provider_that_wants_the_secret_in_the_body_gets_it_there(
    visitor: Visitor, provider: Provider
) -> None:
    provider.misbehave(method="client_secret_post")
    log_in(visitor)
    assert visitor.name == "Ana Lima"


def test_the_server_may_restart_while_somebody_is_at_the_provider(
    tmp_path: Path, provider: Provider
) -> None:
    app = oidc_app(tmp_path, provider)
    with Visitor(app.url) as visitor:
        with server(app, env=ENV) as started:
            started.wait_http()
            page = go(visitor)
        with server(app, env=ENV) as started:
            started.wait_http()
            visitor.get(authorize(page))
            assert visitor.name == "Ana Lima"


def test_logging_out_here_ends_the_session_here(visitor: Visitor) -> None:
    log_in(visitor)
    assert visitor.submit("/logout").headers["location"] == "/logout"
    assert "You are logged out" in visitor.get("/logout").text
    assert visitor.name is None


def test_nobody_logs_in_by_a_form_or_without_a_login(app: AppFixture, visitor: Visitor) -> None:
    assert visitor.http.post("/login", data={"name": "ana", "person": "ana"}).status_code == 405
    assert visitor.get("/api/runs").status_code == 401


# --- as it should not be

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("another nonce", {"claims": {"nonce": "x" * 43}}, "nonce"),
    ("no nonce", {"claims": {"nonce": None}}, "nonce"),
    ("another audience", {"claims": {"aud": "another-client"}}, "aud"),
    ("no audience", {"claims": {"aud": None}}, "aud"),
    ("two audiences", {"claims": {"aud": [CLIENT, "other"]}}, "another client"),
    ("of another party", {"claims": {"aud": [CLIENT, "other"], "azp": "other"}}, "another client"),
    ("another issuer", {"claims": {"iss": "https://evil.example"}}, "iss"),
    ("no issuer", {"claims": {"iss": None}}, "iss"),
    ("expired", {"late": 120}, "expired"),
    ("never expiring", {"claims": {"exp": None}}, "exp"),
    ("from the future", {"claims": {"iat": 99_999_999_999}}, "issued in the future"),
    ("of no subject", {"claims": {"sub": None}}, "sub"),
    ("signed by nobody", {"signed": "none"}, "cannot be accepted"),
    ("signed with the client's secret", {"signed": "hmac"}, "cannot be accepted"),
    ("signed with another key", {"signed": "stranger"}, "cannot be accepted"),
    ("signed with a key nobody knows", {"signed": "unknown"}, "cannot be accepted"),
    ("no ID token", {"token": {"id_token": None}}, "cannot be accepted"),
    ("no token at all", {"token": {"id_token": "a.b.c"}}, "cannot be accepted"),
    ("not verified", {"about": {"email_verified": False}}, "not verified"),
    ("not said to be verified", {"about": {"email_verified": None}}, "not verified"),
    ("no address", {"about": {"email": ""}}, "'email'"),
    ("an address of many", {"about": {"email": ["ana@example.com"]}}, "'email'"),
    ("a group as a person", {"about": {"email": "group:finance"}}, "nobody can have"),
    ("another provider's answer", {"iss": "https://evil.example"}, "another identity provider"),
]


@pytest.mark.parametrize(("how", "says"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_not_right_logs_nobody_in_and_says_so(
    visitor: Visitor, provider: Provider, how: dict[str, Any], says: str
) -> None:
    provider.misbehave(**how)
    done = log_in(visitor)
    assert done.status_code == 403, done.text
    assert says in said(done)
    assert 'href="/login"' in done.text
    assert (visitor.session, visitor.name) == (None, None)


def test_userinfo_of_somebody_else_does_not_count(visitor: Visitor, provider: Provider) -> None:
    provider.misbehave(thin=True, claims={"sub": "somebody-else"})
    assert "speaks of somebody else" in said(log_in(visitor))
    assert visitor.session is None


def test_who_refuses_at_the_provider_is_told_so_and_its_words_are_text(visitor: Visitor) -> None:
    done = log_in(visitor, "")
    assert done.status_code == 403
    assert "access_denied <b>not today</b>" in said(done).replace("< b>", "<b>")
    assert "<b>not" not in done.text


def test_an_answer_that_comes_again_logs_nobody_in_again(visitor: Visitor) -> None:
    page = go(visitor)
    cookies = dict(visitor.http.cookies)
    answer = authorize(page)
    visitor.get(answer)
    again = visitor.get(answer)  # a reload: who is in goes on
    assert (again.status_code, again.headers["location"]) == (303, "/")
    with Visitor(str(visitor.http.base_url)) as thief:
        stale = thief.get(answer)
        assert stale.status_code == 400
        assert "no login that was begun in this browser" in said(stale)
        for name, value in cookies.items():  # who has the cookies as well meets the provider
            thief.http.cookies.set(name, value, domain="127.0.0.1")
        refused = thief.get(answer)
        assert (refused.status_code, thief.session) == (403, None)
        assert "invalid_grant" in said(refused)


def test_an_answer_to_somebody_elses_login_does_not_count(app: AppFixture) -> None:
    with Visitor(app.url) as victim, Visitor(app.url) as attacker:
        go(victim)
        answer = authorize(go(attacker), "attacker")
        assert victim.get(answer).status_code == 400
        state = parse_qs(urlsplit(answer).query)["state"][0]
        for name, value in dict(victim.http.cookies).items():  # their cookie, under our name
            victim.http.cookies.set(name, value, domain="127.0.0.1")
        assert victim.get(answer.replace(state, "x" * len(state))).status_code == 400
        assert victim.name is None


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state=x", "?error=x"])
def test_an_answer_to_nothing_is_a_page_that_leads_to_the_login(
    visitor: Visitor, query: str
) -> None:
    stale = visitor.get(f"/oidc/callback{query}")
    assert stale.status_code == 400
    assert "Please log in again" in stale.text


def test_a_cookie_that_was_changed_is_no_cookie(visitor: Visitor) -> None:
    page = go(visitor, "/login?next=/here")
    ((name, value),) = dict(visitor.http.cookies).items()
    body, _, signature = value.partition(".")
    for forged in (f"{body[:-2]}xx.{signature}", value[:-2], "", "x.y.z"):
        visitor.http.cookies.set(name, forged, domain="127.0.0.1")
        assert visitor.get(authorize(page)).status_code == 400
        visitor.http.cookies.clear()


AWAY: list[dict[str, Any]] = [
    {"down": 503},
    {"down": 200},
    {"issuer": "https://another.example"},
]


@pytest.mark.parametrize("how", AWAY, ids=str)
def test_a_provider_in_trouble_is_a_page_that_says_so(
    visitor: Visitor, provider: Provider, how: dict[str, Any]
) -> None:
    provider.misbehave(**how)
    away = visitor.get("/login")
    assert (away.status_code, away.headers["retry-after"]) == (503, "30")
    assert "Nobody can log in at the moment" in away.text
    provider.misbehave()
    log_in(visitor)
    assert visitor.name == "Ana Lima"


def test_a_provider_that_is_down_lets_nobody_in_and_keeps_nobody_out(
    tmp_path: Path, provider: Provider
) -> None:
    app = oidc_app(tmp_path, provider)
    with (
        server(app, env=ENV) as started,
        Visitor(app.url) as before,
        Visitor(app.url) as between,
        Visitor(app.url) as after,
    ):
        started.wait_http()
        log_in(before)
        answer = authorize(go(between))
        provider.stop()
        assert before.who() == ("Ana Lima", "operator")
        assert between.get(answer).status_code == 503
        assert after.get("/login").status_code == 503
        started.wait_log("the identity provider http://127.0.0.1:")
        provider.start()
        log_in(after)
        assert after.name == "Ana Lima"


def test_a_claim_of_another_name_needs_no_mail_address(tmp_path: Path, provider: Provider) -> None:
    provider.misbehave(about={"email": None, "email_verified": None})
    app = oidc_app(tmp_path, provider, claim="preferred_username")
    with server(app, env=ENV) as started, Visitor(app.url) as visitor:
        started.wait_http()
        log_in(visitor, "ANA")
        assert visitor.name == "Ana Lima"
        provider.misbehave(about={"preferred_username": "group:finance"})
        with Visitor(app.url) as stranger:
            assert log_in(stranger).status_code == 403
            assert stranger.name is None


def test_a_secret_that_is_not_set_is_said_at_the_start(tmp_path: Path, provider: Provider) -> None:
    app = oidc_app(tmp_path, provider)
    with server(app, wait=False) as started:
        started.wait_log("web.oidc.client_secret: the environment variable OIDC_SECRET is not set")
        assert started.process.wait(10) == 2
