"""What parked runs cost: bytes on disk, memory and time of the server, and what rests."""

import asyncio
from pathlib import Path
from statistics import median

import apsw

from bench import processes
from bench.apps.trivial.workflows.wait import wait
from bench.figures import Row
from bench.parked import park, payload
from bench.rig import App, Bench, Server, row, serve, until_parked

_SECONDS = 30


async def disk(bench: Bench) -> list[Row]:
    app, count = bench.app("trivial"), bench.size(100_000, 5_000)
    await park(app.db, 0)
    empty = _bytes(app.db)
    await park(app.db, count, event="approval:order-{}")
    size = (_bytes(app.db) - empty) / count
    own = sum(len(payload(f"approval:order-{n}")) for n in range(count)) / count
    return [row("a parked run on disk, beyond payload and results", size - own)]


async def memory(bench: Bench) -> list[Row]:
    """Two servers, one with nothing and one with 100,000 parked runs, after the same work."""
    nothing = await _rss(bench.app("trivial", workers=0, idle="100ms"), 0)
    many = bench.app("trivial", workers=0, idle="100ms")
    full = await _rss(many, bench.size(100_000, 2_000))
    mb = (full - nothing) / 1e6
    bench.notes["memory"] = f"{nothing / 1e6:.1f} MB with no run, {full / 1e6:.1f} MB with all"
    return [row("server memory (RSS) for 100,000 parked runs", mb)]


async def idle(bench: Bench) -> list[Row]:
    app = bench.app("trivial", workers=0, idle="100ms")
    await park(app.db, bench.size(100_000, 2_000))
    async with serve(app) as server:
        await _some_work(server)
        await asyncio.sleep(1)
        workers = len(server.workers())
        cpu = await _cpu(server, bench.size(_SECONDS, 3))
    return [
        row("idle with 100,000 parked: worker processes", workers),
        row("idle with 100,000 parked: server CPU in 30 s", cpu),
    ]


async def rest(bench: Bench) -> list[Row]:
    async with serve(bench.app("trivial", workers=0, idle="100ms")) as server:
        await _some_work(server)
        parts = [processes.pss(pid) / 2**20 for pid in (server.pid, *server.zygotes())]
    bench.notes["at rest"] = " + ".join(f"{part:.1f}" for part in parts) + " MiB"
    return [row("at rest: server and zygote (PSS)", sum(parts))]


async def _rss(app: App, parked: int) -> float:
    await park(app.db, parked)
    async with serve(app) as server:
        await _some_work(server)
        seen = []
        for _ in range(5):
            seen.append(processes.rss(server.pid))
            await asyncio.sleep(0.2)
        return median(seen)


async def _some_work(server: Server, runs: int = 200) -> None:
    """Runs that park, then no worker: what is measured is not a server that has just started."""
    await wait.enqueue_many([{"event": f"warm:{n}"} for n in range(runs)])
    for n in range(runs):
        await until_parked(server.app, f"warm:{n}")
    await server.until_workers(0)


async def _cpu(server: Server, seconds: int) -> float:
    """Milliseconds that server and zygote were on the CPU in ``seconds``, as of 30 s."""
    pids = [server.pid, *server.zygotes()]
    before = sum(processes.cpu_ms(pid) for pid in pids)
    await asyncio.sleep(seconds)
    return (sum(processes.cpu_ms(pid) for pid in pids) - before) * _SECONDS / seconds


def _bytes(path: Path) -> int:
    """The file, once everything in the log is in it."""
    db = apsw.Connection(str(path))
    db.pragma("wal_checkpoint", "TRUNCATE")
    db.close()
    return path.stat().st_size
