"""Schedules: what the code says of them is remembered, and what is due is enqueued.

Each moment has one run, whose id follows from it; of several that were missed, the last has one.
"""

import logging

from tako.commands import Enqueue
from tako.model import Schedule, WorkflowInfo
from tako.store.entering import enter
from tako.store.transaction import Transaction

_log = logging.getLogger("tako.store")


def remember(tx: Transaction, workflows: list[WorkflowInfo]) -> None:
    """What these workflows say holds. A rule that is as it was keeps its next moment."""
    known = {row[0]: Schedule(*row[1:]) for row in tx.db.all("known_schedules")}
    for w in workflows:
        before, given = known.get(w.name), w.schedule
        if given is None:
            if before is not None:
                tx.db.run("forget_schedule", w.name)
            continue
        upcoming = None if before is None else before.next_at
        if before is None or upcoming is None or _rule(before) != _rule(given):
            upcoming = _following(tx, w.name, given)
        row = (w.name, given.rule, given.zone, given.payload, upcoming)
        tx.db.run("upsert_schedule", *row)
        tx.effects.timed = True


def _rule(schedule: Schedule) -> tuple[str, str]:
    return schedule.rule, schedule.zone


def _following(tx: Transaction, workflow: str, schedule: Schedule) -> int | None:
    from tako import cron  # only those pay for it who have a schedule

    try:
        return cron.following(schedule.rule, schedule.zone, tx.now)
    except ValueError as error:
        _complain(workflow, error)
        return None


def _complain(workflow: str, error: ValueError) -> None:
    """The workers' Python may be another, with other time zones. All else goes on."""
    _log.error("the schedule of %s stands still: %s", workflow, error)


def run_due(tx: Transaction, limit: int) -> None:
    """Enqueue a run for the last moment of each schedule that is due, and fix its next one."""
    for workflow, group, timeout, *row in tx.db.all("due_schedules", tx.now, limit):
        upcoming, last = None, row[-1]
        try:
            last, upcoming = _enqueue(tx, workflow, group, timeout, Schedule(*row))
        except ValueError as error:
            _complain(workflow, error)
        tx.db.run("advance_schedule", upcoming, last, workflow)


def _enqueue(
    tx: Transaction, workflow: str, group: str, timeout: int | None, schedule: Schedule
) -> tuple[int, int | None]:
    """The moment that has a run now, and the next one. Raises ValueError: they are not known."""
    from tako import cron

    assert schedule.next_at is not None, "it is due"
    at, upcoming = cron.due(schedule.rule, schedule.zone, schedule.next_at, tx.now)
    run_id = cron.run_id_of(workflow, at)
    payload = schedule.payload or cron.moment_json(at, schedule.zone)
    if enter(tx, Enqueue(run_id, workflow, payload, group, timeout=timeout)).created:
        tx.effects.runs.append(run_id)
    else:
        _log.warning("run %s was there before its schedule was due", run_id)
    return at, upcoming
