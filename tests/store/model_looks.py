"""What can be seen of the model: the same that people and the server see of a store."""

from typing import Any

from msgspec.structs import replace

from tako import commands as c
from tako.model import EventGroup, GroupQueue, RunState, WorkflowInfo
from tests.store.model_nouns import ModelEvent, ModelRun
from tests.store.model_store import UNFINISHED, UNSAID, ModelStore


def next_due(model: ModelStore) -> int | None:
    """The earliest of all times that something waits for."""
    times = [thing[0] for thing in due_things(model)]
    times += [event.expires_at for event in model.events if event.state != "spreading"]
    times += [r.lease_until for r in model.runs.values() if r.lease_until is not None]
    return min(times, default=None)


def due_things(model: ModelStore) -> list[tuple[Any, ...]]:
    """What the clock will bring, in no order of its own."""
    found: list[tuple[Any, ...]] = [(w.deadline, w.kind, w.run.id, w.name) for w in model.waiters]
    for run in model.runs.values():
        if run.state in UNFINISHED:
            found.append((run.run_at, "run", run.id, run.workflow))
            found.append((run.expires_at, "timeout", run.id, run.workflow))
    known = model.schedules.known.items()
    found += [(schedule.next_at, "schedule", "", name) for name, schedule in known]
    return sorted(thing for thing in found if thing[0] is not None)


def workflows(model: ModelStore) -> list[WorkflowInfo]:
    known = model.schedules.known
    return [replace(w, schedule=known.get(name)) for name, w in sorted(model.workflows.items())]


def could_be_claimed(model: ModelStore) -> dict[str, set[str]]:
    """Of each group, the runs for which there is room."""
    found: dict[str, set[str]] = {}
    for run in model.runs.values():
        if run.claimable and model.room(run.workflow) > 0:
            found.setdefault(run.group, set()).add(run.id)
    return found


def counts(model: ModelStore, workflow: str | None = None) -> dict[str, int]:
    found = [r.state for r in model.runs.values() if workflow in (None, r.workflow)]
    return {str(state): found.count(str(state)) for state in RunState}


def queues(model: ModelStore) -> list[GroupQueue]:
    """What is ready in each group, but for what waits for a worker of its own."""
    ready: dict[str, list[ModelRun]] = {}
    for run in sorted(model.runs.values(), key=lambda run: run.seq):
        if run.claimable and not run.isolated:
            ready.setdefault(run.group, []).append(run)
    return [GroupQueue(name, len(r), r[0].created_at) for name, r in sorted(ready.items())]


def event_groups(model: ModelStore) -> list[EventGroup]:
    found = []
    for event in sorted({w.event for w in model.waiters if w.event is not None}):
        same = [w for w in model.waiters if w.event == event]
        first = same[0]
        rest = first.run.id, first.name, first.created_at, first.deadline
        found.append(EventGroup(event, len(same), *rest))
    return found


def mailbox(model: ModelStore) -> list[ModelEvent]:
    """By event, oldest first."""
    kept = [event for event in model.events if event.state in ("buffered", "refused")]
    return sorted(kept, key=lambda event: event.event)


def found(model: ModelStore, c: c.ListRuns) -> list[str]:
    """The ids that a list shows, newest first.

    With a text: those that begin with it, by id; then those that have it in a message.
    """
    runs = [
        run
        for run in reversed(model.runs.values())
        if c.state in (None, run.state)
        and c.workflow in (None, run.workflow)
        and (c.tag is None or c.tag in run.tags)
    ]
    older = [r for r in runs if c.before is None or r.seq < model.runs[c.before].seq]
    if c.text is None:
        return [run.id for run in older][: c.limit]
    begin = sorted((run.id for run in runs if run.id.startswith(c.text)), reverse=True)
    if c.before is not None and c.before.startswith(c.text):
        begin, older = [run_id for run_id in begin if run_id < c.before], runs
    elif c.before is not None:
        begin = []
    rest = [r.id for r in older if not r.id.startswith(c.text) and c.text in _message(r)]
    return [*begin, *rest][: c.limit]


def _message(run: ModelRun) -> str:
    """Why it was cancelled or has failed."""
    if run.state not in ("failed", "cancelled"):
        return ""
    if run.reason:
        return run.reason
    return "tako.WorkerLost: worker" if run.error == UNSAID else "ValueError: oops"
