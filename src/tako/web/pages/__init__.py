"""Pages for people: links, approvals, and what went wrong."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from tako.config import AppConfig
from tako.web.pages import (
    acting,
    approval,
    bulk,
    inbox,
    links,
    run,
    runs,
    statics,
    system,
    waiting,
    wording,
    workflows,
)
from tako.web.pages.rendering import path_of, render
from tako.web.paths import below
from tako.web.problems import Problem

_NO_ROUTE = "Not Found"  # as Starlette says it
NOWHERE = "No page has this address. Maybe a part of it got lost, or what it was of is gone."


def routes(config: AppConfig) -> list[BaseRoute]:
    return [
        *links.routes(),
        *inbox.routes(),
        *approval.routes(),
        *runs.routes(),
        *bulk.routes(),
        *acting.routes(),
        *run.routes(),
        *system.routes(),
        *waiting.routes(),
        *workflows.routes(),
        *statics.routes(),
    ]


def problem_page(request: Request, problem: Problem) -> Response:
    """What a person sees where a program would get problem+json; who must log in is sent there."""
    if problem.code == "not_logged_in":
        return RedirectResponse(_to_login(request), 303)
    on = {} if below(request.scope).startswith("/l/") else {"back": path_of(request, "/inbox")}
    text = wording.sentence(problem.detail) if problem.detail != _NO_ROUTE else NOWHERE
    response = render(request, "message.html", problem.status, title=problem.title, text=text, **on)
    response.headers.update(problem.headers)
    return response


def _to_login(request: Request) -> str:
    """With the way back: to the page, or that of the form."""
    path = request.url.path
    if request.method not in ("GET", "HEAD"):
        path = path.rpartition("/")[0] or "/"
    elif request.url.query:
        path = f"{path}?{request.url.query}"
    return f"{path_of(request, '/login')}?next={quote(path, safe='')}"
