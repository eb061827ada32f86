"""Waits, parking and signals: who waits for what, and the one transaction that ends a wait."""

from typing import NamedTuple

from tako.commands import (
    Exists,
    NotParked,
    Ok,
    Park,
    Parked,
    Signal,
    Signalled,
    Spread,
    Unwait,
    Wait,
    Waiting,
)
from tako.errors import PayloadRefused, Refused
from tako.model import ApprovalState, StepKind, StepRecord
from tako.schema import validate_schema
from tako.store import closing
from tako.store.database import json_list
from tako.store.questions import Found, find, schema_number
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction
from tako.store.working import check_lease

AT_ONCE = 250  # waiters that one transaction delivers to; more are spread, others go between
_NO_LIMIT = 2**63 - 1


class WaiterRow(NamedTuple):
    seq: int
    run_id: str
    name: str
    kind: str
    event: str | None
    deadline: int | None
    schema_id: int | None
    attempt: int
    created_at: int


# --- the worker's side


def wait(tx: Transaction, c: Wait) -> Waiting | Exists:
    check_lease(tx, c.run_id, c.lease_id)
    saved = saved_outcome(tx, c.run_id, c.name, c.attempt)
    if saved is not None:
        return Exists(saved)
    schema_id = schema_number(tx, c.schema)
    before = find_waiter(tx, c.run_id, c.name)
    if before is not None and before.deadline is not None and before.deadline <= tx.now:
        return Exists(end_wait(tx, before, "timeout", None))
    if before is not None and before.kind == StepKind.APPROVAL:
        give_up(tx, before)
        before = None
    if before is None:
        deadline = c.until if c.timeout is None else tx.now + c.timeout
        return _begin(tx, c, deadline, schema_id)
    if (before.event, before.schema_id) == (c.event, schema_id):
        return Waiting(before.deadline)
    tx.db.run("delete_waiters", json_list([before.seq]))  # the code now waits for something else
    return _begin(tx, c, before.deadline, schema_id)


def saved_outcome(tx: Transaction, run_id: str, name: str, attempt: int) -> StepRecord | None:
    """What is saved of a step; a failure of an earlier attempt does not count."""
    row = tx.db.one("step_of_run", run_id, name)
    if row is None:
        return None
    record = StepRecord(*row)
    return None if record.outcome == "failed" and record.attempt < attempt else record


def _begin(
    tx: Transaction, c: Wait, deadline: int | None, schema_id: int | None
) -> Waiting | Exists:
    """Take an event that was kept, or time out at once, or wait."""
    fields = (c.run_id, c.name, c.kind, c.event, deadline, schema_id, c.attempt, tx.now)
    waiter = WaiterRow(0, *fields)
    if c.event is not None:
        payload = _take_kept(tx, c.event, c.schema)
        if payload is not None:
            return Exists(_record(tx, [waiter], "ok", payload)[0])
    if deadline is not None and deadline <= tx.now:
        return Exists(_record(tx, [waiter], *_at_deadline(c.kind))[0])
    _insert(tx, waiter)
    return Waiting(deadline)


def begin(
    tx: Transaction, run_id: str, name: str, kind: str, deadline: int | None, attempt: int
) -> WaiterRow:
    """A waiter that no signal reaches: for an approval."""
    return _insert(tx, WaiterRow(0, run_id, name, kind, None, deadline, None, attempt, tx.now))


def _insert(tx: Transaction, waiter: WaiterRow) -> WaiterRow:
    waiter = waiter._replace(seq=tx.next_seq())
    tx.db.run("insert_waiter", *waiter)
    tx.effects.timed = tx.effects.timed or waiter.deadline is not None
    return waiter


def _take_kept(tx: Transaction, event: str, schema: str | None) -> str | None:
    """The payload of the oldest kept event the type takes; those it does not are put aside."""
    while row := tx.db.one("buffered_event", event, tx.now):
        seq, payload = row
        problem = None if schema is None else validate_schema(payload, schema)
        if problem is None:
            tx.db.run("take_event", seq)
            return str(payload)
        tx.db.run("refuse_event", problem, seq)
    return None


def give_up(tx: Transaction, waiter: WaiterRow) -> None:
    """The code now waits in another way under this name."""
    tx.db.run("delete_waiters", json_list([waiter.seq]))
    if waiter.kind == StepKind.APPROVAL:
        closing.withdraw(tx, waiter.run_id, waiter.name, "the handler waits for something else")


