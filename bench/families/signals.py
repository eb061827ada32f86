"""From a signal to the end of the run it wakes, with a warm worker and 100,000 others parked."""

import asyncio
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import tako
from bench.figures import Row
from bench.parked import park
from bench.rig import Bench, row, serve
from tako import Handle

_WARM = 20
_ROWS = 6  # event, waiter, step, and the run woken, claimed and ended


async def one_by_one(bench: Bench) -> list[Row]:
    app, count = bench.app("work"), bench.size(1_000, 50)
    ids = await park(app.db, bench.size(100_000, 1_000) + count + _WARM)
    async with serve(app) as server:
        await server.until_workers(1)
        for number in range(count, count + _WARM):
            await _signal_to_end(ids, number)
        hops = await _floor(bench)
        times = [await _signal_to_end(ids, number) for number in range(count)]
    bench.notes["signal to finished"] = f"p90 {quantiles(times, n=10)[8]:.2f}, max {max(times):.2f}"
    return [
        row("signal to finished, 100,000 parked, p50", median(times), hops),
        row("signal to finished, 100,000 parked, p99", quantiles(times, n=100)[98], hops),
    ]


async def at_once(bench: Bench) -> list[Row]:
    app = bench.app("work", workers=2, concurrency=500)  # a worker for each core
    count, bursts = bench.size(1_000, 100), bench.size(7, 1)
    ids = await park(app.db, bench.size(100_000, 1_000) + count * bursts + _WARM)
    async with serve(app) as server:
        await server.until_workers(2)
        await _burst(ids, range(count * bursts, count * bursts + _WARM))
        bare = count * _ROWS / bench.floors.batched_inserts()
        starts = range(0, count * bursts, count)
        times = [await _burst(ids, range(first, first + count)) for first in starts]
    return [row("1,000 signals at once, to all finished", median(times), bare)]


async def _floor(bench: Bench) -> float:
    """The signal must be durable before it is delivered, the end before it is told."""
    trip = await bench.floors.round_trip()
    return 2 * trip + 2 * 1000 / bench.floors.single_commits()


async def _signal_to_end(ids: list[str], number: int) -> float:
    """Milliseconds; the end is awaited before the signal is sent."""
    end = await _awaited(ids[number])
    start = perf_counter()
    await tako.signal(f"go:{number}")
    await end
    return (perf_counter() - start) * 1000


async def _burst(ids: list[str], numbers: range) -> float:
    """Seconds until all of these runs, signalled at once, have ended."""
    ends = [await _awaited(ids[number]) for number in numbers]
    start = perf_counter()
    await asyncio.gather(*[tako.signal(f"go:{number}") for number in numbers])
    await asyncio.gather(*ends)
    return perf_counter() - start


async def _awaited(run_id: str) -> "asyncio.Task[Any]":
    handle: Handle[Any] = Handle(run_id)
    end = asyncio.create_task(handle.result())
    await handle.status()  # its reply comes after the server has the wait for the end
    return end
