"""Who people are in the modes users and local: logging in and out, sessions, and who is no one."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tako.web.limits import Limits, TooMany
from tests.support import AppFixture, ServerProcess, free_port, make_app, server, tako
from tests.web.browser import Visitor, csrf_of, said
from tests.web.crowd import PEOPLE, users_app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    more = 'proxy = { trusted = ["127.0.0.9"] }'
    return users_app(tmp_path_factory.mktemp("login"), more)


@pytest.fixture(scope="module")
def started(app: AppFixture) -> Iterator[ServerProcess]:
    with server(app) as process:
        process.wait_http()
        yield process


@pytest.fixture
def visitor(app: AppFixture, started: ServerProcess) -> Iterator[Visitor]:
    with Visitor(app.url) as someone:
        yield someone


# --- passwords


def test_name_and_password_log_in_and_lead_to_where_one_wanted_to_go(visitor: Visitor) -> None:
    done = visitor.log_in("ana", "ana's password", next="/approvals?state=open")
    assert (done.status_code, done.headers["location"]) == (303, "/approvals?state=open")
    assert (visitor.name, visitor.role) == ("Ana Lima", "operator")


@pytest.mark.parametrize("name", ["ANA", "  ana ", "al", "AL", "Ana@Example.com", "ａｎａ"])
def test_every_spelling_and_every_alias_is_the_one_person(visitor: Visitor, name: str) -> None:
    visitor.log_in(name, "ana's password")
    assert (visitor.name, visitor.role) == ("Ana Lima", "operator")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ana", "wrong"),
        ("ana", ""),
        ("ana", "ANA'S PASSWORD"),
        ("ana", " ana's password"),
        ("nobody", "ana's password"),
        ("cleo", ""),
        ("ben", "x" * 5000),
        ("", "ana's password"),
        ("group:finance", "ana's password"),
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_told_the_same(
    visitor: Visitor, name: str, password: str
) -> None:
    done = visitor.log_in(name, password)
    assert done.status_code == 401
    assert said(done) == "This name and this password do not belong together."
    assert password not in done.text or not password
    assert visitor.session is None
    assert visitor.name is None


def test_an_unknown_name_takes_as_long_as_a_known_one(visitor: Visitor) -> None:
    visitor.log_in("nobody-at-all", "x")  # the first makes the hash to compare with

    def seconds(name: str) -> float:
        token = csrf_of(visitor.get("/login").text)
        begin = time.perf_counter()
        visitor.http.post("/login", data={"csrf": token, "name": name, "password": "x"})
        return time.perf_counter() - begin

    known = min(seconds("slow") for _ in range(3))
    unknown = min(seconds("nobody-at-all") for _ in range(3))
    without = min(seconds("cleo") for _ in range(3))  # has no password
    assert known / 4 < unknown < known * 4
    assert known / 4 < without < known * 4


def test_a_hash_of_other_strength_or_a_password_of_any_script_fits(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    tako(app, "people", "password", "ben", "--password-stdin", stdin="pässwörd 密码\n")
    with server(app) as process, Visitor(app.url) as visitor:
        process.wait_http()
        visitor.log_in("ben", "pa\u0308sswo\u0308rd 密码")  # as another keyboard spells it
        assert visitor.name == "ben"


# --- too many tries


def test_guessing_at_one_person_ends_after_ten_tries(
    app: AppFixture, started: ServerProcess
) -> None:
    with Visitor(app.url, "127.0.1.1") as robot:
        answers = [robot.log_in("VICTIM" if n % 2 else "victim", f"guess {n}") for n in range(12)]
    assert [a.status_code for a in answers] == [401] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 300
    assert said(answers[-1]).startswith("Too many tries. Wait")
    assert 'value="VICTIM"' in answers[-1].text  # the form is there again, and the name in it


def test_who_guesses_at_somebody_does_not_lock_them_out_elsewhere(
    app: AppFixture, started: ServerProcess
) -> None:
    with Visitor(app.url, "127.0.1.2") as robot, Visitor(app.url, "127.0.1.3") as ben:
        found = [robot.log_in("ben", "not bens").status_code for _ in range(11)]
        assert found == [401] * 10 + [429]
        assert ben.log_in("ben", "bens password").status_code == 303


def test_passwords_that_can_be_nobodys_do_not_use_up_the_tries_of_a_person(
    app: AppFixture, started: ServerProcess
) -> None:
    with Visitor(app.url, "127.0.1.4") as robot:
        assert {robot.log_in("ben", "x" * 2000).status_code for _ in range(11)} == {401}
        assert robot.log_in("ben", "bens password").status_code == 303


class Clock:
    """The time that limits go by, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_700_000_000.0
        monkeypatch.setattr("time.time", lambda: self.now)
        monkeypatch.setattr("tako.web.limits.time", lambda: self.now)


