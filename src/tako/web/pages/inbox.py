"""`/inbox`: what waits for whom."""

from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.builtin import RESERVED
from tako.clock import now_ms
from tako.commands import ApprovalList, ListApprovals, ListWorkflows, WorkflowList
from tako.errors import ApprovalNotFound
from tako.model import Approval, ApprovalState, Role
from tako.voting import VETO, answer_of
from tako.web.engine import engine_of, people_of
from tako.web.live import waiting_for
from tako.web.pages import selected, wording
from tako.web.pages.answering import get
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of
from tako.web.who import Who, may

PAGE = 25
_LONGEST = 200  # characters of a filter
_VIEWS = ("mine", "yours", "open", "answered", "all")
_STATES = tuple(str(state) for state in ApprovalState)


def routes() -> list[BaseRoute]:
    return [
        Route("/", home, methods=["GET"]),
        Route("/inbox", inbox, methods=["GET"], name="inbox"),
        Route("/inbox/count", count, methods=["GET"]),
        *selected.routes(),
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


class Wanted(Struct, frozen=True):
    """What the address asks for; "" is all."""

    view: str
    text: str
    workflow: str
    state: str

    @property
    def filtered(self) -> bool:
        return bool(self.text or self.workflow or self.state)

    def query(self, **more: str) -> str:
        """As an address has it, without what is not asked for."""
        given = {name: value for name, value in (asdict(self) | more).items() if value}
        return f"?{urlencode(given)}"


async def inbox(request: Request) -> Response:
    """What waits for this person; for viewers, what waits for others too, and what is over."""
    who = await logged_in(request)
    wanted = _wanted(request, who)

    async def load() -> dict[str, Any]:
        after = request.query_params.get("after")
        found = await engine_of(request).read(_command(who, wanted, after), ApprovalList)
        people = people_of(request)
        open_to = {
            approval.id: options_now(approval)
            for approval in found.approvals
            if wording.standing(people, approval, who.actor) is None
        }
        return {
            "wanted": wanted,
            "states": [(state, state) for state in _STATES],
            "approvals": found.approvals,
            "open_to": open_to,
            "own": {one.id: answer_of(people, one, who.actor.person) for one in found.approvals},
            "me": people.canonical(who.actor.person),
            "at_once": selected.answers(open_to.values()),
            "more": None if found.next is None else wanted.query(after=found.next),
            "paged": after is not None,
            "workflows": await _workflows(request, who, wanted),
            "done": await _done(request, who),
            "people": people,
            "words": wording,
            "now": now_ms(),
        }

    return await page(request, who, "inbox.html", load=load, live="inbox")


def options_now(approval: Approval) -> tuple[str, ...]:
    """The answers that need no form to be filled in."""
    question = approval.question
    return tuple(o for o in question.options if question.schema is None or o == VETO)


def _wanted(request: Request, who: Who) -> Wanted:
    given = {name: text.strip()[:_LONGEST] for name, text in request.query_params.items()}
    view, state = given.get("view", "mine"), given.get("state", "")
    if view not in _VIEWS or (view == "open" and not may(who, Role.VIEWER)):
        view = "mine"
    state = state if state in _STATES and view == "all" else ""
    return Wanted(view, given.get("text", ""), given.get("workflow", ""), state)


def _command(who: Who, wanted: Wanted, after: str | None) -> ListApprovals:
    """Who may not see everything sees what was asked of them."""
    everybody = wanted.view not in ("mine", "yours") and may(who, Role.VIEWER)
    states = {"yours": None, "answered": "decided", "all": wanted.state or None}
    return ListApprovals(
        state=states.get(wanted.view, "open"),
        person=None if everybody else who.actor.person,
        groups=who.actor.groups,
        workflow=wanted.workflow or None,
        limit=PAGE,
        after=after,
        text=wanted.text or None,
        answered=wanted.view == "yours",
    )


async def _workflows(request: Request, who: Who, wanted: Wanted) -> list[tuple[str, str]]:
    """To choose from; only those who may see what there is get all names."""
    if not may(who, Role.VIEWER):
        return [(wanted.workflow, wanted.workflow)] if wanted.workflow else []
    known = (await engine_of(request).read(ListWorkflows(), WorkflowList)).workflows
    named = {info.name for info in known if not info.name.startswith(RESERVED)}
    return [(name, name) for name in sorted(named | {wanted.workflow} - {""})]


async def _done(request: Request, who: Who) -> tuple[Approval, str] | None:
    """What this person has just answered in the list, and how."""
    try:
        approval = await get(request, request.query_params.get("done", ""))
    except ApprovalNotFound:
        return None
    mine = answer_of(people_of(request), approval, who.actor.person)
    return None if mine is None else (approval, mine.answer)
