"""`/inbox/selected`: one answer to many approvals, after a page that lists them.

Each answer is a `Decide` of its own, with the id that a press on the approval's own page would
have: a reload, a second click and an answer given there meanwhile are one answer.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
from tako.commands import Decide, Decided
from tako.errors import (
    AnswerRefused,
    ApprovalNotFound,
    ContentChanged,
    NotAllowed,
    Refused,
    StorageError,
    Unavailable,
)
from tako.model import Approval
from tako.voting import VETO
from tako.web import csrf
from tako.web.engine import engine_of, people_of
from tako.web.gesture import WORD, Gesture, gesture
from tako.web.pages import wording
from tako.web.pages.answering import (
    ANSWER,
    COMMENT,
    NO_REPLY,
    NOT_STORED,
    PROGRAM,
    STALE,
    Door,
    confirm,
    read,
)
from tako.web.pages.approval import door_of, visible
from tako.web.pages.framing import frame, logged_in
from tako.web.pages.rendering import path_of, render
from tako.web.problems import problem_of
from tako.web.who import Who

MOST = 100  # answered together
PICK, PICKS = "pick", "picks"  # "<id>.<digest>"; all of them, with spaces between
_ANSWERS = ("approve", VETO)
NOT_THERE = "There is no such approval, or it is not for you to see."
CHANGED = "What is asked has changed since you saw the list. Open it and read it again."


class Picked(Struct, frozen=True):
    """One of those that were chosen, and how it stands with it.

    ``tone``: good | bad | note; "" while nothing has been sent. ``title`` "": it can be answered.
    """

    pick: str
    id: str
    approval: Approval | None = None
    title: str = ""
    text: str = ""
    tone: str = ""


def routes() -> list[BaseRoute]:
    return [
        Route("/inbox/selected", ask_once_more, methods=["GET"]),
        Route("/inbox/selected", answer_all, methods=["POST"]),
    ]


def answers(offered: Iterable[tuple[str, ...]]) -> list[str]:
    """Those that many can be given at once."""
    given = {answer for options in offered for answer in options}
    return [answer for answer in _ANSWERS if answer in given]


async def ask_once_more(request: Request) -> Response:
    """What would be answered, and what would not and why. Nothing is sent yet."""
    who = await logged_in(request)
    given = request.query_params
    return await _listed(request, who, given.get(ANSWER, ""), given.getlist(PICK))


async def answer_all(request: Request) -> Response:
    """Send the answers, and say of each what became of it."""
    who = await logged_in(request)
    data = await read(request)
    answer, picks = data.get(ANSWER, ""), data.get(PICKS, "").split()
    if not csrf.matches(request, data):
        return await _listed(request, who, answer, picks, 403, STALE)
    back = path_of(request, "/inbox")
    door = Door(who.actor, (answer,), request.url.path, back, "", "", who=who)
    proven = door_of(request, who, "").proven
    sign = gesture(request.headers, answer, data.get(WORD, ""), proven=proven)
    if sign is Gesture.PROGRAM:
        return await _listed(request, who, answer, picks, 403, PROGRAM)
    if sign is Gesture.UNKNOWN:
        return confirm(request, door, answer, f"{len(picks)} approvals", data)
    comment = data.get(COMMENT, "").strip() or None
    sent = (_send(request, who, answer, pick, comment) for pick in _distinct(picks))
    results = await asyncio.gather(*sent)
    return render(
        request,
        "selected-results.html",
        **await _context(request, who, answer, results),
        counted=sum(r.tone == "good" for r in results),
    )


async def _listed(
    request: Request, who: Who, answer: str, picks: list[str], status: int = 200, notice: str = ""
) -> Response:
    found = [await _look(request, who, answer, pick) for pick in _distinct(picks)]
    context = await _context(request, who, answer, found)
    ready = [one for one in found if not one.title]
    return render(
        request,
        "selected.html",
        status,
        **context,
        ready=ready,
        left=[one for one in found if one.title],
        picks=" ".join(one.pick for one in ready),
        notice=notice,
    )


async def _context(
    request: Request, who: Who, answer: str, found: Iterable[Picked]
) -> dict[str, Any]:
    return {
        **await frame(request, who, None),
        "who": who,
        "answer": answer,
        "found": list(found),
        "people": people_of(request),
        "words": wording,
        "now": now_ms(),
    }


def _distinct(picks: list[str]) -> list[str]:
    return list(dict.fromkeys(picks))[:MOST]


async def _look(request: Request, who: Who, answer: str, pick: str) -> Picked:
    """Whether it could be answered so."""
    approval_id, _, digest = pick.rpartition(".")
    try:
        approval = await visible(request, who, approval_id)
    except (ApprovalNotFound, NotAllowed):
        return Picked(pick, approval_id, None, "Not there", NOT_THERE)
    title, text = _obstacle(request, who, approval, answer, digest)
    return Picked(pick, approval_id, approval, title, text)


def _obstacle(
    request: Request, who: Who, approval: Approval, answer: str, digest: str
) -> tuple[str, str]:
    standing = wording.standing(people_of(request), approval, who.actor)
    if standing is not None:
        return standing.title, standing.text
    question = approval.question
    if answer not in question.options:
        return "Another kind of answer", f"It is answered {' or '.join(question.options)}."
    if question.schema is not None and answer != VETO:
        return "It has a form", "What has to be filled in cannot be answered with others."
    return ("Changed", CHANGED) if digest != approval.digest else ("", "")


async def _send(request: Request, who: Who, answer: str, pick: str, comment: str | None) -> Picked:
    approval_id, _, digest = pick.rpartition(".")
    door = door_of(request, who, approval_id)
    command = Decide(
        door.decide_id(answer, digest),
        approval_id,
        answer,
        who.actor,
        comment=comment,
        digest=digest,
    )
    try:
        await visible(request, who, approval_id)
        decided = await engine_of(request).ask(command, Decided)
    except StorageError:
        return Picked(pick, approval_id, None, "Not stored", NOT_STORED, "bad")
    except Unavailable:
        return Picked(pick, approval_id, None, "Not known", NO_REPLY, "note")
    except Refused as refusal:
        return await _refused(request, who, pick, refusal)
    text = wording.effect(people_of(request), decided.approval, answer, who.actor)
    return Picked(pick, approval_id, decided.approval, "Counted", text, "good")


async def _refused(request: Request, who: Who, pick: str, refusal: Refused) -> Picked:
    approval_id = pick.rpartition(".")[0]
    try:
        approval = await visible(request, who, approval_id)
    except (ApprovalNotFound, NotAllowed):
        return Picked(pick, approval_id, None, "Not there", NOT_THERE, "bad")
    standing = wording.standing(people_of(request), approval, who.actor)
    match refusal:
        case ContentChanged():
            title, text = "Changed", CHANGED
        case AnswerRefused():
            title, text = "Not answered", str(refusal.detail.get("problem", refusal))
        case _ if standing is not None:
            title, text = standing.title, standing.text
        case _:
            title, text = "Not answered", problem_of(refusal).detail
    return Picked(pick, approval_id, approval, title, text, "bad")
