"""What holds for every request, whatever door it comes to."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tako.config import WebConfig
from tako.errors import TooLarge
from tako.web.mounting import AROUND
from tako.web.paths import below
from tako.web.problems import Problem, Trouble, log_unexpected, problem_of, respond

_SAFE = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})  # nobody else's names
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # Links are secrets. Not "no-referrer": with that a form's Origin is "null", also for us.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_DEADLINE = "tako.deadline"
_HSTS = "max-age=31536000"


def safe_next(path: str | None, otherwise: str = "/") -> str:
    """``path``, if it leads to a page of ours: what comes from outside may not lead away."""
    if not path or not path.startswith("/") or path[1:2] in ("/", "\\"):
        return otherwise
    return otherwise if any(c < " " or c == "\x7f" or c == "\\" for c in path) else path


def no_time_out(scope: Scope) -> None:
    """This request may last: it is a stream, and whoever sent it is known."""
    scope[_DEADLINE].reschedule(None)


class Guard:
    """Host, origin, encodings, size and time of a request; headers of its response.

    What it refuses never reaches the application; an unexpected error never leaves it.
    """

    def __init__(self, app: ASGIApp, web: WebConfig) -> None:
        self._app = app
        self._web = web
        self._https = web.base.startswith("https:")
        self._hosts = frozenset(_hosts(web))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, https=self._https)
        try:
            self._check(scope)
            async with asyncio.timeout(self._web.timeout) as deadline:
                scope[_DEADLINE] = deadline
                await self._app(scope, _limited(receive, self._web.max_body), answer.send)
        except Exception as error:
            if answer.started:  # too late to say anything: the connection is cut
                raise
            found = await respond(Request(scope), self._problem(scope, error))
            await found(scope, receive, answer.send)

    def _problem(self, scope: Scope, error: Exception) -> Problem:
        if isinstance(error, TimeoutError) and not isinstance(error, ConnectionError):
            return Problem(
                "timed_out",
                f"not done within {self._web.timeout:g} s; it may still be: ask again with the "
                "same Idempotency-Key",
                headers={"Retry-After": "2", "Connection": "close"},  # more of it may come
            )
        problem = problem_of(error)
        if problem.status == 500:
            log_unexpected(scope["method"], scope["path"], error)
        return problem

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        _check_encodings(scope)
        self._check_host(headers)
        if scope["method"] not in _SAFE and not _has_token(headers):
            self._check_origin(scope, headers)
        _check_length(headers, self._web.max_body)

    def _check_host(self, headers: Headers) -> None:
        """Another name that leads here is a rebound one (or forgotten in the settings)."""
        given = headers.getlist("host")
        name = _name(given[0]) if len(given) == 1 else None
        if name is None or name not in self._hosts:
            raise Trouble(
                "wrong_host",
                f"this is not the host {', '.join(given) or '(none)'}: if it should be, add its "
                "name to hosts in the table [web] of tako.toml",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """A page of another site may not act through the browser of who is known here."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            ours = site in ("same-origin", "none")
        else:
            ours = origin is None or origin in self._origins(scope, headers)
        if not ours:
            raise Trouble("wrong_origin", "only pages of this app may send this from a browser")

    def _origins(self, scope: Scope, headers: Headers) -> tuple[str, str]:
        host = headers["host"].lower()
        loopback = _name(host) in _LOOPBACK
        scheme = "https" if self._https and not loopback else scope["scheme"]
        base = urlsplit(self._web.base)
        return f"{scheme}://{host}", f"{base.scheme}://{base.netloc}".lower()


class _Answer:
    """The way out: adds the headers that every response has."""

    def __init__(self, scope: Scope, send: Send, *, https: bool) -> None:
        self.started = False
        self._send = send
        self._https = https
        self._static = below(scope).startswith("/static/")
        self._dated = AROUND not in scope  # else the server of the application around does it

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._dated:
                headers.setdefault("Date", formatdate(usegmt=True))
            headers.setdefault("Cache-Control", "max-age=3600" if self._static else "no-store")
            if self._https:
                headers.setdefault("Strict-Transport-Security", _HSTS)
        await self._send(message)


def _has_token(headers: Headers) -> bool:
    """A browser adds this to no request by itself; a password of a proxy (Basic) it does."""
    return headers.get("authorization", "").lower().startswith("bearer tako_")


def _hosts(web: WebConfig) -> Iterator[str]:
    yield from _LOOPBACK
    for given in (*web.hosts, web.listen, urlsplit(web.base).netloc):
        with suppress(TypeError):
            yield _name(given) or ""


def _name(host: str) -> str | None:
    """The name in a Host header, without its port; None if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises on one that is none
    except ValueError:
        return None
    if parts.netloc != host or parts.username is not None or not parts.hostname:
        return None
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.rstrip(".")


def _check_encodings(scope: Scope) -> None:
    raw = scope.get("raw_path") or scope["path"].encode()
    for part in (raw, scope["query_string"]):
        try:
            text = unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise Trouble("bad_request", "the address is not UTF-8") from None
        if any(c < " " or c == "\x7f" for c in text):
            raise Trouble("bad_request", "the address has control characters")


def _check_length(headers: Headers, most: int) -> None:
    """Of two lengths, a proxy in front may take the other: then it sees other requests than we."""
    if "content-length" in headers and "transfer-encoding" in headers:
        trouble = Trouble("bad_request", "both Content-Length and Transfer-Encoding are given")
        trouble.problem = replace(trouble.problem, headers={"Connection": "close"})
        raise trouble
    given = headers.get("content-length", "0")
    if not (given.isascii() and given.isdecimal()):
        raise Trouble("bad_request", "Content-Length is no number")
    if int(given) > most:
        raise _too_large(most)


def _limited(receive: Receive, most: int) -> Receive:
    """Counts what comes, for a body may be in chunks and say nothing of its length."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most:
                raise _too_large(most)
        return message

    return limited


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is over the limit of {most} bytes (max_body in [web])")
