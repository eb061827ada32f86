"""Runs, their steps, and what they wait for."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from tako.checks import LONGEST_ID
from tako.commands import (
    Cancel,
    Changed,
    CountRuns,
    Get,
    GetStep,
    GetStory,
    ListLogs,
    ListRuns,
    ListSteps,
    ListWaits,
    LogPage,
    Rerun,
    RunCounts,
    RunList,
    RunReply,
    StepList,
    StepReply,
    Story,
    WaitList,
)
from tako.cron import moment_of_run
from tako.durations import moment_ms
from tako.model import Event, Role, Run, StepRecord, Waiter
from tako.web.api.calls import Call, Nothing, Route
from tako.web.api.shapes import (
    Ask,
    Cursor,
    Error,
    EventName,
    Id,
    Limit,
    Since,
    Tag,
    Text,
    Time,
    maybe_error,
    maybe_json,
    maybe_time,
    time,
)
from tako.web.problems import Trouble

State = Literal["pending", "running", "waiting", "succeeded", "failed", "cancelled"]


# --- what comes in


class RunFilter(Ask, frozen=True):
    """``text``: how an id begins, or what an error or a reason has in it. ``since`` and ``until``
    are about when runs came in. ``own``: with runs of tako's own workflows."""

    state: State | None = None
    workflow: Id | None = None
    tag: Tag | None = None
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)] | None = None
    since: Since | None = None
    until: Since | None = None
    own: bool = False

    def command(self) -> ListRuns:
        """Raises Trouble: a time is none."""
        return ListRuns(
            self.state,
            self.workflow,
            brief=True,
            tag=self.tag,
            text=self.text,
            since=_moment(self.since, "since"),
            until=_moment(self.until, "until"),
            own=self.own,
        )


class RunQuery(RunFilter, frozen=True):
    """``text``: how an id begins, or what an error or a reason has in it. ``since`` and ``until``
    are about when runs came in. ``own``: with runs of tako's own workflows."""

    limit: Limit = 50
    cursor: Cursor | None = None


class CountQuery(Ask, frozen=True):
    """``own``: with runs of tako's own workflows."""

    workflow: Id | None = None
    own: bool = False


class StepQuery(Ask, frozen=True):
    """``cursor`` is the name of the step that the page before ended with."""

    limit: Limit = 50
    cursor: Annotated[str, Meta(min_length=1, max_length=600)] | None = None


class NewCancel(Ask, frozen=True):
    reason: Text = "cancelled by an operator"


class NewRerun(Ask, frozen=True):
    """``from_step``: this step and all that came after it run again; None: saved ones stay."""

    from_step: EventName | None = None


class OneStep(Ask, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=600)]


class LogQuery(Ask, frozen=True):
    """``cursor`` is the ``next`` of the page before."""

    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0


class WaitQuery(Ask, frozen=True):
    event: EventName | None = None
    limit: Limit = 50


# --- what goes out


class RunHead(Struct, frozen=True):
    """A run without what may be large. ``error`` has no traceback. ``scheduled_for``: it is the run
    of its workflow's schedule for this moment."""

    id: str
    workflow: str
    group: str
    state: State
    attempt: int
    strikes: int
    retries: int | None
    priority: int
    created_at: Time
    run_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time | None
    unique_key: str | None
    reason: str | None
    worker_id: str | None
    tags: tuple[str, ...]
    scheduled_for: Time | None


class RunOut(RunHead, frozen=True):
    payload: Any
    result: Any
    error: Error | None


class RunPage(Struct, frozen=True):
    """By ``text``: first ids that begin so, by id; then what else there is. It looks through 5,000
    errors for a page, so a page with few runs or none may have a ``next``: older errors."""

    runs: list[RunHead]
    next: str | None


class Counts(Struct, frozen=True):
    """Runs in each state."""

    pending: int
    running: int
    waiting: int
    succeeded: int
    failed: int
    cancelled: int