def guess(limits: Limits, address: str, person: str = "ana") -> int:
    """Seconds to wait; 0: the try counts."""
    try:
        limits.hit("login", address, person)
        limits.hit("login-person", person)
    except TooMany as error:
        return error.retry_after
    return 0


def test_one_address_that_never_stops_guessing_does_not_use_up_the_tries_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, limits = Clock(monkeypatch), Limits()
    counted = 0
    for _ in range(3 * 60 // 5):  # three hours
        counted += sum(guess(limits, "192.0.2.1") == 0 for _ in range(12))
        assert guess(limits, "198.51.100.7") == 0, "ana, at her desk"
        clock.now += 300
    assert counted == 3 * 12 * 10


def test_many_addresses_together_have_fewer_tries_at_one_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, limits = Clock(monkeypatch), Limits()
    found = [guess(limits, f"192.0.2.{n}") for n in range(250)]
    found += [guess(limits, f"198.51.100.{n}") for n in range(51)]
    assert found == [0] * 300 + [3600]
    assert guess(limits, "203.0.113.1", "ben") == 0, "somebody else"
    clock.now += 3600
    assert guess(limits, "203.0.113.1") == 0


def test_of_ipv6_a_network_is_one_address_also_for_one_person() -> None:
    limits = Limits()
    found = [guess(limits, f"2001:db8::{n:x}") for n in range(11)]
    assert found[:10] == [0] * 10 and found[10] > 0
    assert guess(limits, "2001:db8:0:1::1") == 0


def test_a_login_that_succeeds_makes_up_for_the_ones_that_did_not(
    app: AppFixture, started: ServerProcess
) -> None:
    with Visitor(app.url, "127.0.2.1") as visitor:
        for _ in range(3):
            for _ in range(8):
                assert visitor.log_in("ben", "forgotten").status_code == 401
            assert visitor.log_in("ben", "bens password").status_code == 303
            visitor.submit("/logout")


def test_guessing_names_from_one_address_ends_after_a_hundred(
    app: AppFixture, started: ServerProcess
) -> None:
    """Behind a trusted proxy the address is the visitor's, and the visitor cannot choose it."""
    with Visitor(app.url, "127.0.0.9") as robot:
        token = csrf_of(robot.get("/login").text)

        def guess(forwarded: str) -> int:
            data = {"csrf": token, "name": forwarded, "password": "x" * 2000}  # refused unhashed
            headers = {"X-Forwarded-For": forwarded}
            return robot.http.post("/login", data=data, headers=headers).status_code

        for seen in ("192.0.2.7", "unknown"):  # of a proxy that does not say who, it is its own
            found = [guess(f"10.1.1.{n}, {seen}") for n in range(103)]
            assert found == [401] * 100 + [429] * 3
        assert guess("192.0.2.7, 192.0.2.8") == 401  # somebody else


def test_who_is_no_trusted_proxy_cannot_say_that_they_are_somebody_else(
    app: AppFixture, started: ServerProcess
) -> None:
    with Visitor(app.url, "127.0.3.1") as robot:
        token = csrf_of(robot.get("/login").text)
        data = {"csrf": token, "password": "x" * 2000}
        found = [
            robot.http.post(
                "/login", data=data | {"name": f"m{n}"}, headers={"X-Forwarded-For": f"10.2.2.{n}"}
            ).status_code
            for n in range(101)
        ]
        assert found == [401] * 100 + [429]


# --- the form


def test_a_form_without_the_token_of_this_browser_counts_for_nothing(visitor: Visitor) -> None:
    data = {"name": "ana", "password": "ana's password"}
    first = visitor.http.post("/login", data=data)
    assert (first.status_code, visitor.session) == (403, None)
    again = visitor.http.post("/login", data=data | {"csrf": "x" * 43})
    assert (again.status_code, visitor.session) == (403, None)
    assert "open for too long" in said(again)


def test_another_site_cannot_log_anybody_in_or_out(visitor: Visitor) -> None:
    visitor.log_in("ana", "ana's password")
    token = csrf_of(visitor.get("/login").text)
    for path in ("/login", "/logout"):
        for header in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = visitor.http.post(path, data={"csrf": token}, headers=header)
            assert answer.status_code == 403
    assert visitor.name == "Ana Lima"


AWAY = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "evil.example",
    "",
]


