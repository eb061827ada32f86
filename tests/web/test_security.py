"""What holds for every request: host, origin, size, time, encodings, and what a response says."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tako.web.problems import KINDS, Problem
from tako.web.security import CSP, safe_next
from tests.web.site import Site, problem, site

MAX_BODY = 20_000


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    web = f'max_body = {MAX_BODY}\ntimeout = "1s"\nhosts = ["tako.test", "Other.Test:99"]'
    with site(tmp_path_factory.mktemp("security"), web=web) as found:
        yield found


@pytest.fixture(scope="module")
def api(here: Site) -> Iterator[httpx.Client]:
    with here.client() as client:
        yield client


def raw(here: Site, data: bytes) -> bytes:
    """What the port answers to these bytes, until it hangs up."""
    with connection(here) as sock:
        sock.sendall(data)
        return received(sock)


@contextmanager
def connection(here: Site) -> Iterator[socket.socket]:
    url = httpx.URL(here.url)
    with socket.create_connection((url.host, url.port), timeout=10) as sock:
        yield sock


def received(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65_536):
        parts.append(part)
    return b"".join(parts)


# --- host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]", "tako.test", "OTHER.test"])
def test_a_host_that_is_ours_is_answered(here: Site, host: str) -> None:
    assert httpx.get(f"{here.url}/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.test", "evil.test:8400", "tako.test.evil.test", "127.0.0.1.nip.io", "10.0.0.1"),
        *("evil.test@tako.test", "tako.test/x", "tako.test#", "", "tako.test:port", "[::1"),
    ],
)
def test_a_name_that_was_rebound_to_us_reaches_nothing(api: httpx.Client, host: str) -> None:
    for path in ("/health", "/api/runs", "/l/x", "/hooks/x", "/"):
        problem(api.get(path, headers={"host": host, "accept": "*/*"}), 421, "wrong_host")


def test_two_hosts_are_none(here: Site) -> None:
    said = raw(here, b"GET /health HTTP/1.1\r\nHost: tako.test\r\nHost: evil.test\r\n\r\n")
    assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


def test_no_host_is_none(here: Site) -> None:
    assert raw(here, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")


# --- origin


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://tako.test.evil.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "{url}"},
        {"authorization": "Basic YTpi", "origin": "http://evil.test"},
    ],
)
def test_a_page_of_another_site_cannot_act_through_a_browser(
    here: Site, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("{url}", here.url) for name, value in headers.items()}
    for path in ("/api/signal", "/api/nothing", "/login"):
        said = httpx.post(f"{here.url}{path}", json={"event": "x"}, headers=sent)
        problem(said, 403, "wrong_origin")


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "{url}"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_a_page_of_ours_and_a_program_may(here: Site, headers: dict[str, str]) -> None:
    sent = {name: value.replace("{url}", here.url) for name, value in headers.items()}
    said = httpx.post(f"{here.url}/api/signal", json={"event": "x"}, headers=sent)
    problem(said, 401, "not_logged_in")


def test_who_bears_a_token_may_come_from_anywhere(api: httpx.Client) -> None:
    """No browser adds one by itself, and no script of another site may: we answer no preflight."""
    sent = api.post("/api/signal", json={"event": "x"}, headers={"origin": "http://evil.test"})
    assert sent.status_code == 200
    preflight = {"origin": "http://evil.test", "access-control-request-method": "POST"}
    said = api.options("/api/signal", headers=preflight)
    assert said.status_code == 405
    assert not [name for name in said.headers if name.startswith("access-control")]


# --- what every response says


@pytest.mark.parametrize("path", ["/health", "/api/me", "/api/nothing", "/nothing", "/l/x", "/%ff"])
def test_every_response_has_the_headers_that_keep_browsers_safe(here: Site, path: str) -> None:
    said = httpx.get(f"{here.url}{path}").headers
    assert said["content-security-policy"] == CSP
    assert said["x-content-type-options"] == "nosniff"
    assert said["referrer-policy"] == "same-origin"
    assert said["cache-control"] == "no-store"
    assert said["cross-origin-opener-policy"] == "same-origin"
    assert said["cross-origin-resource-policy"] == "same-origin"
    assert "permissions-policy" in said
    assert "date" in said
    assert "server" not in said
    assert "strict-transport-security" not in said, "this is not https"


def test_https_is_remembered_by_browsers(tmp_path: Path) -> None:
    with site(tmp_path, web='url = "https://tako.example"') as here:
        said = httpx.get(f"http://{here.listen}/health", headers={"host": "tako.example"})
        assert said.status_code == 200
        assert "max-age=" in said.headers["strict-transport-security"]
        sent = {"host": "tako.example", "origin": "http://tako.example"}
        plain = httpx.post(f"http://{here.listen}/login", headers=sent)
        problem(plain, 403, "wrong_origin")


def test_nothing_redirects_to_where_a_header_says(here: Site) -> None:
    for path in ("/health/", "/api/runs/", "//evil.test/api/runs"):
        said = httpx.get(f"{here.url}{path}", follow_redirects=False)
        assert said.status_code == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/approvals/1?a=b#c", "/approvals/1?a=b#c"),
        *((evil, "/") for evil in ("//evil.test", "/\\evil.test", "https://evil.test", "evil")),
        *((evil, "/") for evil in ("/a\r\nSet-Cookie: x", "/\t/evil.test", "\x00/", "", None)),
        ("/a\\b", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_page_after_a_login_is_one_of_ours(given: str | None, expected: str) -> None:
    assert safe_next(given) == expected


# --- size, time, bytes


def test_a_body_over_the_limit_is_refused_before_it_is_read(api: httpx.Client) -> None:
    body = {"event": "x", "payload": "x" * MAX_BODY}
    problem(api.post("/api/signal", json=body), 413, "too_large")


def test_a_body_in_chunks_is_counted_while_it_comes(api: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"event": "x", "payload": "'
        for _ in range(100):
            yield b"x" * 1000

    headers = {"content-type": "application/json"}
    problem(api.post("/api/signal", content=chunks(), headers=headers), 413, "too_large")


def test_a_value_over_the_limit_of_the_engine_is_too_large(tmp_path: Path) -> None:
    with site(tmp_path, toml="\n[defaults]\nmax_value = 1024\n") as here, here.client() as api:
        body = {"event": "x", "payload": "x" * 2000}
        problem(api.post("/api/signal", json=body), 413, "too_large")


def test_a_body_that_never_comes_is_not_waited_for(here: Site, api: httpx.Client) -> None:
    with connection(here) as sock:
        sock.sendall(
            b"POST /api/signal HTTP/1.1\r\nHost: tako.test\r\nContent-Length: 10\r\n"
            b"Content-Type: application/json\r\n"
            b"Authorization: " + api.headers["authorization"].encode() + b'\r\n\r\n{"eve'
        )
        said = received(sock)
    assert said.startswith(b"HTTP/1.1 503")
    assert b"tako:timed_out" in said and b"retry-after" in said.lower()


@pytest.mark.parametrize("start", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: t\r\n"])
def test_a_request_that_never_begins_is_hung_up_on(here: Site, start: bytes) -> None:
    with connection(here) as sock:
        sock.sendall(start)
        began = time.monotonic()
        with suppress(ConnectionResetError):  # the end of it too
            assert received(sock) == b""
        assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,  # TLS to a plain port
        b"GET /\x00 HTTP/1.1\r\nHost: tako.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: tako.test\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: tako.test\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: tako.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_garbage_on_the_port_is_a_bad_request_and_nothing_more(here: Site, data: bytes) -> None:
    with suppress(ConnectionResetError):  # the end of it too
        said = raw(here, data)
        assert said == b"" or said.startswith(b"HTTP/1.1 400"), said[:100]
    assert httpx.get(f"{here.url}/health").json() == {"ok": True}


@pytest.mark.parametrize("path", ["/%ff", "/api/runs?state=%ff", "/a%00b", "/a%0ab", "/a%C3%28"])
def test_an_address_that_is_no_text_is_a_bad_request(here: Site, path: str) -> None:
    with connection(here) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: tako.test\r\n\r\n".encode())
        said = received(sock)
    assert said.startswith(b"HTTP/1.1 400") and b"tako:bad_request" in said


@pytest.mark.parametrize("target", [b"OPTIONS *", b"GET *", b"CONNECT tako.test:1", b"GET nothing"])
def test_an_address_without_a_path_is_that_of_nothing(here: Site, target: bytes) -> None:
    headers = b"Host: tako.test\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    said = raw(here, target + b" HTTP/1.1\r\n" + headers)
    assert said.startswith(b"HTTP/1.1 404") and b"There is nothing here" in said


# --- problems


def test_every_kind_of_problem_has_a_status_and_a_title() -> None:
    for code, (status, title) in KINDS.items():
        assert 400 <= status < 600 and title
        assert Problem(code, "x").status == status


def test_a_person_gets_a_page_where_a_program_gets_a_problem(here: Site) -> None:
    said = httpx.get(f"{here.url}/nothing", headers={"accept": "text/html,*/*;q=0.8"})
    assert said.status_code == 404 and said.headers["content-type"].startswith("text/")
    for path in ("/api/nothing", "/hooks/nothing", "/health/nothing"):
        said = httpx.get(f"{here.url}{path}", headers={"accept": "text/html"})
        assert said.headers["content-type"] == "application/problem+json"
