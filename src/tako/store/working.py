"""Commands of a worker for a run it holds: steps are saved, and the pass ends."""

from tako.commands import (
    Bail,
    Error,
    Exists,
    Fail,
    Heartbeat,
    Load,
    Loaded,
    Ok,
    Release,
    SaveStep,
    Succeed,
)
from tako.errors import LeaseLost
from tako.model import StepRecord
from tako.store.closing import runs_ended
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction

PAGE_STEPS = 500  # saved steps in one reply
PAGE_BYTES = 4 * 1024 * 1024


def lease_lost(run_id: str) -> Refusal:
    return Refusal(
        LeaseLost,
        f"run {run_id} is no longer this worker's: it was cancelled, or given to another worker",
    )


def check_lease(tx: Transaction, run_id: str, lease_id: str) -> tuple[str, str]:
    """Workflow and group of a run that is held. Refused: lease_lost."""
    row = tx.db.one("holds_lease", run_id, lease_id)
    if row is None:
        raise lease_lost(run_id)
    return row[0], row[1]


# --- steps


def save_steps(tx: Transaction, commands: list[SaveStep]) -> list[Ok | Exists | Error]:
    """Save many at once; only if one of them was not written each is looked at."""
    now, next_seq = tx.now, tx.next_seq
    written = tx.db.run_many(
        "save_step",
        [
            (c.run_id, c.name, next_seq(), c.kind, c.outcome, c.value, c.attempt, c.started_at, now)
            + (c.lease_id,)
            for c in commands
        ],
    )
    if written == len(commands):
        return [Ok()] * written
    return [_how_it_went(tx, c) for c in commands]


def _how_it_went(tx: Transaction, c: SaveStep) -> Ok | Exists | Error:
    row = tx.db.one("step_of_run", c.run_id, c.name)
    if tx.db.one("holds_lease", c.run_id, c.lease_id) is None or row is None:
        return lease_lost(c.run_id).reply
    record = StepRecord(*row)
    ours = (c.kind, c.outcome, c.value, c.attempt, c.started_at)
    theirs = (record.kind, record.outcome, record.value, record.attempt, record.started_at)
    return Ok() if ours == theirs else Exists(record)


def load(tx: Transaction, c: Load) -> Loaded:
    check_lease(tx, c.run_id, c.lease_id)
    steps, more = page_of_steps(tx, c.run_id, c.after)
    return Loaded(steps, more)


def page_of_steps(tx: Transaction, run_id: str, after: str) -> tuple[list[StepRecord], bool]:
    """Saved steps by name, as many as fit into one reply, and whether there are more."""
    rows = tx.db.all("steps_after", run_id, after, PAGE_STEPS + 1)
    page: list[StepRecord] = []
    size = 0
    for row in rows[:PAGE_STEPS]:
        size += len(row[3] or "")
        if page and size > PAGE_BYTES:
            break
        page.append(StepRecord(*row))
    return page, len(page) < len(rows)


# --- the end of a pass


def succeed_all(tx: Transaction, commands: list[Succeed]) -> list[Ok | Error]:
    """End many at once. Those that the statement does not give back were not held."""
    if len({c.run_id for c in commands}) < len(commands):  # one of the two has an old lease
        return [reply for c in commands for reply in succeed_all(tx, [c])]
    rows = [(c.result, tx.now, c.run_id, c.lease_id) for c in commands]
    moved = {row[0]: row[1:] for row in tx.db.each("succeed_run", rows)}
    runs_ended(tx, *moved)
    for workflow, group in set(moved.values()):
        tx.freed(workflow, group)
    return [Ok() if c.run_id in moved else lease_lost(c.run_id).reply for c in commands]


def bail(tx: Transaction, c: Bail) -> Ok:
    return _end(tx, c.run_id, "bail_run", c.reason, tx.now, c.run_id, c.lease_id)


def fail(tx: Transaction, c: Fail) -> Ok:
    if c.retry_in is None:
        return _end(tx, c.run_id, "fail_run", c.error, tx.now, c.run_id, c.lease_id)
    run_at = tx.now + c.retry_in if c.retry_in > 0 else None
    workflow, group = _move(tx, c.run_id, "retry_run", c.error, run_at, c.run_id, c.lease_id)
    tx.effects.timed = True
    if run_at is None:
        tx.effects.ready.add(group)
    tx.freed(workflow, group)
    return Ok()


def release(tx: Transaction, c: Release) -> Ok:
    _, group = _move(tx, c.run_id, "release_run", c.run_id, c.lease_id)
    tx.effects.ready.add(group)
    return Ok()


def _end(tx: Transaction, run_id: str, statement: str, *values: object) -> Ok:
    workflow, group = _move(tx, run_id, statement, *values)
    runs_ended(tx, run_id)
    tx.freed(workflow, group)
    return Ok()


def _move(tx: Transaction, run_id: str, statement: str, *values: object) -> tuple[str, str]:
    """Move a run that is held; its workflow and group. Refused: lease_lost."""
    row = tx.db.one(statement, *values)
    if row is None:
        raise lease_lost(run_id)
    return row[0], row[1]


def heartbeat(tx: Transaction, c: Heartbeat) -> Ok:
    if tx.db.run("renew_leases", tx.now + c.lease, c.worker_id):
        tx.effects.timed = True  # it may be shorter than the lease before
    return Ok()
