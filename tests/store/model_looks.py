"""What can be seen of the model: the same that people and the server see of a store."""

from typing import Any

from msgspec.structs import replace

from tako.model import WorkflowInfo
from tests.store.model_store import UNFINISHED, ModelStore


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
