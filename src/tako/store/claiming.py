"""Which run goes next: by priority, then fairly between workflows, then in the order of arrival.

Fairness is stride scheduling with equal shares (Waldspurger and Weihl, 1995): each workflow has
a count of how often it was served, the one served least goes first, and one that comes back after
having had nothing to do starts at the others' level instead of with a credit.
"""

from collections.abc import Iterator
from typing import Any

from tako.commands import Claim, Claimed, ClaimedRun, Register, Registered
from tako.ids import new_id
from tako.model import Waiter
from tako.store import scheduling
from tako.store.database import json_list
from tako.store.transaction import Transaction
from tako.store.working import page_of_steps


def claim(tx: Transaction, c: Claim) -> Claimed:
    chosen = _isolated(tx, c) if c.solo else _shared(tx, c)
    if not chosen:
        return Claimed([])
    tx.effects.timed = True  # their leases
    return Claimed(_take(tx, c, chosen))


def _isolated(tx: Transaction, c: Claim) -> list[tuple[int, bool]]:
    rows = [row for row in tx.db.all("isolated_runs", c.group) if row[1] in c.workflows]
    room = {workflow: _room(tx, workflow, c.limit) for workflow in {row[1] for row in rows}}
    chosen: list[tuple[int, bool]] = []
    for seq, workflow in rows:
        if len(chosen) < c.limit and room[workflow] > 0:
            room[workflow] -= 1
            chosen.append((seq, False))
    return chosen


def _shared(tx: Transaction, c: Claim) -> list[tuple[int, bool]]:
    """The runs to claim, each with whether it is fresh: never claimed before."""
    if c.limit <= 0:
        return []
    ready = [name for (name,) in tx.db.all("ready_workflows", c.group)]
    names = [name for name in ready if name in c.workflows]
    if not names:
        return []
    turns = _levelled(tx, c.group, ready)
    candidates = sorted(entry for name in names for entry in _ready(tx, c, name, turns[name]))
    chosen = candidates[: c.limit]
    for _, _, _, name, _ in chosen:
        turns[name] += 1
    return [(seq, fresh) for _, _, seq, _, fresh in chosen]


def _levelled(tx: Transaction, group: str, ready: list[str]) -> dict[str, int]:
    """The turns of the ready workflows, where new ones start at the lowest of the others.

    Those with nothing to do are forgotten: no credit for that.
    """
    before = tx.shared.turns.get(group, {})
    lowest = min((before[name] for name in ready if name in before), default=0)
    turns = {name: before.get(name, lowest) for name in ready}
    tx.shared.turns[group] = turns
    return turns


def _ready(
    tx: Transaction, c: Claim, workflow: str, turn: int
) -> Iterator[tuple[int, int, int, str, bool]]:
    room = _room(tx, workflow, c.limit)
    if room > 0:
        rows = tx.db.all("ready_runs", c.group, workflow, room)
        for rank, (seq, priority, fresh) in enumerate(rows):
            yield -priority, turn + rank, seq, workflow, bool(fresh)


def _room(tx: Transaction, workflow: str, most: int) -> int:
    """How many more runs of a workflow may run now, at most ``most``."""
    limit = tx.shared.limits.get(workflow)
    if limit is None:
        return most
    row = tx.db.one("running_of_workflow", workflow)
    assert row is not None
    return min(most, limit - int(row[0]))


def _take(tx: Transaction, c: Claim, chosen: list[tuple[int, bool]]) -> list[ClaimedRun]:
    """Each run gets a lease of its own: what this claim's begin with, and the run's number."""
    seqs = json_list([seq for seq, _ in chosen])
    rows = tx.db.all("claim_runs", new_id(), c.worker_id, tx.now + c.lease, tx.now, seqs)
    taken = {row[0]: row[1:] for row in rows}
    again = [taken[seq] for seq, fresh in chosen if not fresh]
    if again:
        rows = [(run_id, tx.now, c.worker_id, attempt) for run_id, _, _, _, attempt, *_ in again]
        tx.db.run_many("insert_pass", rows)
    return [_claimed(tx, taken[seq], fresh) for seq, fresh in chosen]


def _claimed(tx: Transaction, row: tuple[Any, ...], fresh: bool) -> ClaimedRun:
    if fresh:  # nothing can have been saved
        return ClaimedRun(*row, [], [])  # type: ignore[call-arg]
    run_id = row[0]
    steps, more = page_of_steps(tx, run_id, "")
    waiters = [Waiter(*w) for w in tx.db.all("waiters_of_run", run_id)]
    return ClaimedRun(*row, steps, waiters, more)  # type: ignore[call-arg]


def register(tx: Transaction, c: Register) -> Registered:
    """What a new worker knows replaces what was known; runs it does not hold are given back."""
    before = tx.shared.groups
    if not c.again:
        _remember_workflows(tx, c)
    held = set(c.leases)
    for run_id, lease_id, *_ in tx.db.all("runs_of_worker", c.worker_id):
        if lease_id in held:
            held.discard(lease_id)
        else:
            tx.db.run("release_run", run_id, lease_id)
    tx.effects.ready |= {c.group, *before.values(), *tx.shared.groups.values()}
    return Registered(sorted(held))


def _remember_workflows(tx: Transaction, c: Register) -> None:
    known = tx.shared.groups
    for w in c.workflows:
        if known.get(w.name) != w.group:  # moved, or back after it had been forgotten
            tx.db.run("regroup_runs", w.group, w.name)
        row = (w.name, w.group, w.source, w.concurrency, w.timeout, w.schema, tx.now)
        tx.db.run("upsert_workflow", *row)
    scheduling.remember(tx, c.workflows)
    tx.db.run("forget_broken")
    for broken in c.broken:
        tx.db.run("insert_broken", broken.module, broken.error, tx.now)
    if not c.broken:  # else the missing ones may be in the module that does not load
        for name in known.keys() - {w.name for w in c.workflows}:
            tx.db.run("forget_workflow", name)
            tx.db.run("forget_schedule", name)
    tx.shared.read_workflows(tx.db)
