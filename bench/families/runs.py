"""One-step runs in a second, from the first enqueue to the last end."""

from time import perf_counter

from bench.apps.work.workflows.steps import one_step
from bench.figures import FIGURES, Row
from bench.rig import App, Bench, rows_of, serve

_AT_ONCE = 500  # in each of two workers
_LAST = 2 * _AT_ONCE  # runs go in the order they came: the last to end is among the last to come


async def drained(bench: Bench) -> list[Row]:
    # Two workers: one executes while the server commits for the other.
    app = bench.app("work", workers=2, concurrency=_AT_ONCE)
    async with serve(app) as server:
        await server.until_workers(2)
        await (await one_step.enqueue(0)).result()
        count, times = bench.size(10_000, 500), range(bench.size(5, 2))
        pairs = [(await _rate(app, count), bench.floors.batched_inserts()) for _ in times]
        return [FIGURES["one-step runs, enqueued and drained"].of_pairs(pairs)]


async def _rate(app: App, count: int) -> float:
    start = perf_counter()
    handles = await one_step.enqueue_many(range(count))
    for handle in handles[-_LAST:]:
        await handle.result()
    rate = count / (perf_counter() - start)
    left = rows_of(app, "SELECT count(*) FROM runs WHERE state <> 'succeeded'")[0][0]
    assert left == 0, f"{left} runs had not ended when the last did"
    return rate
