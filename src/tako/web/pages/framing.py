"""Pages of the application: one frame around what they show, and regions that stay up to date."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tako.model import Role
from tako.web.engine import engine_of
from tako.web.live import live_of, waiting_for
from tako.web.pages.rendering import fragment, html, path_of, render
from tako.web.paths import address_of
from tako.web.who import NotLoggedIn, Who, may, require, who_of

Load = Callable[[], Awaitable[Mapping[str, Any]]]

_NAV = (
    ("/inbox", "Inbox", None),
    ("/runs", "Runs", Role.VIEWER),
    ("/workflows", "Workflows", Role.VIEWER),
    ("/waiting", "Waiting", Role.VIEWER),
    ("/system", "System", Role.VIEWER),
)
_MADE_FOR = "tako-who"
_BELOW = {"/inbox": ("/approvals",)}  # what belongs to a place and is elsewhere


class Place(Struct, frozen=True):
    """An entry of the navigation."""

    url: str
    name: str
    here: bool


async def logged_in(request: Request, role: Role | None = None) -> Who:
    """Who asks for a page, or for a part of one that was made for them (see app.js).

    Raises NotLoggedIn, which becomes the way to the login; NotAllowed.
    """
    who = await who_of(request, "page")
    if who is None:
        raise NotLoggedIn("nobody is logged in")
    name = quote(who.actor.person)
    if request.headers.get(_MADE_FOR, name) != name:
        raise NotLoggedIn("somebody else is logged in now")
    return who if role is None else require(who, role)


async def page(
    request: Request,
    who: Who,
    name: str,
    status: int = 200,
    *,
    load: Load,
    live: str | None = None,
    at: str | None = None,
    shared: bool = False,
) -> Response:
    """``templates/<name>`` with what ``load`` returns, within the frame of the application.

    ``live``: a topic of `web.live`, if the page has a region: ``<div {{ region() }}>{% block
    region %}...``. When there is something new the region alone is asked for, and answered: the
    template begins with ``{% extends layout %}``. ``at``: the address that answers it, where this
    page answers a form that is sent to another. ``shared``: the region is the same for all people
    of one role, so that it is made once for all who look. It has no ``who`` and no form.
    """
    if shared and fragment(request) and "tako-live" in request.headers:
        make = _shared(request, who, name, load)
        return HTMLResponse(await live_of(request).shared(_key(request, who), make))
    context = {**_of(who), **await load()}
    if fragment(request):
        context["layout"] = "fragment.html"
    else:
        context |= await frame(request, who, live)
        context["region"] = lambda: region(at or _address(request))
    return render(request, name, status, who=who, **context)


def _shared(request: Request, who: Who, name: str, load: Load) -> Callable[[], Awaitable[str]]:
    async def make() -> str:
        return html(request, name, layout="fragment.html", **_of(who), **await load())

    return make


def _key(request: Request, who: Who) -> str:
    return f"{who.role}\0{request.scope.get('root_path')}\0{request.url.path}?{request.url.query}"


def _of(who: Who) -> dict[str, Any]:
    return {
        "may_view": may(who, Role.VIEWER),
        "may_answer": may(who, Role.APPROVER),
        "may_operate": may(who, Role.OPERATOR),
    }


async def frame(request: Request, who: Who, live: str | None) -> dict[str, Any]:
    """What ``base.html`` needs besides ``who``."""
    inbox = await waiting_for(engine_of(request), who.actor)
    stream = path_of(request, f"/live?{urlencode({'page': live})}") if live else ""
    return {
        "nav": navigation(request, who),
        "inbox": inbox,
        "stream": stream,
        "version": live_of(request).version,
    }


def navigation(request: Request, who: Who) -> list[Place]:
    """Where this person may go."""
    return [
        Place(path_of(request, url), name, _is_below(request, url, *_BELOW.get(url, ())))
        for url, name, role in _NAV
        if role is None or may(who, role)
    ]


def _is_below(request: Request, *urls: str) -> bool:
    path = request.url.path + "/"
    return any(path.startswith(path_of(request, url) + "/") for url in urls)


def _address(request: Request) -> str:
    return address_of(request.scope) + (f"?{request.url.query}" if request.url.query else "")


def region(url: str) -> Markup:
    """The attributes of the element whose inside is the block ``region``, which ``url`` answers."""
    return Markup(
        'id="region" data-region hx-get="{}" hx-trigger="live" hx-swap="morph:innerHTML"'
    ).format(url)