@pytest.mark.parametrize("where", AWAY)
def test_next_leads_to_no_other_site(visitor: Visitor, where: str) -> None:
    done = visitor.log_in("ana", "ana's password", next=where)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    page = visitor.get("/login", params={"next": where})
    assert page.status_code == 400 or 'href="/">Go on' in page.text


def test_a_file_or_a_thousand_fields_are_no_login(visitor: Visitor) -> None:
    token = csrf_of(visitor.get("/login").text)
    with_file = visitor.http.post("/login", data={"csrf": token}, files={"name": b"ana"})
    many = visitor.http.post("/login", data={f"f{n}": "x" for n in range(1000)} | {"csrf": token})
    assert (with_file.status_code, many.status_code) == (415, 401)


def test_what_is_typed_is_text_on_the_page(visitor: Visitor) -> None:
    done = visitor.log_in('"><script>alert(1)</script>', "x", next='/"><script>')
    assert done.status_code == 401
    assert "<script>" not in done.text


# --- sessions


def test_the_cookie_is_for_no_script_and_no_other_site(visitor: Visitor) -> None:
    done = visitor.log_in("ana", "ana's password")
    cookie, _ = done.headers.get_list("set-cookie")
    name, value, *flags = re.split("[=;] ?", cookie, maxsplit=2)
    assert (name, len(value)) == ("tako_session", 43)
    assert sorted(flags[0].split("; ")) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=lax"]


def test_a_page_that_was_made_for_who_was_here_before_does_nothing(visitor: Visitor) -> None:
    visitor.log_in("ana", "ana's password")
    csrf = csrf_of(visitor.get("/logout").text)
    visitor.log_in("ben", "bens password")
    assert visitor.http.post("/logout", data={"csrf": csrf}).status_code == 403
    assert visitor.name == "ben"
    csrf = csrf_of(visitor.get("/logout").text)
    assert visitor.http.post("/logout", data={"csrf": csrf}).status_code == 303
    assert visitor.http.post("/logout", data={"csrf": csrf}).status_code == 403


def test_with_https_the_cookie_is_of_this_host_alone_and_goes_over_https_alone(
    tmp_path: Path,
) -> None:
    app = users_app(tmp_path, 'url = "https://shop.example"')
    with server(app) as process, ExitStack() as stack:
        process.wait_log("app app: https://shop.example")
        port = re.search(r"127.0.0.1:(\d+)", (app.dir / "tako.toml").read_text())
        assert port is not None
        headers = {"Host": "shop.example"}
        url = f"http://127.0.0.1:{port[1]}"
        http = stack.enter_context(httpx.Client(base_url=url, headers=headers))
        page = http.get("/login", headers={"Accept": "text/html"})
        csrf = csrf_of(page.text)
        data = {"csrf": csrf, "name": "ana", "password": "ana's password"}
        cookies = {"Cookie": f"__Host-tako_csrf={csrf}"}
        done = http.post("/login", data=data, headers=cookies)
        cookie, _ = done.headers.get_list("set-cookie")
        assert cookie.startswith("__Host-tako_session=")
        flags = set(cookie.split("; ")[1:])
        assert flags == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=lax", "Secure"}
        plain = cookie.removeprefix("__Host-").split(";")[0]  # a cookie that any host may set
        assert "Ana Lima" not in http.get("/login", headers={"Cookie": plain}).text
        whole = cookie.split(";")[0]
        assert "Ana Lima" in http.get("/login", headers={"Cookie": whole}).text


