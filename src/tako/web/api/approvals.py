"""What people are asked: see it, answer it, pass it on, remind of it, make links to it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from tako.commands import (
    ApprovalList,
    ApprovalReply,
    AuditPage,
    Count,
    Decide,
    Decided,
    Delegate,
    GetApproval,
    ListApprovals,
    Minted,
    MintLink,
    ReadAudit,
    Remind,
    Reminded,
    RevokeLinks,
)
from tako.model import Answer, Approval, AuditRow, LinkInfo, Role
from tako.web.api.calls import Call, Nothing, Route
from tako.web.api.shapes import (
    Ask,
    Cursor,
    Id,
    Limit,
    Text,
    Time,
    maybe_json,
    maybe_time,
    time,
)
from tako.web.asked import check_seen
from tako.web.who import may

State = Literal["open", "decided", "expired", "withdrawn"]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}(?![\\s\\S])")]
_YEAR = 366 * 86_400


# --- what comes in


class ApprovalQuery(Ask, frozen=True):
    """``mine``: only what waits for my answer, or was asked of me; without a role always."""

    state: State | Literal["all"] = "open"
    mine: bool = False
    workflow: Id | None = None
    run: Id | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class NewAnswer(Ask, frozen=True):
    """``value``: the form. ``digest``: of the content that was seen; other content is refused."""

    answer: Id
    value: Any = None
    comment: Text | None = None
    digest: Digest | None = None


class NewDelegation(Ask, frozen=True):
    to: Id
    comment: Text | None = None


class NewLink(Ask, frozen=True):
    """``answers`` empty: all options. ``ttl`` in seconds; None: as [approvals] says."""

    person: Id
    answers: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    ttl: Annotated[float, Meta(ge=1, le=_YEAR)] | None = None


class LinksOf(Ask, frozen=True):
    """``person`` None: everybody's."""

    person: Id | None = None


class HistoryQuery(Ask, frozen=True):
    limit: Limit = 200
    cursor: Annotated[int, Meta(ge=0, le=2**53)] = 0


# --- what goes out


class GivenAnswer(Struct, frozen=True):
    person: str
    answer: str
    at: Time
    channel: str
    value: Any
    comment: str | None


class Delegation(Struct, frozen=True):
    by: str = field(name="from")
    to: str = ""


class ApprovalOut(Struct, frozen=True):
    """``form`` is a JSON Schema; ``digest`` that of the content; ``asked`` who may answer now."""

    id: str
    run_id: str
    workflow: str
    name: str
    state: State
    title: str
    body: str
    options: tuple[str, ...]
    form: Any
    to: tuple[str, ...]
    exclude: tuple[str, ...]
    requester: str | None
    quorum: int
    veto: bool
    on_timeout: str
    digest: str
    asked_at: Time
    deadline: Time | None
    asked: tuple[str, ...]
    answers: tuple[GivenAnswer, ...]
    delegated: tuple[Delegation, ...]
    outcome: str | None
    decided_by: str | None
    decided_at: Time | None
    channel: str | None


class ApprovalPage(Struct, frozen=True):
    approvals: list[ApprovalOut]
    next: str | None


class ReminderOut(Struct, frozen=True):
    people: tuple[str, ...]


class LinkOut(Struct, frozen=True):
    """A secret: who has ``url`` is ``person``, once."""

    id: str
    approval_id: str
    person: str
    answers: tuple[str, ...]
    expires_at: Time
    url: str | None


class RevokedOut(Struct, frozen=True):
    revoked: int


class HistoryRow(Struct, frozen=True):
    seq: int
    at: Time
    kind: str
    person: str | None
    auth: str | None
    channel: str | None
    address: str | None
    digest: str | None
    detail: Any
    hash: str


class HistoryPage(Struct, frozen=True):
    rows: list[HistoryRow]
    next: int | None


# --- how


async def approvals(call: Call, q: ApprovalQuery) -> ApprovalPage:
    actor = call.who.actor
    mine = q.mine or not may(call.who, Role.VIEWER)
    command = ListApprovals(
        state=None if q.state == "all" else q.state,
        person=actor.person if mine else None,
        groups=actor.groups if mine else (),
        workflow=q.workflow,
        run_id=q.run,
        limit=q.limit,
        after=q.cursor,
    )
    page = await call.read(command, ApprovalList)
    return ApprovalPage([shown(approval) for approval in page.approvals], page.next)


async def approval(call: Call, _: Nothing) -> ApprovalOut:
    return shown(await seen(call, call.id))


async def answer(call: Call, body: NewAnswer) -> ApprovalOut:
    await seen(call, call.id)
    command = Decide(
        decide_id=call.new_id(),
        approval_id=call.id,
        answer=body.answer,
        actor=call.who.actor,
        value=None if body.value is None else call.json(body.value, "value"),
        comment=body.comment,
        digest=body.digest,
    )
    return shown((await call.ask(command, Decided)).approval)


