"""Requests to people, from any process that can reach the server's socket: see, answer, pass on.

Every function is a coroutine; the name with `_sync` runs it on a background thread and waits.
All raise Unavailable if no server answers, and ApprovalNotFound for an id that nobody knows.
"""

import builtins
from typing import TYPE_CHECKING

from tako import codec
from tako.checks import LONGEST_ID, LONGEST_REASON, NOT_UNICODE, check_text, check_whole
from tako.commands import (
    ApprovalList,
    ApprovalReply,
    AuditPage,
    Decide,
    Decided,
    Delegate,
    GetApproval,
    ListApprovals,
    ReadAudit,
    Remind,
    Reminded,
)
from tako.connections import blocking
from tako.ids import new_id
from tako.model import Actor, Approval, ApprovalState, AuditRow
from tako.reach import app_of, ask

if TYPE_CHECKING:
    from tako.config import AppConfig

__all__ = [
    "Actor",
    "Approval",
    "AuditRow",
    "Page",
    "answer",
    "answer_sync",
    "approve",
    "approve_sync",
    "delegate",
    "delegate_sync",
    "get",
    "get_sync",
    "history",
    "history_sync",
    "list",
    "list_sync",
    "reject",
    "reject_sync",
    "remind",
    "remind_sync",
]

STATES = (*ApprovalState, "all")
_MOST = 1000  # approvals on one page


class Page(builtins.list[Approval]):
    """Some approvals; ``next`` is what `list` takes as ``after`` for those that follow."""

    next: str | None = None


# --- see


async def list(  # noqa: A001 - its public name
    state: str = "open",
    *,
    person: str | None = None,
    workflow: str | None = None,
    run_id: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page:
    """Approvals: open ones nearest deadline first, others newest first.

    Args:
        state: "open", "decided", "expired", "withdrawn" or "all".
        person: only what waits for this person's answer, or was asked of them.
        limit: 1 to 1000 of them. after: ``next`` of the page before.

    Raises:
        TypeError, ValueError: an argument that cannot be used.
    """
    if state not in STATES:
        raise ValueError(f"{state!r} is no state of an approval: {', '.join(STATES)}")
    command = ListApprovals(
        state=None if state == "all" else state,
        person=None if person is None else check_text(person, "person", LONGEST_ID),
        workflow=workflow,
        run_id=run_id,
        limit=check_whole(limit, "limit", 1, _MOST),
        after=after,
    )
    reply = await ask(app_of(), command, ApprovalList)
    page = Page(reply.approvals)
    page.next = reply.next
    return page


async def get(approval_id: str) -> Approval:
    """The approval as it is now. Raises ApprovalNotFound."""
    return (await ask(app_of(), GetApproval(checked_id(approval_id)), ApprovalReply)).approval


async def history(approval_id: str) -> builtins.list[AuditRow]:
    """All that the audit says of it, oldest first. Raises ApprovalNotFound."""
    app = app_of()
    known = (await ask(app, GetApproval(checked_id(approval_id)), ApprovalReply)).approval.id
    rows: builtins.list[AuditRow] = []
    while True:
        after = rows[-1].seq if rows else 0
        page = await ask(app, ReadAudit(approval_id=known, after=after), AuditPage)
        rows += page.rows
        if not page.rows:
            return rows


# --- decide


async def answer(
    approval_id: str,
    answer: str,
    *,
    by: str | Actor,
    value: object = None,
    comment: str | None = None,
    digest: str | None = None,
) -> Approval:
    """Answer for ``by``; the approval as it is then: ``outcome`` is set if this decided it.

    This process is trusted to know who ``by`` is. A door of your own that has authenticated
    somebody says so with an `Actor`: it is on record, and its groups count.

    Args:
        answer: one of the options.
        value: what the form asks for: any value with a JSON form.
        digest: of the content that was shown (`Approval.digest`); None: what is asked now.

    Raises:
        NotAllowed: it is not asked of this person, or they are excluded.
        AlreadyDecided: somebody was first. AlreadyAnswered: this person was.
        ApprovalClosed: it expired, or its run went on without it.
        ContentChanged: what is asked is not what ``digest`` stands for.
        AnswerRefused: not one of the options, or the form does not fit.
        CodecError, TooLarge: ``value`` has no JSON form, or it is too long.
    """
    app = app_of()
    command = Decide(
        decide_id=new_id(),
        approval_id=checked_id(approval_id),
        answer=check_text(answer, "answer", LONGEST_ID),
        actor=actor(by),
        value=None if value is None else _json(app, value),
        comment=_comment(comment),
        digest=digest,
    )
    return (await ask(app, command, Decided)).approval


async def approve(
    approval_id: str,
    *,
    by: str | Actor,
    value: object = None,
    comment: str | None = None,
    digest: str | None = None,
) -> Approval:
    """`answer` with "approve"."""
    return await answer(approval_id, "approve", by=by, value=value, comment=comment, digest=digest)


async def reject(
    approval_id: str,
    *,
    by: str | Actor,
    value: object = None,
    comment: str | None = None,
    digest: str | None = None,
) -> Approval:
    """`answer` with "reject"."""
    return await answer(approval_id, "reject", by=by, value=value, comment=comment, digest=digest)


async def delegate(
    approval_id: str,
    to: str,
    *,
    by: str | Actor,
    comment: str | None = None,
) -> Approval:
    """Let ``to`` answer in the place of ``by``, who then cannot.

    Raises NotAllowed (also if ``to`` is excluded), AlreadyDecided, AlreadyAnswered, ApprovalClosed.
    """
    command = Delegate(
        checked_id(approval_id), check_text(to, "to", LONGEST_ID), actor(by), _comment(comment)
    )
    return (await ask(app_of(), command, ApprovalReply)).approval


async def remind(approval_id: str, *, by: str | Actor) -> tuple[str, ...]:
    """Tell those who have not answered once more; who they are.

    Raises ApprovalClosed, AlreadyDecided.
    """
    command = Remind(checked_id(approval_id), actor(by), new_id())
    return (await ask(app_of(), command, Reminded)).people


def actor(by: str | Actor) -> Actor:
    """Who acts: a name is that of somebody whom this process knows."""
    if isinstance(by, Actor):
        check_text(by.person, "by", LONGEST_ID)
        return by
    return Actor(check_text(by, "by", LONGEST_ID), auth="process", channel="python")


def checked_id(value: str) -> str:
    return check_text(value, "the approval's id", LONGEST_ID)


def _comment(comment: str | None) -> str | None:
    if comment is None:
        return None
    return check_text(comment, "comment", LONGEST_REASON, NOT_UNICODE)


def _json(app: "AppConfig", value: object) -> str:
    return codec.encode(value, what="value of the answer", limit=app.defaults.max_value)


# --- the same, blocking

list_sync = blocking(list)
get_sync = blocking(get)
history_sync = blocking(history)
answer_sync = blocking(answer)
approve_sync = blocking(approve)
reject_sync = blocking(reject)
delegate_sync = blocking(delegate)
remind_sync = blocking(remind)
