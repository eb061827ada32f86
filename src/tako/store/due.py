"""What time and death bring: deadlines, delayed runs, timeouts, lost workers."""

import msgspec

from tako.commands import Lost, Ok, ShiftLeases, Tick
from tako.durations import format_ms
from tako.model import RunError
from tako.store.approving import timer
from tako.store.closing import runs_ended
from tako.store.entering import cancel_run
from tako.store.scheduling import run_due
from tako.store.transaction import Transaction
from tako.store.waiting import WaiterRow, end_wait

STRIKES = 3  # deaths of a worker of its own after which a run is poison


def tick(tx: Transaction, c: Tick) -> Ok:
    tx.effects.timed = True
    for seq, group in tx.db.all("due_runs", tx.now, c.limit):
        tx.db.run("make_ready", seq)
        tx.effects.ready.add(group)
    for row in tx.db.all("due_waiters", tx.now, c.limit):
        end_wait(tx, WaiterRow(*row), "timeout", None)
    run_due(tx, c.limit)
    _fire_timers(tx, c.limit)
    _expire_runs(tx, c.limit)
    for (worker_id,) in tx.db.all("expired_leases", tx.now):
        _lose(tx, Lost(worker_id, "its worker stopped answering"), hung=True)
    tx.db.run("delete_expired_events", tx.now, c.limit)
    return Ok()


def _fire_timers(tx: Transaction, limit: int) -> None:
    """Reminders and escalations. Of several reminders that were missed, one is enough."""
    reminded: set[int] = set()
    for number, approval, people in tx.db.all("due_approval_timers", tx.now, limit):
        tx.db.run("delete_approval_timer", number)
        if people is not None:
            timer(tx, approval, tuple(msgspec.json.decode(people)))
        elif approval not in reminded:
            reminded.add(approval)
            timer(tx, approval, None)


def _expire_runs(tx: Transaction, limit: int) -> None:
    for run_id, timeout in tx.db.all("expired_runs", tx.now, limit):
        row = tx.db.one("state_of_run", run_id)
        assert row is not None
        cancel_run(tx, run_id, f"timed out after {format_ms(timeout)}", row[1], row[2])
        tx.effects.ready.add(row[4])


def lost(tx: Transaction, c: Lost) -> Ok:
    _lose(tx, c, hung=False)
    return Ok()


def _lose(tx: Transaction, c: Lost, *, hung: bool) -> None:
    """Only a run that was alone in its worker can be to blame; the others cannot be told apart."""
    runs = tx.db.all("runs_of_worker", c.worker_id)
    for run_id, lease_id, strikes, group in runs:
        strike = 1 if len(runs) == 1 else 0
        error = _error_of_death(c, run_id)
        if not c.blame:
            tx.db.run("release_run", run_id, lease_id)
        elif strikes + strike >= STRIKES:
            tx.db.run("poison_run", error, tx.now, run_id, lease_id)
            runs_ended(tx, run_id)
        else:
            tx.db.run("isolate_run", strike, strike, error, run_id, lease_id)
        tx.effects.ready.add(group)
        tx.effects.runs.append(run_id)
        if hung:
            tx.stop(c.worker_id, run_id, lease_id, "the lease expired")


def _error_of_death(c: Lost, run_id: str) -> str:
    step = c.steps.get(run_id)
    where = "" if step is None else f" while it ran step {step!r}"
    message = f"worker {c.worker_id} was lost: {c.cause}{where}"
    return msgspec.json.encode(RunError("tako.WorkerLost", message, step=step)).decode()


def shift_leases(tx: Transaction, c: ShiftLeases) -> Ok:
    tx.db.run("shift_leases", c.delta)
    tx.effects.timed = True
    return Ok()
