"""What went wrong, as a page: where it is, and a way on that fits."""

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tako.errors import TakoError
from tako.web.pages import wording
from tako.web.pages.framing import frame
from tako.web.pages.rendering import path_of, render
from tako.web.paths import address_of, below
from tako.web.problems import Problem
from tako.web.who import Who, who_of

_PATIENCE = 2.0  # s for the frame of a page that says that something does not work
_STRANGERS = ("wrong_host", "wrong_origin")  # of whom nothing is believed
_PLACES = {
    "/runs": "To the runs",
    "/workflows": "To the workflows",
    "/waiting": "To what waits",
    "/system": "To the system",
}


async def problem_page(request: Request, problem: Problem) -> Response:
    """What a person sees where a program would get problem+json; who must log in is sent there."""
    if problem.code == "not_logged_in":
        return RedirectResponse(_to_login(request), 303)
    more: dict[str, Any] = {}
    if not below(request.scope).startswith("/l/"):
        more = await _framed(request, problem)
        more["ways"] = _ways(request, problem, [place.url for place in more.get("nav", ())])
    said = {"title": problem.title, "text": wording.sentence(problem.detail)}
    response = render(request, "message.html", problem.status, **said, **more)
    response.headers.update(problem.headers)
    return response


async def _framed(request: Request, problem: Problem) -> dict[str, Any]:
    """The frame of the application, if somebody is logged in and that can be known now."""
    if problem.code in _STRANGERS:
        return {}
    try:
        async with asyncio.timeout(_PATIENCE):
            who: Who | None = await who_of(request, "page")
            return {} if who is None else {"who": who, **await frame(request, who, None)}
    except (TakoError, TimeoutError):
        return {}


def _ways(request: Request, problem: Problem, places: list[str]) -> list[tuple[str, str]]:
    """Addresses and names of where one may go from here, the best first."""
    top = "/" + below(request.scope).removeprefix("/").partition("/")[0]  # "*" has no slash
    place, run = path_of(request, top), request.path_params.get("id", "")
    if top not in _PLACES or place not in places:
        return [(path_of(request, "/inbox"), "To the inbox")]
    match problem.code:
        case "run_not_found":
            search = f"{place}?{urlencode({'text': run})}"
            return [(search, f"Look for “{run}” among the runs"), (place, _PLACES[top])]
        case "step_not_found":
            return [(f"{place}/{quote(run, safe='')}", "To the run")]
    return [(place, _PLACES[top])]


def _to_login(request: Request) -> str:
    """With the way back: to the page, or that of the form."""
    path = address_of(request.scope)
    if request.method not in ("GET", "HEAD"):
        path = path.rpartition("/")[0] or "/"
    elif request.url.query:
        path = f"{path}?{request.url.query}"
    return f"{path_of(request, '/login')}?next={quote(path, safe='')}"
