"""One signal to 100,000 waiters, and what it does to everybody else."""

import asyncio
from time import perf_counter

import tako
from bench.apps.work.workflows.wait import wait
from bench.figures import Row
from bench.parked import park
from bench.processes import until
from bench.rig import App, Bench, row, rows_of, serve

_ROWS = 3  # waiter, step, and the run woken
_GAP = 0.002  # s between two commands of the other client


async def measure(bench: Bench) -> list[Row]:
    app, count = bench.app("work"), bench.size(100_000, 2_000)
    await park(app.db, count, event="everyone")
    async with serve(app) as server:
        await server.until_workers(1)
        bare = count * _ROWS / bench.floors.batched_inserts()
        others = asyncio.create_task(_others())
        await asyncio.sleep(0.1)
        start = perf_counter()
        await tako.signal("everyone")
        delivered = await until(lambda: _delivered(app), "everyone told")
        assert delivered == count
        seconds = perf_counter() - start
        others.cancel()
        holdups = await others
    held = sorted(holdups)
    bench.notes["broadcast"] = (
        f"{len(held)} other commands: median {held[len(held) // 2]:.1f} ms, "
        f"p99 {held[len(held) * 99 // 100]:.1f} ms"
    )
    return [
        row("broadcast to 100,000 waiters, to all pending", seconds, bare),
        row("broadcast: longest hold-up of another command", held[-1]),
    ]


def _delivered(app: App) -> int:
    """How many have been told once that is all of them, else 0."""
    found = rows_of(app, "SELECT delivered FROM events WHERE state = 'delivered'")
    return int(found[0][0]) if found else 0


async def _others() -> list[float]:
    """Milliseconds of one command after another, each of which writes, until cancelled."""
    times: list[float] = []
    try:
        while True:
            start = perf_counter()
            await wait.enqueue({"event": "another"}, delay="1d")
            times.append((perf_counter() - start) * 1000)
            await asyncio.sleep(_GAP)
    except asyncio.CancelledError:
        return times
