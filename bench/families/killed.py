"""From the SIGKILL of a worker to the next attempt of the run it had."""

import os
import signal
from pathlib import Path
from statistics import median
from time import monotonic

from bench.apps.work.workflows.victim import victim
from bench.figures import FIGURES, Row
from bench.processes import until
from bench.rig import Bench, serve


async def measure(bench: Bench) -> list[Row]:
    app = bench.app("work", workers=0)
    async with serve(app):
        least = median(bench.floors.fork_and_import(app.dir) for _ in range(3))
        notes = [app.dir / f"note-{number}" for number in range(bench.size(9, 2))]
        pairs = [(await _kill(note), least) for note in notes]
    return [FIGURES["worker killed, to its run going on"].of_pairs(pairs)]


async def _kill(note: Path) -> float:
    """Milliseconds; the clock is one for all processes."""
    handle = await victim.enqueue({"note": str(note)})
    pid = int(await until(lambda: note.exists() and note.read_text(), "a first attempt"))
    start = monotonic()
    os.kill(pid, signal.SIGKILL)
    return (await handle.result() - start) * 1000
