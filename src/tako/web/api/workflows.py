"""The workflows that workers have loaded, and when they run by themselves."""

from typing import Any

from msgspec import Struct

from tako.builtin import RESERVED
from tako.commands import ListWorkflows, WorkflowList
from tako.cron import in_words
from tako.model import Role, Schedule, WorkflowInfo
from tako.web.api.calls import Call, Nothing, Route
from tako.web.api.shapes import Time, maybe_json, maybe_time

# --- what goes out


class ScheduleOut(Struct, frozen=True):
    """A cron rule in the time zone ``zone``, and in words. ``payload`` null: a run is given its
    moment. ``next_at`` null: the server does not know the rule or the zone, its log says why.
    """

    rule: str
    zone: str
    words: str
    payload: Any
    next_at: Time | None
    last_at: Time | None


class WorkflowOut(Struct, frozen=True):
    """``timeout`` in seconds; ``payload`` is a JSON Schema."""

    name: str
    group: str
    source: str
    concurrency: int | None
    timeout: float | None
    payload: Any
    schedule: ScheduleOut | None


class BrokenOut(Struct, frozen=True):
    module: str
    error: str


class WorkflowsOut(Struct, frozen=True):
    workflows: list[WorkflowOut]
    broken: list[BrokenOut]


# --- how


async def workflows(call: Call, _: Nothing) -> WorkflowsOut:
    found = await call.ask(ListWorkflows(), WorkflowList)
    own = [_workflow(w) for w in found.workflows if not w.name.startswith(RESERVED)]
    return WorkflowsOut(own, [BrokenOut(b.module, b.error) for b in found.broken])


def _workflow(w: WorkflowInfo) -> WorkflowOut:
    timeout = None if w.timeout is None else w.timeout / 1000
    schedule = None if w.schedule is None else _schedule(w.schedule)
    schema = maybe_json(w.schema)
    return WorkflowOut(w.name, w.group, w.source, w.concurrency, timeout, schema, schedule)


def _schedule(s: Schedule) -> ScheduleOut:
    return ScheduleOut(
        rule=s.rule,
        zone=s.zone,
        words=in_words(s.rule),
        payload=maybe_json(s.payload),
        next_at=maybe_time(s.next_at),
        last_at=maybe_time(s.last_at),
    )


ROUTES = (
    Route(
        *("GET", "/api/workflows", Role.VIEWER, workflows, Nothing, WorkflowsOut),
        summary="The workflows that workers have loaded, and what does not load",
    ),
)
