"""Showing an approval to somebody and taking their answer: one way for links and for pages.

What differs between the two is a `Door`. Nothing is decided here: an answer that a person has
given becomes a `Decide`, and the engine says what it was worth.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tako import forms
from tako.clock import now_ms
from tako.commands import ApprovalReply, Decide, Decided, GetApproval
from tako.errors import (
    AlreadyAnswered,
    AlreadyDecided,
    AnswerRefused,
    ApprovalClosed,
    ContentChanged,
    NotAllowed,
    StorageError,
    Unavailable,
)
from tako.ids import new_id, same_id
from tako.markdown import to_html
from tako.model import Actor, Approval
from tako.schema import find_problem
from tako.voting import VETO, doubts
from tako.web import csrf
from tako.web.engine import config_of, engine_of, people_of
from tako.web.gesture import WORD, Gesture, gesture
from tako.web.pages import wording
from tako.web.pages.rendering import ONCE, render
from tako.web.posted import read
from tako.web.problems import problem_of
from tako.web.who import Who

ANSWER, COMMENT, DIGEST = "answer", "comment", "digest"

STALE = (
    "This page had been open for too long, or your browser keeps no cookies. Nothing was sent. "
    "Please answer once more."
)
CHANGED = (
    "What you were asked has changed since you saw it, and your answer was not counted. Please "
    "read it again: this is how it is now."
)
NOT_STORED = (
    "Your answer could not be stored, so it does not count. Nothing is lost: press the button "
    "again in a while."
)
NO_REPLY = (
    "The engine did not say whether it took your answer. Press the button again in a moment: it "
    "counts once."
)
NO_BUTTON = "Nothing was sent, because no answer was chosen. Press one of the buttons."
PROGRAM = "Nothing was sent, because a program seems to have pressed the button. Press it yourself."
_CLOSED = (AlreadyAnswered, AlreadyDecided, ApprovalClosed, NotAllowed)


class Door(Struct, frozen=True):
    """How somebody came to an approval.

    ``action``: where its form is sent. ``after``: where the outcome is shown. ``secret``: makes
    the ids of answers, so that pressing twice is one answer. ``proven``: they have logged in by a
    proof. ``extra``: for the template of the door's own.
    """

    actor: Actor
    answers: tuple[str, ...]
    action: str
    after: str
    secret: str
    template: str
    token: str | None = None
    proven: bool = False
    who: Who | None = None
    extra: dict[str, Any] = {}

    def decide_id(self, answer: str, digest: str) -> str:
        text = f"{self.secret}\x00{answer}\x00{digest}"
        return f"web-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class Sent(Struct, frozen=True):
    """What came with a form, and what of it is not good. ``errors``: by field; "" is all of it.

    ``data`` None: the form is as it was made.
    """

    data: Mapping[str, str] | None = None
    errors: Mapping[str, str] = {}
    notice: str = ""


def once(data: Mapping[str, str], *content: str) -> str:
    """An id for what a form does, the same when it is sent again with the same in it.

    So a second click and a reload do nothing more, and going back to send something else does.
    """
    given = data.get(ONCE)
    return same_id(given, *content) if given else new_id()


# --- showing


def show(
    request: Request, door: Door, approval: Approval, status: int = 200, sent: Sent | None = None
) -> Response:
    """The approval with its form, or with how it stands if there is nothing to answer."""
    people, question = people_of(request), approval.question
    standing = wording.standing(people, approval, door.actor)
    form = None if question.schema is None else forms.form_of(question.schema)
    sent = sent or Sent()
    untouched = forms.texts(form) if form else {}
    return render(
        request,
        door.template,
        status,
        who=door.who,
        door=door,
        approval=approval,
        question=question,
        body=to_html(question.body),
        standing=standing,
        form=form,
        data=untouched if sent.data is None else sent.data,
        errors=sent.errors,
        notice=sent.notice,
        focus=_first(form, sent.errors),
        options=[o for o in question.options if o in door.answers],
        people=people,
        doubts=doubts(config_of(request), people, approval.asked),
        words=wording,
        now=now_ms(),
        **door.extra,
    )


def _first(form: forms.Field | None, errors: Mapping[str, str]) -> str:
    """Which field to begin with: the first that is wrong, in the order of the page."""
    names = [leaf.name for leaf in forms.leaves(form)] if form else []
    return next((name for name in [*names, COMMENT] if name in errors), "")


# --- answering


async def answer(request: Request, door: Door, approval: Approval) -> Response:
    """Take the answer that came with the form of `show`.

    Raises LinkRefused and ApprovalNotFound; every other refusal is shown.
    """
    data = await read(request)
    choice = data.get(ANSWER, "")
    if not csrf.matches(request, data):
        return show(request, door, approval, 403, Sent(data, notice=STALE))
    if choice not in (door.answers or approval.question.options):  # none: the engine says why
        return show(request, door, approval, 422, Sent(data, notice=NO_BUTTON))
    sign = gesture(request.headers, choice, data.get(WORD, ""), proven=door.proven)
    if sign is Gesture.PROGRAM:
        return show(request, door, approval, 403, Sent(data, notice=PROGRAM))
    if sign is Gesture.UNKNOWN:
        return confirm(request, door, choice, approval.question.title, data)
    return await _decide(request, door, approval, data)


def confirm(
    request: Request, door: Door, word: str, title: str, data: Mapping[str, str]
) -> Response:
    """The second page: the same form, hidden, and a word that a person has to type."""
    hidden = {name: text for name, text in data.items() if name not in (csrf.FIELD, ONCE, WORD)}
    return render(
        request,
        "confirm.html",
        who=door.who,
        action=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        back=door.after,
        word=word,
        title=title,
        hidden=hidden,
        wrong=WORD in data,
    )


async def _decide(
    request: Request, door: Door, approval: Approval, data: dict[str, str]
) -> Response:
    choice, digest = data[ANSWER], data.get(DIGEST, "")
    schema = approval.question.schema
    form = None if schema is None else forms.form_of(schema)
    parsed = forms.Parsed(None, {}, ()) if form is None else forms.parse(form, data)
    value = None if schema is None else _value(choice, parsed, schema)
    if parsed.errors and choice != VETO:
        return show(request, door, approval, 422, Sent(data, parsed.errors))
    command = Decide(
        door.decide_id(choice, digest),
        approval.id,
        choice,
        door.actor,
        value=value,
        comment=data.get(COMMENT, "").strip() or None,
        digest=digest,
        token=door.token,
    )
    try:
        await engine_of(request).ask(command, Decided)
    except AnswerRefused as refusal:
        errors = _errors(form, refusal, parsed.missing)
        return show(request, door, approval, 422, Sent(data, errors))
    except ContentChanged:
        return show(request, door, await get(request, approval.id), 409, Sent(data, notice=CHANGED))
    except (Unavailable, StorageError) as error:
        notice = NOT_STORED if isinstance(error, StorageError) else NO_REPLY
        return show(request, door, approval, problem_of(error).status, Sent(data, notice=notice))
    except _CLOSED as refusal:
        return show(request, door, await get(request, approval.id), problem_of(refusal).status)
    return RedirectResponse(door.after, 303)


def _value(choice: str, parsed: forms.Parsed, schema: str) -> str | None:
    """The form as JSON. A rejection does not need it, and is not held up by half of one."""
    text = msgspec.json.encode(parsed.value).decode()
    if choice == VETO and (parsed.errors or find_problem(text, schema) is not None):
        return None
    return text


def _errors(
    form: forms.Field | None, refusal: AnswerRefused, missing: tuple[str, ...]
) -> dict[str, str]:
    field, problem = refusal.detail.get("field", ""), refusal.detail.get("problem", str(refusal))
    if field == COMMENT:
        return {COMMENT: problem}
    return {"": problem} if form is None else forms.errors_at(form, field, problem, missing)


async def get(request: Request, approval_id: str) -> Approval:
    """Raises ApprovalNotFound."""
    return (await engine_of(request).read(GetApproval(approval_id), ApprovalReply)).approval
