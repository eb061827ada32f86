"""Commands from anywhere: a run comes in, is cancelled, or is run again."""

from functools import partial

import msgspec

from tako.builtin import OWN_RUNS, RESERVED
from tako.checks import unreachable
from tako.commands import Cancel, Changed, Enqueue, Enqueued, Rerun
from tako.errors import (
    Conflict,
    PayloadRefused,
    StepNotFound,
    UnknownWorkflow,
    WrongState,
)
from tako.schema import validate_schema
from tako.store import requesting
from tako.store.closing import runs_ended
from tako.store.database import json_list
from tako.store.refusal import Refusal, no_run
from tako.store.transaction import Transaction


def enqueue(tx: Transaction, c: Enqueue) -> Enqueued:
    if c.workflow.startswith(RESERVED):  # what ours are given, nobody outside may choose
        raise Refusal(UnknownWorkflow, f"{c.workflow!r} is tako's own: nobody else enqueues it")
    if c.run_id.startswith(OWN_RUNS):  # whoever has the id of a message keeps it from being sent
        raise Refusal(
            PayloadRefused, f"ids that begin with {OWN_RUNS!r} are tako's own: {c.run_id!r}"
        )
    if why := unreachable(c.run_id):
        raise Refusal(PayloadRefused, f"a run cannot be called {c.run_id!r}: {why}")
    if c.group is None:
        group, timeout = _look_up(tx, c)
        c = msgspec.structs.replace(c, group=group, timeout=timeout)
    return enter(tx, c)


def enter(tx: Transaction, c: Enqueue) -> Enqueued:
    """Enqueue what was checked, and knows its group."""
    assert c.group is not None, "as the sender knew it, or the store"
    timeout = c.timeout
    group = tx.shared.groups.get(c.workflow, c.group)  # the sender's code may be older
    run_at = _due_at(tx, c)
    starts = tx.now if run_at is None else run_at
    expires_at = None if timeout is None else starts + timeout
    row = (c.run_id, c.workflow, group, c.retries, c.priority, tx.now, run_at)
    tags = json_list(sorted(set(c.tags))) if c.tags else None
    if not tx.db.run("insert_run", *row, timeout, expires_at, c.unique_key, c.payload, tags):
        return _already_there(tx, c)
    if c.tags:
        _tag(tx, c)
    if run_at is None:
        tx.effects.ready.add(group)
    if run_at is not None or expires_at is not None:
        tx.effects.timed = True
    return Enqueued(c.run_id, True)


def _tag(tx: Transaction, c: Enqueue) -> None:
    row = tx.db.one("seq_of_run", c.run_id)
    assert row is not None, "it has just been inserted"
    tx.db.run_many("insert_tag", [(tag, row[0]) for tag in set(c.tags)])


def _due_at(tx: Transaction, c: Enqueue) -> int | None:
    due = c.run_at
    if due is None and c.delay is not None:
        due = tx.now + c.delay
    return None if due is None or due <= tx.now else due


def _look_up(tx: Transaction, c: Enqueue) -> tuple[str, int | None]:
    """Group and timeout of a workflow that was enqueued by its name."""
    row = tx.db.one("workflow_by_name", c.workflow)
    if row is None:
        raise Refusal(UnknownWorkflow, f"no workflow is named {c.workflow!r}")
    group, timeout, schema = row
    problem = None if schema is None else validate_schema(c.payload, schema)
    if problem is not None:
        raise Refusal(PayloadRefused, f"workflow {c.workflow!r} does not take it: {problem}")
    return group, timeout if c.timeout is None else c.timeout


def _already_there(tx: Transaction, c: Enqueue) -> Enqueued:
    if tx.db.one("run_exists", c.run_id):
        return Enqueued(c.run_id, False)
    row = tx.db.one("run_by_unique_key", c.workflow, c.unique_key)
    assert row is not None, "only the id and the unique key can stand in the way"
    return Enqueued(row[0], False)


def cancel(tx: Transaction, c: Cancel) -> Changed:
    do = partial(_cancel, tx, c)
    return requesting.once(tx, c.cancel_id, f"cancel {c.run_id}", Changed, do)


def _cancel(tx: Transaction, c: Cancel) -> Changed:
    state, worker_id, lease_id, _, group, _ = _find(tx, c.run_id)
    if not cancel_run(tx, c.run_id, c.reason, worker_id, lease_id):
        return Changed(False, state)
    tx.effects.ready.add(group)  # its place may have been the last one of a limit
    return Changed(True, "cancelled")


def cancel_run(
    tx: Transaction, run_id: str, reason: str, worker_id: str | None, lease_id: str | None
) -> bool:
    """End an unfinished run, wherever it is. False if it had ended."""
    if not tx.db.run("cancel_run", reason, tx.now, run_id):
        return False
    if worker_id is not None and lease_id is not None:
        tx.stop(worker_id, run_id, lease_id, f"cancelled: {reason}")
    runs_ended(tx, run_id)
    return True


def rerun(tx: Transaction, c: Rerun) -> Changed:
    what, do = f"rerun {c.run_id} {c.from_step}", partial(_rerun, tx, c)
    return requesting.once(tx, c.rerun_id, what, Changed, do)


def _rerun(tx: Transaction, c: Rerun) -> Changed:
    state, _, _, workflow, group, timeout = _find(tx, c.run_id)
    if state not in ("failed", "cancelled"):
        raise Refusal(
            WrongState, f"run {c.run_id} is {state}: only a failed or cancelled run can be rerun"
        )
    if holder := tx.db.one("unique_holder", c.run_id):
        raise Refusal(
            Conflict,
            f"run {c.run_id} cannot be rerun: its unique key is held by the unfinished run "
            f"{holder[0]}; cancel that one first or wait for its end",
        )
    _forget(tx, c)
    expires_at = None if timeout is None else tx.now + timeout
    group = tx.shared.groups.get(workflow, group)
    tx.db.run("rerun_run", group, expires_at, c.run_id)
    tx.effects.ready.add(group)
    tx.effects.timed = True
    return Changed(True, "pending")


def _forget(tx: Transaction, c: Rerun) -> None:
    """Drop the steps to do again: those from the chosen one on, and failures in any case."""
    if c.from_step is not None:
        row = tx.db.one("seq_of_step", c.run_id, c.from_step)
        if row is None:
            raise Refusal(
                StepNotFound,
                f"run {c.run_id} has no saved step {c.from_step!r}: "
                f"`tako runs show {c.run_id}` lists them",
            )
        tx.db.run("forget_steps_from", c.run_id, row[0])
    tx.db.run("forget_failures", c.run_id)


def _find(tx: Transaction, run_id: str) -> tuple[str, str | None, str | None, str, str, int | None]:
    """State, worker, lease, workflow, group and timeout of a run."""
    row = tx.db.one("state_of_run", run_id)
    if row is None:
        raise no_run(run_id)
    state, worker_id, lease_id, workflow, group, timeout = row
    return state, worker_id, lease_id, workflow, group, timeout