class StepOut(Struct, frozen=True):
    """``value`` of an outcome "ok", ``error`` of "failed"; "timeout" has neither."""

    name: str
    kind: str
    outcome: Literal["ok", "failed", "timeout"]
    value: Any
    error: Error | None
    attempt: int
    started_at: Time
    finished_at: Time


class WaitOut(Struct, frozen=True):
    run_id: str
    name: str
    kind: str
    event: str | None
    deadline: Time | None
    created_at: Time


class StepPage(Struct, frozen=True):
    """``waits``: what the run waits for now."""

    steps: list[StepOut]
    waits: list[WaitOut]
    next: str | None


class PassOut(Struct, frozen=True):
    at: Time
    worker_id: str
    attempt: int


class PassesOut(Struct, frozen=True):
    """Each time after the first that a worker took the run up, oldest first."""

    passes: list[PassOut]


class LogLineOut(Struct, frozen=True):
    at: Time
    level: str
    message: str
    attempt: int


class LogLines(Struct, frozen=True):
    lines: list[LogLineOut]
    next: int | None


class CancelOut(Struct, frozen=True):
    """``changed`` false: it had ended before, with ``state``."""

    changed: bool
    state: State


class RerunOut(Struct, frozen=True):
    state: State


class EventOut(Struct, frozen=True):
    """A signal that nobody has taken yet. ``reason``: why it was refused."""

    id: str
    event: str
    key: str | None
    payload: Any
    state: str
    delivered: int
    created_at: Time
    expires_at: Time
    reason: str | None


class WaitPage(Struct, frozen=True):
    waits: list[WaitOut]
    events: list[EventOut]


# --- how


async def runs(call: Call, q: RunQuery) -> RunPage:
    command = replace(q.command(), limit=q.limit, before=q.cursor)
    found = await call.read(command, RunList)
    return RunPage([RunHead(**_head(run)) for run in found.runs], found.next_before(q.limit))


def _moment(text: str | None, name: str) -> int | None:
    """Raises Trouble: it looks like a time, and is none."""
    try:
        return None if text is None else moment_ms(datetime.fromisoformat(text), name)
    except (ValueError, OverflowError) as error:
        raise Trouble("invalid", f"{name} is no time: {error}", field=name) from None


async def counts(call: Call, q: CountQuery) -> Counts:
    return Counts(**(await call.read(CountRuns(q.workflow, q.own), RunCounts)).counts)


async def run(call: Call, _: Nothing) -> RunOut:
    found = (await call.read(Get(call.id), RunReply)).run
    return RunOut(
        **_head(found),
        payload=maybe_json(found.payload),
        result=maybe_json(found.result),
        error=maybe_error(found.error),
    )


async def steps(call: Call, q: StepQuery) -> StepPage:
    found = await call.read(ListSteps(call.id, q.limit, q.cursor), StepList)
    more = found.steps[-1].name if len(found.steps) == q.limit else None
    return StepPage(
        [_step(step) for step in found.steps], [wait_out(waiter) for waiter in found.waiters], more
    )


async def step(call: Call, q: OneStep) -> StepOut:
    return _step((await call.read(GetStep(call.id, q.name), StepReply)).step)


async def passes(call: Call, _: Nothing) -> PassesOut:
    story = await call.read(GetStory(call.id, limit=1), Story)
    return PassesOut([PassOut(time(one.at), one.worker_id, one.attempt) for one in story.passes])


async def logs(call: Call, q: LogQuery) -> LogLines:
    found = await call.read(ListLogs(call.id, q.cursor, q.limit), LogPage)
    lines = [LogLineOut(time(x.at), x.level, x.message, x.attempt) for x in found.lines]
    return LogLines(lines, found.next)


async def cancel(call: Call, body: NewCancel) -> CancelOut:
    reply = await call.ask(Cancel(call.id, body.reason, call.new_id()), Changed)
    return CancelOut(reply.changed, reply.state)  # type: ignore[arg-type]  # one of RunState


async def rerun(call: Call, body: NewRerun) -> RerunOut:
    reply = await call.ask(Rerun(call.id, body.from_step, call.new_id()), Changed)
    return RerunOut(reply.state)  # type: ignore[arg-type]  # one of RunState


