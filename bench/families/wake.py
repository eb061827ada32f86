"""From a signal to the end of the run, when no worker is there."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import tako
from bench.apps.trivial.workflows.wait import wait
from bench.figures import FIGURES, Row
from bench.floors import interpreter
from bench.rig import App, Bench, Server, serve, until_parked


async def by_fork(bench: Bench) -> list[Row]:
    app = bench.app("trivial", workers=0, idle="100ms")

    def floor() -> float:
        return bench.floors.fork_and_import(app.dir)

    name = "signal to finished from zero workers, zygote, p50"
    return [FIGURES[name].of_pairs(await _pairs(app, bench.size(15, 3), floor))]


async def by_exec(bench: Bench) -> list[Row]:
    app = bench.app("trivial", workers=0, idle="100ms", start="exec")
    name = "signal to finished from zero workers, exec, p50"
    return [FIGURES[name].of_pairs(await _pairs(app, bench.size(9, 3), interpreter))]


async def _pairs(app: App, times: int, floor: Callable[[], float]) -> list[tuple[float, float]]:
    async with serve(app) as server:
        await _once(server, "first")  # nobody is surprised by files that are not in memory yet
        least = median(floor() for _ in range(5))
        return [(await _once(server, f"go:{n}"), least) for n in range(times)]


async def _once(server: Server, event: str) -> float:
    """Milliseconds from the signal until the client has the result."""
    handle = await wait.enqueue({"event": event})
    await until_parked(server.app, event)
    await server.until_workers(0)
    start = perf_counter()
    await tako.signal(event)
    await handle.result()
    return (perf_counter() - start) * 1000
