"""`/approvals/{id}`: one approval with its record, and what may be done with it."""

import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.commands import (
    ApprovalReply,
    AuditPage,
    Delegate,
    GetStory,
    Ok,
    ReadAudit,
    Remind,
    Reminded,
    Show,
    Story,
)
from tako.errors import Refused, RunNotFound
from tako.model import Approval, ApprovalState, AuditRow, Role
from tako.people import Directory
from tako.voting import why_not
from tako.web import csrf
from tako.web.asked import check_seen
from tako.web.engine import engine_of, people_of, web_of
from tako.web.gesture import WORD, Gesture, gesture
from tako.web.pages import wording
from tako.web.pages.answering import Door, Sent, answer, confirm, get, once, show
from tako.web.pages.framing import frame, logged_in
from tako.web.pages.rendering import fragment, path_of, render
from tako.web.posted import read
from tako.web.problems import problem_of
from tako.web.who import Who, may, require

_STEPS = 100  # of the run that are shown here
_TIMES = 100  # of a line of the record that are listed
_PROVEN = {"password", "oidc", "proxy", "mounted"}  # in local mode anybody may say who they are


def routes() -> list[BaseRoute]:
    one = "/approvals/{id}"
    return [
        Route(one, detail, methods=["GET"], name="approval"),
        Route(f"{one}/answer", answer_page, methods=["POST"]),
        Route(f"{one}/delegate", delegate, methods=["POST"]),
        Route(f"{one}/remind", remind, methods=["POST"]),
    ]


async def detail(request: Request) -> Response:
    who = await logged_in(request)
    approval = await visible(request, who, request.path_params["id"])
    if fragment(request):
        return await _news(request, who, approval)
    if request.method == "GET":
        await engine_of(request).ask(Show(approval.id, approval.digest, who.actor), Ok)
    return show(request, await _door(request, who, approval), approval)


async def _news(request: Request, who: Who, approval: Approval) -> Response:
    """The record as it is now, for a page that is open; and whether what that shows is old."""
    door = await _door(request, who, approval)
    standing = wording.standing(people_of(request), approval, who.actor)
    old = request.query_params.get("seen", "") != door.extra["seen"]
    context = {**door.extra, "who": who, "standing": standing, "old": old}
    return render(request, "record.html", **context)


async def answer_page(request: Request) -> Response:
    who = await logged_in(request)
    approval = await visible(request, who, request.path_params["id"])
    return await answer(request, await _door(request, who, approval), approval)


async def delegate(request: Request) -> Response:
    """Pass the question on to somebody else."""
    who = await logged_in(request)
    approval = await visible(request, who, request.path_params["id"])
    door = await _door(request, who, approval)
    data = await read(request)
    if not csrf.matches(request, data):
        return show(request, door, approval, 403, Sent(notice=csrf.stale("sent")))
    to = data.get("to", "").strip()
    words = f"pass on to {to}"  # not the name alone: a program fills all fields alike
    sign = gesture(request.headers, words, data.get(WORD, ""), proven=door.proven)
    if to and sign is not Gesture.PERSON:
        return confirm(request, door, words, approval.question.title, data)
    command = Delegate(approval.id, to, who.actor, data.get("why", "").strip() or None)
    return await _done(request, door, approval, command, ApprovalReply)


async def remind(request: Request) -> Response:
    """Tell those who have not answered once more."""
    who = require(await logged_in(request), Role.OPERATOR)
    approval = await visible(request, who, request.path_params["id"])
    door = await _door(request, who, approval)
    data = await read(request)
    if not csrf.matches(request, data):
        return show(request, door, approval, 403, Sent(notice=csrf.stale("sent")))
    command = Remind(approval.id, who.actor, once(data, approval.id))
    return await _done(request, door, approval, command, Reminded)


async def _done(
    request: Request, door: Door, approval: Approval, command: Any, reply: type[Any]
) -> Response:
    """Back to the approval, or the approval with what was refused."""
    try:
        await engine_of(request).ask(command, reply)
    except Refused as refusal:
        problem = problem_of(refusal)
        said = f"{problem.detail[:1].upper()}{problem.detail[1:]}."
        return show(
            request, door, await get(request, approval.id), problem.status, Sent(notice=said)
        )
    return RedirectResponse(door.after, 303)


# --- who, and what they may see


async def visible(request: Request, who: Who, approval_id: str) -> Approval:
    """Raises ApprovalNotFound; NotAllowed, also of one that it is not for this person to see."""
    return check_seen(people_of(request), await get(request, approval_id), who)


def door_of(request: Request, who: Who, approval_id: str, after: str | None = None) -> Door:
    """The way to an approval of who is logged in, before it is known what they may answer."""
    here = path_of(request, f"/approvals/{approval_id}")
    return Door(
        actor=who.actor,
        answers=(),
        action=f"{here}/answer",
        after=after or here,
        secret=f"{who.actor.person}\0{approval_id}",
        template="approval.html",
        proven=who.actor.auth in _PROVEN,
        who=who,
    )


async def _door(request: Request, who: Who, approval: Approval) -> Door:
    people = people_of(request)
    mine = why_not(people, approval, who.actor.person, who.actor.groups) is None
    is_open = approval.state is ApprovalState.OPEN
    extra = {
        **await frame(request, who, f"approval:{approval.id}"),
        "here": path_of(request, f"/approvals/{approval.id}"),
        "address": f"{web_of(request).base}/approvals/{approval.id}",
        "most": _TIMES,
        "history": wording.history(people, await _record(request, approval.id)),
        "story": await _story(request, who, approval),
        "seen": _seen(people, approval, who),
        "old": False,
        "may_remind": is_open and bool(approval.question.notify) and may(who, Role.OPERATOR),
        "may_view": may(who, Role.VIEWER),
    }
    door = door_of(request, who, approval.id, _back(request, approval))
    return replace(door, answers=approval.question.options if mine else (), extra=extra)


def _back(request: Request, approval: Approval) -> str | None:
    """To the list, if the answer was given there; it says then what was answered."""
    query = request.query_params.get("list")
    if query is None:
        return None
    kept = [pair for pair in parse_qsl(query.lstrip("?")) if pair[0] != "done"]
    return path_of(request, f"/inbox?{urlencode([*kept, ('done', approval.id)])}")


def _seen(people: Directory, approval: Approval, who: Who) -> str:
    """Changes with what the page shows of it beside the record."""
    standing = wording.standing(people, approval, who.actor)
    text = repr((approval.digest, approval.asked, approval.answers, standing))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def _story(request: Request, who: Who, approval: Approval) -> Story | None:
    """The steps of its run so far, for who may look at runs; a run may have been deleted."""
    if not may(who, Role.VIEWER):
        return None
    try:
        return await engine_of(request).read(GetStory(approval.run_id, 0, _STEPS), Story)
    except RunNotFound:
        return None


async def _record(request: Request, approval_id: str) -> list[AuditRow]:
    """All of it, though it may have been looked at a thousand times."""
    rows: list[AuditRow] = []
    while True:
        command = ReadAudit(approval_id, rows[-1].seq if rows else 0)
        found = (await engine_of(request).read(command, AuditPage)).rows
        rows += found
        if len(found) < command.limit:
            return rows