async def waits(call: Call, q: WaitQuery) -> WaitPage:
    found = await call.read(ListWaits(q.event, q.limit), WaitList)
    return WaitPage([wait_out(w) for w in found.waiters], [event_out(e) for e in found.events])


def _head(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "workflow": run.workflow,
        "group": run.group,
        "state": run.state.value,
        "attempt": run.attempt,
        "strikes": run.strikes,
        "retries": run.retries,
        "priority": run.priority,
        "created_at": time(run.created_at),
        "run_at": maybe_time(run.run_at),
        "started_at": maybe_time(run.started_at),
        "finished_at": maybe_time(run.finished_at),
        "expires_at": maybe_time(run.expires_at),
        "unique_key": run.unique_key,
        "reason": run.reason,
        "worker_id": run.worker_id,
        "tags": run.tags,
        "scheduled_for": maybe_time(moment_of_run(run.id, run.workflow)),
    }


def _step(s: StepRecord) -> StepOut:
    failed = s.outcome == "failed"
    return StepOut(
        name=s.name,
        kind=s.kind,
        outcome=s.outcome,  # type: ignore[arg-type]  # as StepRecord says
        value=None if failed else maybe_json(s.value),
        error=maybe_error(s.value) if failed else None,
        attempt=s.attempt,
        started_at=time(s.started_at),
        finished_at=time(s.finished_at),
    )


def wait_out(w: Waiter) -> WaitOut:
    return WaitOut(w.run_id, w.name, w.kind, w.event, maybe_time(w.deadline), time(w.created_at))


def event_out(e: Event) -> EventOut:
    return EventOut(
        id=e.id,
        event=e.event,
        key=e.key,
        payload=maybe_json(e.payload),
        state=e.state,
        delivered=e.delivered,
        created_at=time(e.created_at),
        expires_at=time(e.expires_at),
        reason=e.reason,
    )


_ONE = "/api/runs/{id}"
ROUTES = (
    Route(
        *("GET", "/api/runs", Role.VIEWER, runs, RunQuery, RunPage),
        summary="Runs, newest first",
    ),
    Route(
        *("GET", "/api/run-counts", Role.VIEWER, counts, CountQuery, Counts),
        summary="How many runs there are in each state, of one workflow or at all",
    ),
    Route(
        *("GET", _ONE, Role.VIEWER, run, Nothing, RunOut),
        summary="One run with its payload, and its result or error",
        refusals=(404,),
    ),
    Route(
        *("GET", f"{_ONE}/steps", Role.VIEWER, steps, StepQuery, StepPage),
        summary="The saved steps of a run in their order, and what it waits for",
        refusals=(404,),
    ),
    Route(
        *("GET", f"{_ONE}/step", Role.VIEWER, step, OneStep, StepOut),
        summary="One saved step of a run",
        refusals=(404,),
    ),
    Route(
        *("GET", f"{_ONE}/passes", Role.VIEWER, passes, Nothing, PassesOut),
        summary="When a run was taken up again, by which worker and in which attempt",
        refusals=(404,),
    ),
    Route(
        *("GET", f"{_ONE}/logs", Role.VIEWER, logs, LogQuery, LogLines),
        summary="What a run has logged with `step.log`, oldest first",
        refusals=(404,),
    ),
    Route(
        *("POST", f"{_ONE}/cancel", Role.OPERATOR, cancel, NewCancel, CancelOut),
        summary="End a run as cancelled",
        refusals=(404,),
        keyed=True,
    ),
    Route(
        *("POST", f"{_ONE}/rerun", Role.OPERATOR, rerun, NewRerun, RerunOut),
        summary="Run a failed or cancelled run again",
        refusals=(404, 409),
        keyed=True,
    ),
    Route(
        *("GET", "/api/waits", Role.VIEWER, waits, WaitQuery, WaitPage),
        summary="What runs wait for, nearest deadline first, and signals that nobody has taken",
    ),
)
