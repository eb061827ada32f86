"""`/inbox/selected`: one answer to many approvals, after a page that lists them.

Each answer is a `Decide` of its own, with the id that a press on the approval's own page would
have: a reload, a second click and an answer given there meanwhile are one answer.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
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
from tako.web.asked import MOST, Pick, Sent, answer_each
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
)
from tako.web.pages.approval import door_of, visible
from tako.web.pages.framing import frame, logged_in
from tako.web.pages.rendering import path_of, render
from tako.web.posted import read
from tako.web.problems import Trouble, problem_of
from tako.web.who import Who

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
    return await _listed(request, who, given.get(ANSWER, ""), _picks(given.getlist(PICK)))


async def answer_all(request: Request) -> Response:
    """Send the answers, and say of each what became of it."""
    who = await logged_in(request)
    data = await read(request)
    answer, picks = data.get(ANSWER, ""), _picks(data.get(PICKS, "").split())
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
    sent = await answer_each(
        engine_of(request),
        who.actor,
        picks,
        answer,
        data.get(COMMENT, "").strip() or None,
        see=lambda approval_id: visible(request, who, approval_id),
        decide_id=lambda pick: door_of(request, who, pick.id).decide_id(answer, pick.digest or ""),
    )
    results = [await _became(request, who, answer, one) for one in sent]
    return render(
        request,
        "selected-results.html",
        **await _context(request, who, answer, results),
        counted=sum(r.tone == "good" for r in results),
    )


async def _listed(
    request: Request, who: Who, answer: str, picks: list[Pick], status: int = 200, notice: str = ""
) -> Response:
    found = [await _look(request, who, answer, pick) for pick in picks]
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


def _picks(texts: list[str]) -> list[Pick]:
    """Each approval once. Raises Trouble: too many."""
    found = {}
    for text in texts:
        approval_id, _, digest = text.rpartition(".")
        found[approval_id] = Pick(approval_id, digest)
    if len(found) > MOST:
        raise Trouble("invalid", f"at most {MOST} approvals at one time; nothing was answered")
    return list(found.values())


def _text(pick: Pick) -> str:
    return f"{pick.id}.{pick.digest}"


async def _look(request: Request, who: Who, answer: str, pick: Pick) -> Picked:
    """Whether it could be answered so."""
    text = _text(pick)
    try:
        approval = await visible(request, who, pick.id)
    except (ApprovalNotFound, NotAllowed):
        return Picked(text, pick.id, None, "Not there", NOT_THERE)
    title, said = _obstacle(request, who, approval, answer, pick.digest or "")
    return Picked(text, pick.id, approval, title, said)


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


async def _became(request: Request, who: Who, answer: str, sent: Sent) -> Picked:
    """What became of one answer, for people."""
    pick, approval_id = _text(sent.pick), sent.pick.id
    match sent.error:
        case None:
            assert sent.approval is not None
            text = wording.effect(people_of(request), sent.approval, answer, who.actor)
            return Picked(pick, approval_id, sent.approval, "Counted", text, "good")
        case StorageError():
            return Picked(pick, approval_id, None, "Not stored", NOT_STORED, "bad")
        case Unavailable():
            return Picked(pick, approval_id, None, "Not known", NO_REPLY, "note")
    return await _refused(request, who, sent.pick, sent.error)


async def _refused(request: Request, who: Who, pick: Pick, refusal: Refused) -> Picked:
    try:
        approval = await visible(request, who, pick.id)
    except (ApprovalNotFound, NotAllowed):
        return Picked(_text(pick), pick.id, None, "Not there", NOT_THERE, "bad")
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
    return Picked(_text(pick), pick.id, approval, title, text, "bad")
