"""What a parked run takes on the disk."""

import asyncio
from pathlib import Path

import apsw

from tako.commands import Claim, Command, Enqueue, Park, SaveStep, Wait
from tako.ids import new_id
from tako.store import Store, open_store
from tests.store.driver import START

RUNS, BATCH = 10_000, 500
LIMIT = 600  # bytes beyond payload and results
TYPE = '{"type":"object","properties":{"approved":{"type":"boolean"},"by":{"type":"string"}}}'


async def park_orders(store: Store, first: int) -> int:
    """Park a batch of orders that wait for approval; the bytes of their payloads and results."""
    now, size, commands = START + first, 0, list[Command]()
    payloads = [f'{{"order_id":"o-{first + n}"}}' for n in range(BATCH)]
    orders = [Enqueue(new_id(), "fulfill-order", p, "default") for p in payloads]
    await store.execute(orders, now)
    claim = Claim(BATCH, new_id(), "default", ("fulfill-order",))
    (claimed,) = (await store.execute([claim], now)).replies
    for n, run in enumerate(claimed.runs, first):
        order, charge = f'{{"id":{n},"total":70000,"card":"tok"}}', f'"ch_{n}"'
        size += len(run.payload) + len(order) + len(charge)
        held, event = (run.id, run.lease_id), f"approval:order-{n}"
        commands += [
            SaveStep(*held, "load-order", "run", "ok", order, 1, now),
            SaveStep(*held, "charge", "run", "ok", charge, 1, now),
            Wait(*held, event, "wait_for", event, 7 * 86_400_000, None, TYPE, 1),
            Park(*held, [event]),
        ]
    await store.execute(commands, now)
    return size


def checkpointed_size(path: Path) -> int:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return path.stat().st_size


def test_a_parked_order_takes_little_more_than_its_payload_and_results(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    store = open_store(path)
    empty = checkpointed_size(path)

    async def park_all() -> int:
        return sum([await park_orders(store, first) for first in range(0, RUNS, BATCH)])

    content = asyncio.run(park_all())
    store.close()
    assert (checkpointed_size(path) - empty - content) / RUNS <= LIMIT