def test_a_login_always_begins_a_new_session_and_ends_the_one_before(visitor: Visitor) -> None:
    visitor.http.cookies.set("tako_session", "chosen-by-somebody-else", domain="127.0.0.1")
    visitor.log_in("ben", "bens password")
    first = visitor.session
    assert first not in (None, "chosen-by-somebody-else")
    visitor.log_in("ana", "ana's password")
    assert visitor.session not in (None, first)
    assert visitor.name == "Ana Lima"
    with Visitor(str(visitor.http.base_url)) as thief:
        thief.http.cookies.set("tako_session", str(first), domain="127.0.0.1")
        assert thief.name is None


def test_logging_out_ends_this_session_and_no_other(visitor: Visitor) -> None:
    with Visitor(str(visitor.http.base_url)) as other:
        for browser in (visitor, other):
            browser.log_in("ana", "ana's password")
        secret = visitor.session
        assert visitor.get("/logout").status_code == 200
        assert visitor.who() == ("Ana Lima", "operator")  # a link logs nobody out
        done = visitor.submit("/logout")
        assert (done.status_code, done.headers["location"]) == (303, "/logout")
        assert visitor.session is None
        assert "You are logged out" in visitor.get("/logout").text
        visitor.http.cookies.set("tako_session", str(secret), domain="127.0.0.1")
        assert visitor.name is None
        assert other.name == "Ana Lima"


def test_only_the_hash_of_a_session_is_kept(app: AppFixture, visitor: Visitor) -> None:
    visitor.log_in("ana", "ana's password")
    secret = visitor.session
    assert secret is not None
    for file in app.data_dir.glob("runs.db*"):
        assert secret.encode() not in file.read_bytes()


def test_a_session_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    with Visitor(app.url) as visitor:
        with server(app) as process:
            process.wait_http()
            visitor.log_in("ana", "ana's password")
            process.kill()
        with server(app) as process:
            process.wait_http()
            assert visitor.name == "Ana Lima"


def test_a_session_ends_when_its_time_is_over_also_for_who_keeps_the_cookie(tmp_path: Path) -> None:
    app = users_app(tmp_path, 'session_ttl = "2s"')
    with server(app) as process, Visitor(app.url) as visitor:
        process.wait_http()
        begin = time.monotonic()
        visitor.log_in("ana", "ana's password")
        secret = str(visitor.session)
        visitor.http.cookies.clear()
        kept = {"Cookie": f"tako_session={secret}"}
        while "Ana Lima" in visitor.get("/login", headers=kept).text:
            assert time.monotonic() - begin < 20
        assert time.monotonic() - begin > 1.9


