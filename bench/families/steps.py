"""Durable steps in a second: one run after another, and 50 runs at once."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from bench.apps.work.workflows.steps import many_steps
from bench.figures import FIGURES, Row
from bench.rig import Bench, serve

_AT_ONCE = 50


async def sequential(bench: Bench) -> list[Row]:
    async def rate() -> float:
        return await _rate(bench.size(1_500, 200), 1)

    pairs = await _pairs(bench, rate, bench.floors.single_commits)
    return [FIGURES["steps, one run after another"].of_pairs(pairs)]


async def concurrent(bench: Bench) -> list[Row]:
    async def rate() -> float:
        return await _rate(bench.size(400, 40), _AT_ONCE)

    pairs = await _pairs(bench, rate, bench.floors.batched_inserts)
    return [FIGURES["steps, 50 runs at once"].of_pairs(pairs)]


async def _pairs(
    bench: Bench, rate: Callable[[], Awaitable[float]], floor: Callable[[], float]
) -> list[tuple[float, float]]:
    """Figure and floor in turns: the machine is not the same from one second to the next."""
    async with serve(bench.app("work")):
        await _rate(20, 2)
        return [(await rate(), floor()) for _ in range(bench.size(7, 2))]


async def _rate(steps: int, runs: int) -> float:
    """Steps in a second of ``runs`` runs that start together, from enqueue to the last end."""
    start = perf_counter()
    handles = await many_steps.enqueue_many([steps] * runs)
    for handle in handles:
        await handle.result()
    return steps * runs / (perf_counter() - start)
