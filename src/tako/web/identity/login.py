"""`/login`: choose who you are, give a password, or go to the identity provider."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.model import Actor
from tako.people import is_name
from tako.web import csrf
from tako.web.addresses import is_local
from tako.web.engine import people_of, web_of
from tako.web.identity import sessions
from tako.web.identity.around import around_of
from tako.web.identity.credentials import actor
from tako.web.identity.passwords import person_with
from tako.web.limits import TooMany
from tako.web.pages.rendering import render
from tako.web.paths import root_of
from tako.web.posted import read
from tako.web.security import safe_next
from tako.web.who import NotLoggedIn, Who, who_of

_STALE = "This page had been open for too long, or your browser keeps no cookies. Try once more."
_WRONG = "This name and this password do not belong together."
_NO_NAME = "Choose a person, or type a name."
_AWAY = (
    "Here everybody may be anybody, so only a browser on the same machine, and without a proxy "
    'in between, may log in. For others: auth = "users" in the table [web] of tako.toml.'
)
_BY_PROXY = (
    "The proxy in front of tako says who you are, and it has said nothing, or this request did "
    "not come from it. Open the address that the proxy serves."
)
_AROUND = "The application around these pages says who you are: log in there, then come back."


def routes() -> list[BaseRoute]:
    return [
        Route("/login", show, methods=["GET"], name="login"),
        Route("/login", log_in, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """The way in; for somebody who is in, who they are."""
    who, mode = await known(request), web_of(request).auth
    if who is not None:
        return form(request, who=who)
    if mode == "proxy":
        return message(request, 401, "You are not logged in", _BY_PROXY)
    if mode == "mounted":
        return _around(request)
    if mode == "local" and not is_local(request):
        return message(request, 403, "Only on this machine", _AWAY)
    if mode == "oidc":
        from tako.web.identity.oidc import send_away

        return await send_away(request, next_of(request, request.query_params.get("next")))
    return form(request)


def _around(request: Request) -> Response:
    """To where the application around lets people in, if it has said where that is."""
    login = around_of(request).login
    if login is None:
        return message(request, 401, "You are not logged in", _AROUND)
    back = quote(next_of(request, request.query_params.get("next")), safe="")
    return RedirectResponse(f"{login}{'&' if '?' in login else '?'}next={back}", 303)


async def log_in(request: Request) -> Response:
    """A name (and its password) becomes a session."""
    mode = web_of(request).auth
    if mode not in ("local", "users"):
        return message(request, 405, "Nothing to fill in", "Here, others say who you are.")
    if mode == "local" and not is_local(request):
        return message(request, 403, "Only on this machine", _AWAY)
    given = await read(request)
    if not csrf.matches(request, given):
        return form(request, 403, _STALE, given)
    return await (_choose if mode == "local" else _password)(request, given)


async def _choose(request: Request, given: Mapping[str, str]) -> Response:
    name = text(given, "person") or text(given, "name")
    if not is_name(name):
        return form(request, 422, _NO_NAME, given)
    return await _enter(request, given, _actor(request, name, "local"))


async def _password(request: Request, given: Mapping[str, str]) -> Response:
    try:
        person = await person_with(request, text(given, "name"), text(given, "password"))
    except TooMany as error:
        response = form(request, 429, f"Too many tries. {_wait(error)}", given)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    if person is None:
        return form(request, 401, _WRONG, given)
    return await _enter(request, given, _actor(request, person, "password"))


async def _enter(request: Request, given: Mapping[str, str], by: Actor) -> Response:
    response = RedirectResponse(next_of(request, text(given, "next")), 303)
    await sessions.begin(request, response, by)
    return response


async def known(request: Request) -> Who | None:
    """Who is logged in; a token that is not good counts as nobody here."""
    try:
        return await who_of(request, "page")
    except NotLoggedIn:
        return None


def form(
    request: Request,
    status: int = 200,
    problem: str = "",
    given: Mapping[str, str] | None = None,
    who: Who | None = None,
) -> Response:
    """The page to log in, with what went wrong, and what was typed but for the password."""
    people = people_of(request).people
    context: dict[str, Any] = {
        "mode": web_of(request).auth,
        "people": sorted(people.values(), key=lambda person: person.name.casefold()),
        "problem": problem,
        "typed": text(given, "name") if given else "",
        "next": next_of(request, text(given or request.query_params, "next")),
    }
    return render(request, "login.html", status, who=who, **context)


def message(request: Request, status: int, title: str, said: str) -> Response:
    return render(request, "message.html", status, title=title, text=said)


def next_of(request: Request, path: str | None) -> str:
    """Where to go from here: only to a page of ours."""
    return safe_next(path, root_of(request.scope) + "/")


def text(given: Mapping[str, object], field: str) -> str:
    value = given.get(field)
    return value.strip() if isinstance(value, str) and field != "password" else str(value or "")


def _actor(request: Request, name: str, auth: str) -> Actor:
    return actor(request, people_of(request).canonical(name), auth, "page")


def _wait(error: TooMany) -> str:
    minutes = -(-error.retry_after // 60)
    return f"Wait {minutes} minutes, then try again." if minutes > 1 else "Wait a minute."
