"""From a signal to the next step of a run that has 10,000 saved steps."""

from statistics import median
from time import monotonic, perf_counter

import msgspec

import tako
from bench.apps.work.workflows.wait import long_past
from bench.figures import Row
from bench.rig import App, Bench, row, rows_of, serve, until_parked


async def measure(bench: Bench) -> list[Row]:
    app, steps, rounds = bench.app("work"), bench.size(10_000, 500), bench.size(7, 2)
    async with serve(app):
        handle = await long_past.enqueue({"steps": steps, "rounds": rounds})
        sent = [await _send(app, f"go:{handle.id}:{turn}") for turn in range(rounds)]
        went_on = await handle.result()
        floor = median(_floor(app, handle.id) for _ in range(5))
    took = median((there - here) * 1000 for here, there in zip(sent, went_on, strict=True))
    return [row("resume of a run with 10,000 saved steps", took, floor)]


async def _send(app: App, event: str) -> float:
    """Signal the run once it is parked; when that was, on the clock of all processes."""
    await until_parked(app, event)
    moment = monotonic()
    await tako.signal(event)
    return moment


def _floor(app: App, run_id: str) -> float:
    """Milliseconds to read the steps and take them through msgpack once."""
    start = perf_counter()
    rows = rows_of(app, "SELECT * FROM steps WHERE run_id = ?", run_id)
    msgspec.msgpack.decode(msgspec.msgpack.encode(rows))
    return (perf_counter() - start) * 1000
