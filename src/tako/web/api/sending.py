"""Enqueue and signal; and who one is."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tako.checks import MOST_TAGS
from tako.commands import Enqueue, Enqueued, Signal, Signalled
from tako.durations import moment_ms, to_ms
from tako.model import Role
from tako.web.api.calls import Call, Nothing, Route
from tako.web.api.shapes import Ask, EventName, Id, Key, Tag, Time, time
from tako.web.problems import Trouble

_CENTURY = 36_525 * 86_400
_MOST = 1_000_000


# --- what comes in


class NewRun(Ask, frozen=True):
    """``delay`` in seconds, or ``run_at``: not before. ``unique_key``: one unfinished run with it.

    ``run_id`` None: one is made, from the Idempotency-Key if there is one.
    """

    workflow: Id
    payload: Any = None
    delay: Annotated[float, Meta(ge=0, le=_CENTURY)] | None = None
    run_at: Annotated[datetime, Meta(tz=True)] | None = None
    unique_key: Key | None = None
    run_id: Id | None = None
    priority: Annotated[int, Meta(ge=-_MOST, le=_MOST)] = 0
    retries: Annotated[int, Meta(ge=0, le=_MOST)] | None = None
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MOST_TAGS)] = ()


class NewSignal(Ask, frozen=True):
    """``key``: a second signal to this event with the same key is a duplicate, does nothing."""

    event: EventName
    payload: Any = None
    key: Key | None = None


# --- what goes out


class EnqueuedOut(Struct, frozen=True):
    """``created`` false: a run with this ``run_id`` or ``unique_key`` was there, and is meant."""

    run_id: str
    created: bool
    warning: str | None


class SignalledOut(Struct, frozen=True):
    """``spreading``: so many wait for it that more are still being told."""

    outcome: Literal["delivered", "buffered", "duplicate"]
    delivered: int
    spreading: bool


class CredentialOut(Struct, frozen=True):
    id: str
    kind: Literal["session", "token"]
    name: str
    scopes: tuple[str, ...]
    expires_at: Time


class Me(Struct, frozen=True):
    """``role`` is what this credential may do, ``auth`` how the person is known."""

    person: str
    name: str
    groups: tuple[str, ...]
    role: Role
    auth: str
    credential: CredentialOut | None


# --- how


async def enqueue(call: Call, body: NewRun) -> EnqueuedOut:
    if body.delay is not None and body.run_at is not None:
        raise Trouble("invalid", "run_at and delay were both given", field="run_at")
    command = Enqueue(
        run_id=body.run_id or call.new_id(),
        workflow=body.workflow,
        payload=call.json(body.payload, "payload"),
        run_at=None if body.run_at is None else moment_ms(body.run_at, "run_at"),
        delay=None if body.delay is None else to_ms(body.delay, what="delay"),
        retries=body.retries,
        unique_key=body.unique_key,
        priority=body.priority,
        tags=body.tags,
    )
    reply = await call.ask(command, Enqueued)
    again = body.run_id is None and reply.run_id == command.run_id  # this call, sent again
    return EnqueuedOut(reply.run_id, reply.created or again, reply.warning)


async def signal(call: Call, body: NewSignal) -> SignalledOut:
    command = Signal(
        event_id=call.new_id(),
        event=body.event,
        payload=call.json(body.payload, "payload"),
        key=body.key,
        ttl=call.config.defaults.signal_ttl.ms,
    )
    reply = await call.ask(command, Signalled)
    return SignalledOut(reply.outcome, reply.delivered, reply.spreading)  # type: ignore[arg-type]


async def me(call: Call, _: Nothing) -> Me:
    who, shown = call.who, call.who.credential
    assert who.role is not None, "a route without a role"
    credential = None
    if shown is not None:
        until = time(shown.expires_at)
        kind: Any = shown.kind
        credential = CredentialOut(shown.id, kind, shown.name, shown.scopes, until)
    groups = call.people.groups_of(who.actor.person, who.actor.groups)
    return Me(
        person=who.actor.person,
        name=who.name,
        groups=tuple(sorted(groups)),
        role=who.role,
        auth=who.actor.auth,
        credential=credential,
    )


ROUTES = (
    Route(
        *("GET", "/api/me", Role.VIEWER, me, Nothing, Me),
        summary="Who I am here, and what I may do",
    ),
    Route(
        *("POST", "/api/enqueue", Role.OPERATOR, enqueue, NewRun, EnqueuedOut),
        summary="Create a run",
        refusals=(404,),
        status=201,
        keyed=True,
    ),
    Route(
        *("POST", "/api/signal", Role.OPERATOR, signal, NewSignal, SignalledOut),
        summary="Deliver a payload to all who wait for an event, or keep it for the next",
        keyed=True,
    ),
)
