"""What the machine can do at all, right now, on the filesystem of the store."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import apsw
import msgspec

from bench.processes import environment, until

_COMMITS = 1_000
_BATCHES, _BATCH = 60, 100
_TABLE = """CREATE TABLE steps (
  run_id TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
  outcome TEXT NOT NULL, value TEXT, attempt INTEGER NOT NULL, started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL, PRIMARY KEY (run_id, name)) WITHOUT ROWID"""
_INSERT = "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RUNS = [f"06b9xk2m4q7w1r5t8v{n:02}" for n in range(50)]
BARE = "import asyncio, msgspec"


class Floors:
    """``folder`` is where the stores of the measured servers are as well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def single_commits(self) -> float:
        """Commits of one row each, in a second."""
        with self._database() as db:
            start = perf_counter()
            for number in range(_COMMITS):
                db.execute("BEGIN IMMEDIATE")
                db.execute(_INSERT, _row(number))
                db.execute("COMMIT")
            return _COMMITS / (perf_counter() - start)

    def batched_inserts(self) -> float:
        """Rows in a second, 100 in each transaction."""
        with self._database() as db:
            start = perf_counter()
            for batch in range(_BATCHES):
                db.execute("BEGIN IMMEDIATE")
                first = batch * _BATCH
                db.executemany(_INSERT, [_row(n) for n in range(first, first + _BATCH)])
                db.execute("COMMIT")
            return _BATCHES * _BATCH / (perf_counter() - start)

    def fsync(self) -> float:
        """Milliseconds to write and sync 4 KiB."""
        path = self._folder / "fsync"
        block = os.urandom(4096)
        with path.open("wb", buffering=0) as file:
            times = []
            for _ in range(200):
                start = perf_counter()
                file.write(block)
                os.fdatasync(file.fileno())
                times.append(perf_counter() - start)
        path.unlink()
        return median(times) * 1000

    async def round_trip(self) -> float:
        """Milliseconds for a msgpack frame to another process and back."""
        path = self._folder / "echo.sock"
        path.unlink(missing_ok=True)  # an earlier floor's: nobody listens there any more
        command = [sys.executable, "-m", "bench.echo", str(path)]
        process = subprocess.Popen(command, env=environment())  # noqa: ASYNC220 - a millisecond
        try:
            return await _round_trips(path)
        finally:
            process.terminate()
            process.wait()

    def fork_and_import(self, app: Path) -> float:
        """Milliseconds until a fork of a process that has tako has imported the app and ended."""
        code = f"import bench.floors as f; print(f.forks({str(app)!r}))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return float(done.stdout)

    @contextlib.contextmanager
    def _database(self) -> Iterator[apsw.Connection]:
        """A database with a log that has grown before: to overwrite is quicker than to append."""
        path = self._folder / "floor.db"
        db = apsw.Connection(str(path))
        try:
            db.pragma("journal_mode", "WAL")
            db.pragma("synchronous", "FULL")
            db.execute("CREATE TABLE filler AS SELECT zeroblob(8000000)")
            db.pragma("wal_checkpoint", "RESTART")
            db.execute(_TABLE)
            yield db
        finally:
            db.close()
            for name in ("floor.db", "floor.db-wal", "floor.db-shm"):
                (self._folder / name).unlink(missing_ok=True)


def _row(number: int) -> tuple[Any, ...]:
    """A saved step, as it is in the store: the steps of 50 runs in turns."""
    name, now = f"step-{number // len(_RUNS)}", 1_800_000_000_000 + number
    return _RUNS[number % len(_RUNS)], name, now, "run", "ok", str(number), 1, now, now


def interpreter(code: str = BARE) -> float:
    """Milliseconds of a fresh interpreter that runs ``code``, from exec to exit."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)
    return (perf_counter() - start) * 1000


def interpreter_cpu(code: str = BARE) -> float:
    """The same on the CPU: imports wait for nothing, and other programs do not count."""
    before = _cpu_of_children()
    interpreter(code)
    return (_cpu_of_children() - before) * 1000


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def forks(app: str, times: int = 20) -> float:
    """For a process of its own: median milliseconds of a fork that imports the app's workflows."""
    import tako

    _ = tako.workflow, tako.Step, tako.signal
    sys.path.insert(0, app)
    return median(_fork() for _ in range(times))


def _fork() -> float:
    start = perf_counter()
    pid = os.fork()
    if not pid:
        import importlib

        importlib.import_module("workflows.wait")
        os._exit(0)
    os.waitpid(pid, 0)
    return (perf_counter() - start) * 1000


async def _round_trips(path: Path) -> float:
    await until(path.exists, "an echo on the socket")
    reader, writer = await asyncio.open_unix_connection(str(path))
    message: list[Any] = [[1, ["SaveStep", "06b9xk2m4q7w1r5t8v3c", "step", "1"]]]
    times = []
    for _ in range(1_000):
        start = perf_counter()
        body = msgspec.msgpack.encode(message)
        writer.write(len(body).to_bytes(4, "big") + body)
        size = int.from_bytes(await reader.readexactly(4), "big")
        msgspec.msgpack.decode(await reader.readexactly(size))
        times.append(perf_counter() - start)
    writer.close()
    return median(times) * 1000