def test_who_is_removed_or_has_a_new_password_or_role_is_so_at_once(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    with server(app) as process, Visitor(app.url) as ana, Visitor(app.url) as ben:
        process.wait_http()
        ana.log_in("ana", "ana's password")
        ben.log_in("ben", "bens password")
        people = (app.dir / "people.toml").read_text()
        assert ana.who() == ("Ana Lima", "operator")
        (app.dir / "people.toml").write_text(people.replace('["finance"]', '["sales"]'))
        assert ana.who() == ("Ana Lima", None)
        tako(app, "people", "password", "ana", "--password-stdin", stdin="another one\n")
        assert (ana.who(), ben.who()) == ((None, None), ("ben", "viewer"))
        ana.log_in("ana", "another one")
        assert ana.who() == ("Ana Lima", None)
        tako(app, "people", "remove", "ana")
        assert (ana.who(), ben.who()) == ((None, None), ("ben", "viewer"))
        assert ana.log_in("ana", "another one").status_code == 401


def test_a_session_is_good_only_in_the_mode_it_began_in(tmp_path: Path) -> None:
    app = users_app(tmp_path)
    toml = (app.dir / "tako.toml").read_text()
    (app.dir / "tako.toml").write_text(toml.replace('auth = "users"', 'auth = "local"'))
    with Visitor(app.url) as visitor:
        with server(app) as process:
            process.wait_http()
            visitor.submit("/login", person="Ana")
            secret = str(visitor.session)
            assert visitor.name == "Ana Lima"
        (app.dir / "tako.toml").write_text(toml)
        with server(app) as process:
            process.wait_http()
            visitor.http.cookies.set("tako_session", secret, domain="127.0.0.1")
            assert visitor.name is None


def test_many_guesses_at_once_hold_up_nobody_who_is_in(app: AppFixture, visitor: Visitor) -> None:
    """Hashing goes on in threads, two at a time: neither the loop nor all memory is taken."""
    visitor.log_in("ben", "bens password")
    with ThreadPoolExecutor(10) as pool:
        guesses = [pool.submit(_guess, app.url, f"stranger-{n}") for n in range(10)]
        pages = [visitor.get("/login")]
        while not all(guess.done() for guess in guesses):
            pages.append(visitor.get("/login"))
    assert [guess.result() for guess in guesses] == [401] * 10
    assert all("You are logged in" in page.text for page in pages)
    assert len(pages) > 2 * len(guesses), "a page waited for guesses: then five are seen, not 500"


def _guess(url: str, name: str) -> int:
    with Visitor(url, "127.0.4.1") as robot:
        return robot.log_in(name, "a guess").status_code


# --- local


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppFixture]:
    toml = f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'
    app = make_app(tmp_path_factory.mktemp("local"), {"people.toml": PEOPLE}, toml=toml)
    with server(app) as process:
        process.wait_http()
        yield app


def test_for_development_one_chooses_who_to_be(local: AppFixture) -> None:
    with Visitor(local.url) as visitor:
        page = visitor.get("/login").text
        assert all(f'value="{name}"' in page for name in ("Ana", "ben", "cleo"))
        forms = page.split("</form>")
        assert not any('id="name"' in form and 'name="person"' in form for form in forms)  # Enter
        visitor.submit("/login", person="Ana", next="/approvals")
        assert (visitor.name, visitor.role) == ("Ana Lima", "operator")
        visitor.submit("/login", page="/logout", name="Zoë")
        assert visitor.name == "zoë"


@pytest.mark.parametrize("name", ["", "   ", "*", "group:finance", "GROUP:x", "a\nb", "x" * 201])
def test_a_name_that_is_nobodys_cannot_be_chosen(local: AppFixture, name: str) -> None:
    with Visitor(local.url) as visitor:
        done = visitor.submit("/login", name=name)
        assert (done.status_code, visitor.session) == (422, None)


def test_the_api_has_nobody_by_default_also_on_this_machine(local: AppFixture) -> None:
    answer = httpx.get(f"{local.url}/api/runs")
    assert answer.status_code == 401
    assert answer.json()["type"] == "tako:not_logged_in"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_who_comes_through_a_proxy_is_not_on_this_machine(local: AppFixture, header: str) -> None:
    with Visitor(local.url) as visitor:
        visitor.submit("/login", person="Ana")
        assert visitor.get("/login", headers={header: "192.0.2.1"}).status_code == 403
        token = csrf_of(visitor.get("/login").text)
        data = {"csrf": token, "person": "Ana"}
        done = visitor.http.post("/login", data=data, headers={header: "192.0.2.1"})
        assert (done.status_code, visitor.name) == (403, "Ana Lima")
        assert visitor.get("/api/runs", headers={header: "192.0.2.1"}).status_code == 401
