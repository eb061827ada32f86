"""`python -m bench [NAME ...] [--quick]`: measure, print the table, write the results."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop

from bench import report
from bench.families import (
    approvals,
    broadcast,
    browsing,
    imports,
    killed,
    parked,
    resume,
    runs,
    signals,
    steps,
    wake,
)
from bench.figures import Row
from bench.floors import Floors
from bench.rig import Bench

_ROOT = Path(__file__).parent.parent
_RESULTS = Path(__file__).parent / "results"
_SCRATCH = _ROOT / ".tako"

FAMILIES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "steps": steps.sequential,
    "steps50": steps.concurrent,
    "runs": runs.drained,
    "signal": signals.one_by_one,
    "signals": signals.at_once,
    "wake": wake.by_fork,
    "wake-exec": wake.by_exec,
    "killed": killed.measure,
    "disk": parked.disk,
    "memory": parked.memory,
    "idle": parked.idle,
    "rest": parked.rest,
    "import": imports.measure,
    "broadcast": broadcast.measure,
    "resume": resume.measure,
    "click": approvals.clicked,
    "approvals": approvals.a_second,
    "crowded": approvals.crowded,
    "web": browsing.measure,
}


def main() -> None:
    options = _options()
    _SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.scratch) as folder:
        bench = Bench(Path(folder), options.quick, Floors(Path(folder)))
        before = os.getloadavg()[0]
        out = options.out or _RESULTS / _file(options.quick)
        names = options.names or list(FAMILIES)
        rows = uvloop.run(_until_told(_measure(bench, names, out)))
        bench.notes["fsync of 4 KiB"] = f"{bench.floors.fsync():.3f} ms"
        bench.notes["machine"] = (
            f"{os.cpu_count()} CPUs; load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
        )
    report.show(rows, bench.notes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAMILIES))
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all")
    parser.add_argument("--out", type=Path, help="where the results go")
    parser.add_argument("--scratch", type=Path, default=_SCRATCH, help="where the stores are made")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in FAMILIES]
    if unknown:
        parser.error(f"no figure is named {unknown[0]}: there are {', '.join(FAMILIES)}")
    return options


def _file(quick: bool) -> str:
    return "quick.json" if quick else "latest.json"


async def _until_told(work: Coroutine[Any, Any, list[Row]]) -> list[Row]:
    """SIGTERM and Ctrl-C cancel the work, which stops its servers."""
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit("stopped before the end")


async def _measure(bench: Bench, names: list[str], out: Path) -> list[Row]:
    """Every family in turn; what is measured is written at once."""
    rows: list[Row] = []
    for name in names:
        start = monotonic()
        print(f"{name} ...", end=" ", flush=True)
        found = await FAMILIES[name](bench)
        report.write(found, out)
        rows += found
        print(f"{monotonic() - start:.0f} s", flush=True)
    return rows


if __name__ == "__main__":
    main()
