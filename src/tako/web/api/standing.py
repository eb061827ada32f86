"""What stands still, what is due, and how the whole fares."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tako.commands import (
    DueList,
    EventGroups,
    GetWorkflowStats,
    ListDue,
    ListEventGroups,
    ListMailbox,
    ListWaitersOf,
    Mailbox,
    WaiterPage,
    WorkflowStats,
)
from tako.model import Role
from tako.web.api.calls import Call, Nothing, Route
from tako.web.api.runs import EventOut, WaitOut, event_out, wait_out
from tako.web.api.shapes import Ask, EventName, Id, Limit, Time, maybe_time, time
from tako.web.engine import engine_of
from tako.web.problems import Trouble
from tako.web.system import overview

Prefix = Annotated[str, Meta(max_length=500)]
Position = Annotated[str, Meta(max_length=600)]

# --- what comes in


class StatsQuery(Ask, frozen=True):
    """``days``: how many days ``per_day`` goes back."""

    workflow: Id | None = None
    days: Annotated[int, Meta(ge=1, le=90)] = 14


class EventQuery(Ask, frozen=True):
    """``prefix``: how the events begin."""

    prefix: Prefix = ""
    limit: Limit = 50
    cursor: EventName | None = None


class MailQuery(Ask, frozen=True):
    """``prefix``: how the events begin."""

    prefix: Prefix = ""
    limit: Limit = 50
    cursor: Position | None = None


class WaiterQuery(Ask, frozen=True):
    event: EventName
    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0


class DueQuery(Ask, frozen=True):
    limit: Limit = 50
    cursor: Position | None = None


# --- what goes out


class StatOut(Struct, frozen=True):
    """``per_day``: runs that came in, in days of 24 h of which the last ends with this hour.
    Percentiles are [p50, p90, p99] in seconds, empty without data: of the ``sample`` newest runs
    that have ended, of which ``failed`` failed; ``failures``: how many of a hundred failed in equal
    parts of these, oldest first. ``delay``: from enqueue to the first start. ``waits``: what waits
    for events and for people took, of the newest 500 steps; null unless one workflow is asked for.
    """

    name: str
    per_day: tuple[int, ...]
    waiting: int
    sample: int
    failed: int
    failures: tuple[int, ...]
    duration: tuple[float, ...]
    delay: tuple[float, ...]
    waits: tuple[float, ...] | None


class StatsOut(Struct, frozen=True):
    workflows: list[StatOut]


class EventGroupOut(Struct, frozen=True):
    """``waiters`` runs wait for ``event``; ``run_id`` is the first of them."""

    event: str
    waiters: int
    run_id: str
    name: str
    created_at: Time
    deadline: Time | None


class EventGroupsOut(Struct, frozen=True):
    events: list[EventGroupOut]
    next: str | None


class WaitersOut(Struct, frozen=True):
    waits: list[WaitOut]
    next: int | None


class MailboxOut(Struct, frozen=True):
    events: list[EventOut]
    next: str | None


class DueOut(Struct, frozen=True):
    """``kind``: run, sleep, wait_for, approval, timeout, reminder, escalation or schedule: of this
    there is no run yet, and ``name`` is its workflow."""

    at: Time
    kind: str
    run_id: str | None
    name: str


class DuePage(Struct, frozen=True):
    things: list[DueOut]
    next: str | None


class WorkerOut(Struct, frozen=True):
    """``running`` of its ``places`` are taken; ``solo``: it executes one isolated run."""

    id: str
    pid: int
    group: str
    places: int
    running: int
    solo: bool


class QueueOut(Struct, frozen=True):
    """``ready`` runs could be claimed now; the oldest of them came in at ``oldest_at``."""

    group: str
    ready: int
    oldest_at: Time


class CommitsOut(Struct, frozen=True):
    """Of the last ``measured`` commits, in seconds."""

    measured: int
    p50: float
    p99: float


class EngineOut(Struct, frozen=True):
    """``grown``: bytes by which the file has grown since the start."""

    version: str
    pid: int
    started_at: Time
    commits: CommitsOut
    grown: int
    workers: list[WorkerOut]
    troubles: list[str]


class StorageOut(Struct, frozen=True):
    """Bytes of the file, of its log, and free in it; how many there are of each."""

    file_bytes: int
    log_bytes: int
    free_bytes: int
    runs: int
    events: int
    approvals: int
    audit: int


class HeadOut(Struct, frozen=True):
    seq: int
    hash: str


class SettingOut(Struct, frozen=True):
    """``source``: tako.toml, environment or default. Secrets are not shown."""

    key: str
    value: str
    source: str


class SystemOut(Struct, frozen=True):
    """``engine`` null: it does not answer. ``record``: the last row of the record."""

    engine: EngineOut | None
    storage: StorageOut
    queues: list[QueueOut]
    record: HeadOut
    settings: list[SettingOut]


# --- how


async def stats(call: Call, q: StatsQuery) -> StatsOut:
    found = await call.read(GetWorkflowStats(q.workflow, q.days), WorkflowStats)
    return StatsOut(
        [
            StatOut(
                *(s.name, s.per_day, s.waiting, s.sample, s.failed, s.failures),
                duration=tuple(ms / 1000 for ms in s.duration),
                delay=tuple(ms / 1000 for ms in s.delay),
                waits=None if s.waits is None else tuple(ms / 1000 for ms in s.waits),
            )
            for s in found.stats
        ]
    )


async def events(call: Call, q: EventQuery) -> EventGroupsOut:
    found = await call.read(ListEventGroups(q.prefix, q.cursor, q.limit), EventGroups)
    groups = [
        EventGroupOut(
            *(g.event, g.waiters, g.run_id, g.name),
            created_at=time(g.created_at),
            deadline=maybe_time(g.deadline),
        )
        for g in found.groups
    ]
    return EventGroupsOut(groups, found.next)


async def waiters(call: Call, q: WaiterQuery) -> WaitersOut:
    found = await call.read(ListWaitersOf(q.event, q.cursor, q.limit), WaiterPage)
    return WaitersOut([wait_out(w) for w in found.waiters], found.next)


async def mailbox(call: Call, q: MailQuery) -> MailboxOut:
    found = await call.read(ListMailbox(q.prefix, mail_cursor(q.cursor), q.limit), Mailbox)
    return MailboxOut([event_out(e) for e in found.events], mail_text(found.next))


async def due(call: Call, q: DueQuery) -> DuePage:
    found = await call.read(ListDue(q.limit, due_cursor(q.cursor)), DueList)
    things = [DueOut(time(t.at), t.kind, t.run_id or None, t.name) for t in found.things]
    return DuePage(things, due_text(found.next))


async def system(call: Call, _: Nothing) -> SystemOut:
    seen = await overview(engine_of(call.request), call.config)
    return SystemOut(
        engine=None if seen.system is None else _engine(seen.system, seen.storage.file_bytes),
        storage=StorageOut(*(getattr(seen.storage, f) for f in StorageOut.__struct_fields__)),
        queues=[QueueOut(q.group, q.ready, time(q.oldest_at)) for q in seen.queues],
        record=HeadOut(*seen.head),
        settings=[SettingOut(s.key, s.value, s.source) for s in seen.settings],
    )


def _engine(s: Any, file_bytes: int) -> EngineOut:
    count, p50, p99 = s.commits
    return EngineOut(
        version=s.version,
        pid=s.pid,
        started_at=time(s.started_at),
        commits=CommitsOut(count, p50 / 1e6, p99 / 1e6),
        grown=file_bytes - s.bytes_before,
        workers=[WorkerOut(w.id, w.pid, w.group, w.places, w.running, w.solo) for w in s.workers],
        troubles=s.troubles,
    )


# --- cursors as texts


def due_cursor(text: str | None) -> tuple[int, int] | None:
    """Raises Trouble."""
    if text is None:
        return None
    moment, _, shown = text.partition("-")
    if not (moment.isdecimal() and shown.isdecimal() and len(text) < 40):
        raise Trouble("bad_request", "cursor must be the `next` of a page", field="cursor")
    return min(int(moment), 2**62), min(int(shown), 1_000_000)


def due_text(cursor: tuple[int, int] | None) -> str | None:
    return None if cursor is None else f"{cursor[0]}-{cursor[1]}"


def mail_cursor(text: str | None) -> tuple[str, int] | None:
    """Raises Trouble."""
    if text is None:
        return None
    number, _, event = text.partition("-")
    if not (number.isdecimal() and len(number) < 19):
        raise Trouble("bad_request", "cursor must be the `next` of a page", field="cursor")
    return event, int(number)


def mail_text(cursor: tuple[str, int] | None) -> str | None:
    return None if cursor is None else f"{cursor[1]}-{cursor[0]}"


ROUTES = (
    Route(
        *("GET", "/api/workflows/stats", Role.VIEWER, stats, StatsQuery, StatsOut),
        summary="Figures of the workflows: runs per day, durations, delays, failures",
    ),
    Route(
        *("GET", "/api/waits/events", Role.VIEWER, events, EventQuery, EventGroupsOut),
        summary="The events that runs wait for, and how many wait for each",
    ),
    Route(
        *("GET", "/api/waits/event", Role.VIEWER, waiters, WaiterQuery, WaitersOut),
        summary="The runs that wait for one event, in the order in which they came",
    ),
    Route(
        *("GET", "/api/waits/mailbox", Role.VIEWER, mailbox, MailQuery, MailboxOut),
        summary="Signals that nobody has taken",
    ),
    Route(
        *("GET", "/api/due", Role.VIEWER, due, DueQuery, DuePage),
        summary="What will happen by itself, soonest first",
    ),
    Route(
        *("GET", "/api/system", Role.VIEWER, system, Nothing, SystemOut),
        summary="Workers, queues, commit times, storage, the record's end, and the settings",
    ),
)
