"""Very many parked runs, made by the store's own commands before a server opens the file."""

from pathlib import Path

from tako.clock import now_ms
from tako.commands import Claim, Claimed, Command, Enqueue, Park, Wait
from tako.ids import new_id
from tako.store import Store, open_store

_AT_ONCE = 1_000
_WEEK = 7 * 86_400_000


async def park(path: Path, count: int, event: str = "go:{}", at: int | None = None) -> list[str]:
    """Park ``count`` runs of workflow `wait`, run n on the event ``event.format(n)``; their ids.

    ``at``: when they came in, in ms; None: now. They wait for a week.
    """
    store = open_store(path)
    try:
        ids: list[str] = []
        for first in range(0, count, _AT_ONCE):
            events = [event.format(n) for n in range(first, min(first + _AT_ONCE, count))]
            ids += await _park(store, events, now_ms() if at is None else at)
        return ids
    finally:
        store.close()


async def _park(store: Store, events: list[str], now: int) -> list[str]:
    waits = {new_id(): event for event in events}
    enqueue: list[Command] = [
        Enqueue(run_id, "wait", payload(event), "default") for run_id, event in waits.items()
    ]
    await store.execute(enqueue, now)
    outcome = await store.execute([Claim(len(waits), "filler", "default", ("wait",))], now)
    claimed = outcome.replies[0]
    assert isinstance(claimed, Claimed) and len(claimed.runs) == len(waits)
    commands: list[Command] = []
    for run in claimed.runs:
        name = waits[run.id]
        wait = Wait(run.id, run.lease_id, name, "wait_for", name, _WEEK, None, None, 1)
        commands += [wait, Park(run.id, run.lease_id, [name])]
    await store.execute(commands, now)
    return list(waits)


def payload(event: str) -> str:
    return f'{{"event":"{event}"}}'