def unwait(tx: Transaction, c: Unwait) -> Ok | Exists:
    check_lease(tx, c.run_id, c.lease_id)
    deleted = tx.db.one("delete_waiter_by_name", c.run_id, c.name)
    if deleted is not None and deleted[0] == StepKind.APPROVAL:
        closing.withdraw(tx, c.run_id, c.name, "the handler gave it up")
    if deleted is None:
        saved = tx.db.one("step_of_run", c.run_id, c.name)
        if saved is not None:
            return Exists(StepRecord(*saved))
    return Ok()


def park(tx: Transaction, c: Park) -> Parked | NotParked:
    workflow, group = check_lease(tx, c.run_id, c.lease_id)
    still_open = {row[1] for row in tx.db.all("waiters_of_run", c.run_id)}
    if not c.names:
        raise Refusal(Refused, f"run {c.run_id} cannot park: it waits for nothing")
    if not still_open.issuperset(c.names):
        return NotParked()
    tx.db.run("park_run", c.run_id, c.lease_id)
    tx.freed(workflow, group)
    return Parked()


def find_waiter(tx: Transaction, run_id: str, name: str) -> WaiterRow | None:
    row = tx.db.one("waiter_of_run", run_id, name)
    return None if row is None else WaiterRow(*row)


# --- the end of a wait


def in_time(tx: Transaction, found: Found) -> Found:
    """At its deadline an approval is over, whether or not the tick has been there."""
    approval, deadline = found.approval, found.approval.deadline
    if approval.state is not ApprovalState.OPEN or deadline is None or deadline > tx.now:
        return found
    waiter = find_waiter(tx, approval.run_id, approval.name)
    assert waiter is not None, "an open approval has a waiter"
    end_wait(tx, waiter, "timeout", None)
    return find(tx, approval.id)


def end_wait(tx: Transaction, waiter: WaiterRow, outcome: str, payload: str | None) -> StepRecord:
    """End one wait: see `_end_all`."""
    if outcome == "timeout" and waiter.kind == StepKind.APPROVAL:
        outcome, payload = closing.expire(tx, waiter.run_id, waiter.name)
    elif outcome == "timeout":
        outcome, payload = _promised(tx, waiter) or _at_deadline(waiter.kind)
    return _end_all(tx, [waiter], outcome, payload)[0]


def _end_all(
    tx: Transaction, waiters: list[WaiterRow], outcome: str, payload: str | None
) -> list[StepRecord]:
    """Remove the waiters, save their outcome and let their runs go on: one transaction.

    A parked run becomes pending; one that executes is told in memory; one that is pending
    already finds the outcome when it is claimed.
    """
    tx.db.run("delete_waiters", json_list([w.seq for w in waiters]))
    records = _record(tx, waiters, outcome, payload)
    run_ids = [w.run_id for w in waiters]
    woken = dict(tx.db.all("wake_runs", json_list(run_ids)))
    tx.effects.ready.update(woken.values())
    tx.effects.runs += run_ids
    for waiter, record in zip(waiters, records, strict=True):
        if waiter.run_id not in woken:
            _tell_holder(tx, waiter.run_id, record)
    return records


def _tell_holder(tx: Transaction, run_id: str, record: StepRecord) -> None:
    holder = tx.db.one("holder_of_run", run_id)
    if holder is not None:
        tx.deliver(holder[0], run_id, holder[1], record)


def _promised(tx: Transaction, w: WaiterRow) -> tuple[str, str] | None:
    """A signal that came before the deadline counts, though its delivery is still going on."""
    if w.event is None:
        return None
    row = tx.db.one("promised_event", w.event, w.seq, w.deadline)
    if row is None:
        return None
    tx.db.run("count_delivery", row[0])
    return "ok", row[1]


def _at_deadline(kind: str) -> tuple[str, str | None]:
    """A sleep that ends has done its work; a wait that ends so has timed out."""
    return ("ok", "null") if kind == "sleep" else ("timeout", None)


def _record(
    tx: Transaction, waiters: list[WaiterRow], outcome: str, value: str | None
) -> list[StepRecord]:
    tails = [(w.kind, outcome, value, w.attempt, w.created_at, tx.now) for w in waiters]
    pairs = list(zip(waiters, tails, strict=True))
    rows = [(w.run_id, w.name, tx.next_seq(), *tail) for w, tail in pairs]
    tx.db.run_many("record_outcome", rows)
    return [StepRecord(w.name, *tail) for w, tail in pairs]


