"""`/inbox`: what waits for whom."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
from tako.commands import ApprovalList, ListApprovals
from tako.model import Role
from tako.web.engine import engine_of, people_of
from tako.web.live import waiting_for
from tako.web.pages import wording
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of
from tako.web.who import Who, may

PAGE = 25
_VIEWS = ("mine", "open", "all")


def routes() -> list[BaseRoute]:
    return [
        Route("/", home, methods=["GET"]),
        Route("/inbox", inbox, methods=["GET"], name="inbox"),
        Route("/inbox/count", count, methods=["GET"]),
        Route("/approvals", moved, methods=["GET"]),
    ]


async def home(request: Request) -> Response:
    return RedirectResponse(path_of(request, "/inbox"), 303)


async def moved(request: Request) -> Response:
    """Where the inbox was before."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(path_of(request, f"/inbox{query}"), 303)


async def count(request: Request) -> Response:
    """For pages that nobody looks at: only how many wait."""
    who = await logged_in(request)
    return JSONResponse({"inbox": await waiting_for(engine_of(request), who.actor)})


async def inbox(request: Request) -> Response:
    """What waits for this person; for viewers, what waits for others too, and what is over."""
    who = await logged_in(request)

    async def load() -> dict[str, Any]:
        view = request.query_params.get("view", "mine")
        if view not in _VIEWS or (view == "open" and not may(who, Role.VIEWER)):
            view = "mine"
        command = _wanted(who, view, request.query_params.get("after"))
        found = await engine_of(request).read(command, ApprovalList)
        return {
            "view": view,
            "approvals": found.approvals,
            "more": None if found.next is None else urlencode({"view": view, "after": found.next}),
            "paged": command.after is not None,
            "people": people_of(request),
            "words": wording,
            "now": now_ms(),
        }

    return await page(request, who, "inbox.html", load=load, live="inbox")


def _wanted(who: Who, view: str, after: str | None) -> ListApprovals:
    """Who may not see everything sees what was asked of them."""
    everybody = view != "mine" and may(who, Role.VIEWER)
    return ListApprovals(
        state=None if view == "all" else "open",
        person=None if everybody else who.actor.person,
        groups=who.actor.groups,
        limit=PAGE,
        after=after,
    )