async def delegate(call: Call, body: NewDelegation) -> ApprovalOut:
    await seen(call, call.id)
    command = Delegate(call.id, body.to, call.who.actor, body.comment)
    return shown((await call.ask(command, ApprovalReply)).approval)


async def remind(call: Call, _: Nothing) -> ReminderOut:
    command = Remind(call.id, call.who.actor, call.new_id())
    return ReminderOut((await call.ask(command, Reminded)).people)


async def mint(call: Call, body: NewLink) -> LinkOut:
    ttl = call.config.approvals.link_ttl.ms if body.ttl is None else round(body.ttl * 1000)
    by = call.who.actor
    command = MintLink(call.id, body.person, by, body.answers, ttl, call.new_id())
    return _link((await call.ask(command, Minted)).link)


async def revoke(call: Call, body: LinksOf) -> RevokedOut:
    command = RevokeLinks(call.id, call.who.actor, body.person, call.new_id())
    return RevokedOut((await call.ask(command, Count)).count)


async def history(call: Call, q: HistoryQuery) -> HistoryPage:
    known = (await seen(call, call.id)).id
    page = await call.read(ReadAudit(known, q.cursor, q.limit), AuditPage)
    more = page.rows[-1].seq if len(page.rows) == q.limit else None
    return HistoryPage([_line(row) for row in page.rows], more)


async def seen(call: Call, approval_id: str) -> Approval:
    """Raises ApprovalNotFound; NotAllowed: it is not for this person to see."""
    found = (await call.read(GetApproval(approval_id), ApprovalReply)).approval
    return check_seen(call.people, found, call.who)


def shown(a: Approval) -> ApprovalOut:
    q = a.question
    return ApprovalOut(
        id=a.id,
        run_id=a.run_id,
        workflow=a.workflow,
        name=a.name,
        state=a.state.value,
        title=q.title,
        body=q.body,
        options=q.options,
        form=maybe_json(q.schema),
        to=q.to,
        exclude=q.exclude,
        requester=q.requester,
        quorum=q.quorum,
        veto=q.veto,
        on_timeout=q.on_timeout,
        digest=a.digest,
        asked_at=time(a.asked_at),
        deadline=maybe_time(a.deadline),
        asked=a.asked,
        answers=tuple(_answer(given) for given in a.answers),
        delegated=tuple(Delegation(*pair) for pair in a.delegated),
        outcome=a.outcome,
        decided_by=a.decided_by,
        decided_at=maybe_time(a.decided_at),
        channel=a.channel,
    )


def _answer(a: Answer) -> GivenAnswer:
    return GivenAnswer(a.person, a.answer, time(a.at), a.channel, maybe_json(a.value), a.comment)


def _link(link: LinkInfo) -> LinkOut:
    until = time(link.expires_at)
    return LinkOut(link.id, link.approval_id, link.person, link.answers, until, link.url)


def _line(r: AuditRow) -> HistoryRow:
    return HistoryRow(
        r.seq,
        time(r.at),
        r.kind,
        r.person,
        r.auth,
        r.channel,
        r.address,
        r.digest,
        maybe_json(r.detail),
        r.hash,
    )


_ONE = "/api/approvals/{id}"
_TOO_LATE = (404, 409, 410)
ROUTES = (
    Route(
        *("GET", "/api/approvals", Role.VIEWER, approvals, ApprovalQuery, ApprovalPage),
        summary="Approvals: open ones nearest deadline first, others newest first",
        asked=True,
    ),
    Route(
        *("GET", _ONE, Role.VIEWER, approval, Nothing, ApprovalOut),
        summary="One approval as it is now",
        refusals=(404,),
        asked=True,
    ),
    Route(
        *("GET", f"{_ONE}/history", Role.VIEWER, history, HistoryQuery, HistoryPage),
        summary="What the audit says of it, oldest first",
        refusals=(404,),
        asked=True,
    ),
    Route(
        *("POST", f"{_ONE}/answer", Role.APPROVER, answer, NewAnswer, ApprovalOut),
        summary="Answer it",
        refusals=_TOO_LATE,
        keyed=True,
        asked=True,
    ),
    Route(
        *("POST", f"{_ONE}/delegate", Role.APPROVER, delegate, NewDelegation, ApprovalOut),
        summary="Let somebody else answer in my place",
        refusals=_TOO_LATE,
        keyed=True,
        asked=True,
    ),
    Route(
        *("POST", f"{_ONE}/remind", Role.OPERATOR, remind, Nothing, ReminderOut),
        summary="Tell those who have not answered once more",
        refusals=_TOO_LATE,
        keyed=True,
    ),
    Route(
        *("POST", f"{_ONE}/links", Role.OPERATOR, mint, NewLink, LinkOut),
        summary="Make a link for one person who is asked",
        refusals=_TOO_LATE,
        status=201,
        keyed=True,
        secret=True,
    ),
    Route(
        *("POST", f"{_ONE}/links/revoke", Role.OPERATOR, revoke, LinksOf, RevokedOut),
        summary="Revoke its links, all or one person's",
        refusals=(404,),
        keyed=True,
    ),
)