def save(
    tx: Transaction, run_id: str, name: str, kind: str, outcome: str, value: str, attempt: int
) -> StepRecord:
    """The outcome of a wait that nobody had to wait for."""
    waiter = WaiterRow(0, run_id, name, kind, None, None, None, attempt, tx.now)
    return _record(tx, [waiter], outcome, value)[0]


# --- the sender's side


def signal(tx: Transaction, c: Signal) -> Signalled:
    if (known := _sent_before(tx, c.event_id)) is not None:
        return known
    same_key = None if c.key is None else tx.db.one("event_by_key", c.event, c.key, tx.now)
    if same_key is not None and same_key[2]:
        return Signalled("duplicate", same_key[1])
    after = _promised_upto(tx, c.event, _NO_LIMIT)
    waiters = _open_waiters(tx, c.event, after, _NO_LIMIT, tx.now, AT_ONCE + 1)
    _check_payload(tx, c, _types(tx, c.event, after, waiters))
    if same_key is not None:
        tx.db.run("delete_event", same_key[0])  # too old to count, not swept away yet
    return _deliver(tx, c, waiters)


def _sent_before(tx: Transaction, event_id: str) -> Signalled | None:
    """What to say to who sends again because our reply was lost."""
    row = tx.db.one("event_by_id", event_id)
    if row is None:
        return None
    state, delivered = row
    outcome = "buffered" if state in ("buffered", "refused") else "delivered"
    return Signalled(outcome, delivered, spreading=state == "spreading")


def _deliver(tx: Transaction, c: Signal, waiters: list[WaiterRow]) -> Signalled:
    """Store the event, and give it to those who wait; to very many not all at once."""
    head, tail = (c.event_id, c.event, c.key), (tx.now, tx.now + c.ttl)
    tx.effects.timed = True
    if not waiters:
        tx.db.run("insert_event", *head, c.payload, "buffered", 0, None, *tail)
        return Signalled("buffered", 0)
    if len(waiters) > AT_ONCE:
        last = tx.db.one("last_waiter_of_event", c.event)
        assert last is not None
        tx.db.run("insert_event", *head, c.payload, "spreading", 0, last[0], *tail)
        return spread(tx, Spread(c.event_id))
    tx.db.run("insert_event", *head, None, "delivered", len(waiters), None, *tail)
    _end_all(tx, waiters, "ok", c.payload)
    return Signalled("delivered", len(waiters))


def _types(tx: Transaction, event: str, after: int, waiters: list[WaiterRow]) -> list[int]:
    """The types that all who wait declare; ``waiters`` are all, or the first of very many."""
    if len(waiters) > AT_ONCE:
        return [row[0] for row in tx.db.all("schemas_of_event", event, after, tx.now)]
    return sorted({w.schema_id for w in waiters if w.schema_id is not None})


def _check_payload(tx: Transaction, c: Signal, schema_ids: list[int]) -> None:
    """All who wait must be able to take it, or it does not count for anyone."""
    for schema_id in schema_ids:
        row = tx.db.one("schema_by_id", schema_id)
        assert row is not None
        problem = validate_schema(c.payload, row[0])
        if problem is not None:
            raise Refusal(
                PayloadRefused,
                f"event {c.event!r} does not take this payload: {problem}; "
                "nothing was delivered, the run still waits",
            )


def _promised_upto(tx: Transaction, event: str, before: int) -> int:
    """Up to which waiter the signals before this one are still being delivered."""
    return tx.db.number("promised_upto", event, before)


def _open_waiters(
    tx: Transaction, event: str, after: int, upto: int, moment: int, limit: int
) -> list[WaiterRow]:
    rows = tx.db.all("waiters_of_event", event, after, upto, moment, limit)
    return [WaiterRow(*row) for row in rows]


def spread(tx: Transaction, c: Spread) -> Signalled:
    """Deliver to the next of very many waiters; those who came after the signal get nothing."""
    row = tx.db.one("spreading_event", c.event_id)
    if row is None:
        return _sent_before(tx, c.event_id) or Signalled("delivered", 0)
    seq, event, payload, upto, delivered, sent_at = row
    after = _promised_upto(tx, event, seq)
    waiters = _open_waiters(tx, event, after, upto, sent_at, AT_ONCE)
    _end_all(tx, waiters, "ok", payload)
    delivered += len(waiters)
    if len(waiters) < AT_ONCE:
        tx.db.run("finish_event", delivered, seq)
        tx.effects.timed = True  # from now on it can expire
        return Signalled("delivered", delivered)
    tx.db.run("advance_event", delivered, seq)
    tx.effects.spreading.append(c.event_id)
    return Signalled("delivered", delivered, spreading=True)
