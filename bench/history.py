"""A store with a long past: very many finished runs, and very many that wait.

A block of finished runs is made by the store's own commands. All further ones are copies of it, by
SQL, with ids, numbers and times of their own: a million by commands would take minutes.
"""

from dataclasses import dataclass
from pathlib import Path

import apsw

from bench.asked import ask_all
from bench.parked import park
from tako.clock import now_ms
from tako.commands import (
    Bail,
    Claim,
    Claimed,
    ClaimedRun,
    Command,
    Enqueue,
    Fail,
    SaveStep,
    Succeed,
)
from tako.ids import new_id
from tako.store import Store, open_store

SPAN = 5 * 86_400_000  # ms: what waits longest still waits when the server opens the file
BLOCK = 10_000
_AT_ONCE = 1_000
_TOOK = 40  # ms, each run
_WORKFLOWS = ("one-step", "one-step", "one-step", "many-steps", "wait")
_ERROR = (
    '{"type":"PaymentError","message":"card %d was declined",'
    '"traceback":"Traceback (most recent call last):\\n%s"}'
)
_TRACE = '  File \\"workflows/steps.py\\", line 8, in nothing\\n' * 12
_ORDER = [SaveStep, Succeed, Fail, Bail]
_TIMES = ("created_at", "started_at", "finished_at")


@dataclass(frozen=True)
class Size:
    """How many runs there are: that wait for an event, for a person, and that are over."""

    events: int
    approvals: int
    finished: int


async def make(path: Path, size: Size) -> list[str]:
    """Make the store; the ids of its open approvals. What waits for events came in first."""
    now = now_ms()
    await park(path, size.events, at=now - SPAN)
    await _finish(path, size.finished, now - SPAN, SPAN)
    return await ask_all(path, size.approvals)


async def _finish(path: Path, count: int, start: int, span: int) -> None:
    blocks = -(-count // BLOCK)
    first = await finish_block(path, min(BLOCK, count), start, span // blocks)
    copy_blocks(path, first, min(BLOCK, count), blocks - 1, span // blocks)


# --- by the store's own commands


async def finish_block(path: Path, count: int, start: int, span: int) -> int:
    """Enqueue ``count`` runs within ``span`` ms and end them; the number of the first."""
    store = open_store(path)
    try:
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, count))
            await _finish_some(store, numbers, start + span * first // count)
    finally:
        store.close()
    db = apsw.Connection(str(path))
    ((last,),) = db.execute("SELECT max(seq) FROM runs")
    db.close()
    return int(last) - count + 1


async def _finish_some(store: Store, numbers: range, now: int) -> None:
    names = [_WORKFLOWS[n % len(_WORKFLOWS)] for n in numbers]
    enqueue: list[Command] = [
        Enqueue(new_id(), name, f'{{"order":{n}}}', "default", tags=_tags(n))
        for n, name in zip(numbers, names, strict=True)
    ]
    await store.execute(enqueue, now)
    claim = Claim(len(numbers), "filler", "default", tuple(set(names)))
    claimed = (await store.execute([claim], now)).replies[0]
    assert isinstance(claimed, Claimed) and len(claimed.runs) == len(numbers)
    ends = [end for run in claimed.runs for end in _ended(run, now)]
    ends.sort(key=lambda command: _ORDER.index(type(command)))  # of one kind: in one go
    await store.execute(ends, now + _TOOK)


def _tags(n: int) -> tuple[str, ...]:
    return (f"customer-{n % 100}", "big") if n % 100 == 7 else (f"customer-{n % 100}",)


def _ended(run: ClaimedRun, now: int) -> list[Command]:
    n = int(run.payload.removeprefix('{"order":').removesuffix("}"))
    steps = 5 if run.workflow == "many-steps" else 1
    saved: list[Command] = [
        SaveStep(run.id, run.lease_id, f"step-{i}", "run", "ok", str(i), 1, now)
        for i in range(steps)
    ]
    if n % 50 == 3:
        return [*saved, Fail(run.id, run.lease_id, _ERROR % (n, _TRACE))]
    if n % 50 == 4:
        return [*saved, Bail(run.id, run.lease_id, f"order {n} was taken back")]
    return [*saved, Succeed(run.id, run.lease_id, f'"order {n} shipped"')]


# --- by SQL


def copy_blocks(path: Path, first: int, count: int, times: int, shift: int) -> None:
    """Copy the last ``count`` runs, from number ``first`` on, each time ``shift`` ms later."""
    db = apsw.Connection(str(path))
    db.pragma("synchronous", "OFF")  # a scratch file; the checkpoint at the end is durable
    db.pragma("wal_autocheckpoint", 50_000)
    db.pragma("cache_size", -200_000)
    db.create_scalar_function("new_id", _new_id, 0)
    for number in range(1, times + 1):
        with db:
            for statement in _copying(db):
                moved = {"first": first, "last": first + count - 1}
                moved |= {"offset": number * count, "shift": number * shift}
                db.execute(statement, moved)
    db.pragma("synchronous", "FULL")
    db.pragma("wal_checkpoint", "TRUNCATE")
    db.close()


def _new_id(*_: object) -> str:
    return new_id()


def _copying(db: apsw.Connection) -> list[str]:
    """One statement for each table that has something of a finished run; all columns are copied."""
    block = "WHERE r.seq BETWEEN :first AND :last"
    copy = "JOIN runs AS copy ON copy.seq = r.seq + :offset"
    ids = {"seq": "t.seq + :offset", "id": "new_id()"}
    later = {name: f"t.{name} + :shift" for name in _TIMES}
    of_run = {"run_id": "copy.id"} | later
    itself = f"FROM runs AS r JOIN {{}} AS t ON t.seq = r.seq {block} ORDER BY r.seq"
    steps = f"FROM runs AS r JOIN steps AS t ON t.run_id = r.id {copy} {block} ORDER BY r.seq"
    counts = "SELECT workflow, state, count(*) FROM runs AS r"
    more = "GROUP BY workflow, state ON CONFLICT DO UPDATE SET runs = runs + excluded.runs"
    return [
        _insert(db, "runs", ids | later, itself.format("runs")),
        _insert(db, "run_tags", ids, itself.format("run_tags")),
        _insert(db, "steps", of_run, steps),
        f"INSERT INTO run_counts {counts} {block} {more}",
    ]


def _insert(db: apsw.Connection, table: str, changed: dict[str, str], source: str) -> str:
    names = [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, f"t.{name}") for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} {source}"
