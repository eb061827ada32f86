"""`/l/<token>`: what one person is asked, without a login. GET and HEAD change nothing.

A GET is on record as "shown". Only the POST of a person who pressed a button decides.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.commands import LinkOpened, Ok, OpenLink, Show
from tako.errors import LinkRefused
from tako.model import Actor, ApprovalState
from tako.voting import answer_of
from tako.web.addresses import address_of
from tako.web.engine import engine_of, people_of
from tako.web.limits import allow
from tako.web.pages.answering import Door, Sent, answer, get, show
from tako.web.pages.rendering import path_of, render
from tako.web.problems import problem_of
from tako.web.who import NotLoggedIn, Who, who_of

CHANGED = "This has changed since the link was sent to you. This is how it is now."
_PAGES = {
    "tampered": (
        "This link is not complete",
        "It is not as it was sent: maybe a part got lost. Open it from the message itself.",
    ),
    "revoked": (
        "This link was revoked",
        "It has been made void. If it still is for you to answer, ask for a new one.",
    ),
    "expired": (
        "This link has expired",
        "Links are good for a limited time. If it still is for you to answer, ask for a new one.",
    ),
    "used": (
        "This link was used",
        "It is good for one answer, and what was asked has changed since. You get a new link.",
    ),
    "stranger": (
        "This link is for somebody else",
        "You are logged in as another person. If it was sent to you, log out and open it again.",
    ),
}


def routes() -> list[BaseRoute]:
    return [
        Route("/l/{token}", open_link, methods=["GET"], name="link"),
        Route("/l/{token}", answer_link, methods=["POST"]),
    ]


async def open_link(request: Request) -> Response:
    """What is asked, with a form; or how it ended, or why the link is not good."""
    who = await _known(request)
    try:
        opened = await _open(request, who)
    except LinkRefused as refusal:
        return await _refused(request, refusal, who)
    link, approval = opened.link, opened.approval
    door = _door(request, link.person, who, link.answers)
    if request.method == "GET":
        await engine_of(request).ask(Show(approval.id, approval.digest, door.actor), Ok)
    if approval.state is not ApprovalState.OPEN:
        return show(request, door, approval, 410)
    sent = Sent(notice=CHANGED) if link.digest != approval.digest else None
    return show(request, door, approval, sent=sent)


async def answer_link(request: Request) -> Response:
    """Decide as the person of the link."""
    who = await _known(request)
    try:
        opened = await _open(request, who)
        door = _door(request, opened.link.person, who, opened.link.answers)
        return await answer(request, door, opened.approval)
    except LinkRefused as refusal:
        return await _refused(request, refusal, who)


async def _known(request: Request) -> Who | None:
    """Who is logged in here, if anyone; a link needs nobody."""
    try:
        return await who_of(request, "link")
    except NotLoggedIn:
        return None


async def _open(request: Request, who: Who | None) -> LinkOpened:
    """Raises LinkRefused, TooMany."""
    token = request.path_params["token"]
    allow(request, "link-address", address_of(request))
    allow(request, "link", token)
    person = None if who is None else who.actor.person
    return await engine_of(request).read(OpenLink(token, person), LinkOpened)


def _door(request: Request, person: str, who: Who | None, answers: tuple[str, ...] = ()) -> Door:
    token = request.path_params["token"]
    here = path_of(request, f"/l/{token}")
    return Door(
        actor=Actor(person, "link", "link", (), address_of(request)),
        answers=answers,
        action=here,
        after=here,
        secret=token,
        template="question.html",
        token=token,
        who=who,
    )


async def _refused(request: Request, refusal: LinkRefused, who: Who | None) -> Response:
    """How it ended, if the link's person has answered or it is too late; else what is wrong."""
    known, why = refusal.detail, refusal.detail.get("why")
    status = problem_of(refusal).status
    if why in ("used", "expired"):
        approval = await get(request, known["approval_id"])
        mine = answer_of(people_of(request), approval, known["person"])
        if mine is not None or approval.state is not ApprovalState.OPEN:
            shown = mine is not None and request.method != "POST"
            door = _door(request, known["person"], who)
            return show(request, door, approval, 200 if shown else status)
    title, text = _PAGES.get(str(why), _PAGES["tampered"])
    return render(request, "message.html", status, who=who, title=title, text=text)
