"""`/logout`: ends the session of this browser."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.web import csrf
from tako.web.engine import web_of
from tako.web.identity import sessions
from tako.web.identity.login import known
from tako.web.pages.rendering import path_of, render
from tako.web.posted import read

_STALE = "That page had been open for too long: press the button once more."
_ELSEWHERE = {
    "proxy": "The proxy in front of tako says who you are; it is the one that logs you out.",
    "mounted": "The application around these pages says who you are; log out there.",
}


def routes() -> list[BaseRoute]:
    return [
        Route("/logout", show, methods=["GET"], name="logout"),
        Route("/logout", log_out, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """After it, or instead of it: a link alone logs nobody out."""
    return await _page(request)


async def log_out(request: Request) -> Response:
    if (said := _ELSEWHERE.get(web_of(request).auth)) is not None:
        return await _page(request, problem=said)
    if not csrf.matches(request, await read(request)):
        return await _page(request, 403, _STALE)
    response = RedirectResponse(path_of(request, "/logout"), 303)
    await sessions.end(request, response)
    return response


async def _page(request: Request, status: int = 200, problem: str = "") -> Response:
    who = await known(request)
    return render(request, "logout.html", status, who=who, problem=problem)
