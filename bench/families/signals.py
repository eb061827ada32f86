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

_BURST = 1_000
_ROWS = 6  # event, waiter, step, and the run woken, claimed and ended


async def measure(bench: Bench) -> list[Row]:
    app = bench.app("work")
    singles, bursts = bench.size(1_000, 50), bench.size(5, 1)
    burst = bench.size(_BURST, 100)
    used = singles + bursts * burst
    ids = await park(app.db, bench.size(100_000, 1_000) + used)
    async with serve(app) as server:
        await server.until_workers(1)
        for number in range(used, used + 20):
            await _signal_to_end(ids, number)
        hop = await _floor(bench)
        times = [await _signal_to_end(ids, number) for number in range(singles)]
        starts = range(singles, used, burst)
        bare = burst * _ROWS / bench.floors.batched_inserts()
        at_once = [await _burst(ids, range(first, first + burst)) for first in starts]
    p50, p99 = median(times), quantiles(times, n=100)[98]
    bench.notes["signal to finished"] = f"p90 {quantiles(times, n=10)[8]:.2f}, max {max(times):.2f}"
    return [
        row("signal to finished, 100,000 parked, p50", p50, hop),
        row("signal to finished, 100,000 parked, p99", p99, hop),
        row("1,000 signals at once, to all finished", median(at_once), bare),
    ]


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
