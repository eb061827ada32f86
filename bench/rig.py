"""A real app on disk, a real server on it, and a client in this process."""

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import tako
from bench.figures import FIGURES, Row
from bench.floors import Floors
from bench.processes import environment, until

_APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class App:
    """A copy of one of `bench/apps`, with a tako.toml of its own."""

    dir: Path

    @property
    def data(self) -> Path:
        return self.dir / "data" / "apps" / "bench"

    @property
    def db(self) -> Path:
        return self.data / "runs.db"

    @property
    def socket(self) -> Path:
        return self.data / "tako.sock"


@dataclass
class Bench:
    """What a family is given: a folder, the sizes, the floors; ``notes`` are printed at the end."""

    folder: Path
    quick: bool
    floors: Floors
    notes: dict[str, str] = field(default_factory=dict)
    _apps: int = 0

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def app(
        self,
        source: str,
        *,
        workers: int = 1,
        concurrency: int = 100,
        idle: str = "60s",
        start: str = "fork",
        web: str = "",
    ) -> App:
        """A fresh copy of ``bench/apps/<source>`` with these settings of its only group."""
        self._apps += 1
        app = App(self.folder / str(self._apps))
        shutil.copytree(_APPS / source, app.dir, ignore=shutil.ignore_patterns("__pycache__"))
        group = f"workers = {workers}\nconcurrency = {concurrency}\n"
        group += f'idle_timeout = "{idle}"\nstart = "{start}"\n'
        text = f'name = "bench"\ndata_dir = "data"\n[groups.default]\n{group}{web}'
        (app.dir / "tako.toml").write_text(text, encoding="utf-8")
        return app


def row(name: str, value: float, floor: float | None = None) -> Row:
    return FIGURES[name].row(value, floor)


def rows_of(app: App, query: str, *values: str) -> list[Any]:
    """What a query on the app's database answers, read beside the server."""
    with closing(sqlite3.connect(f"file:{app.db}?mode=ro", uri=True)) as db:
        return db.execute(query, values).fetchall()


async def until_parked(app: App, event: str) -> None:
    """Return once a run waits for ``event`` and holds no worker."""
    query = "SELECT 1 FROM event_waiters w JOIN runs r ON r.id = w.run_id "
    query += "WHERE w.event = ? AND r.state = 'waiting'"
    await until(lambda: rows_of(app, query, event), f"a run parked on {event}")


@dataclass
class Server:
    """A running `tako server` and all processes it has ever had."""

    process: subprocess.Popen[bytes]
    app: App
    _seen: dict[int, Any] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    def descendants(self) -> list[Any]:
        """All processes below it, as psutil.Process; children are the zygote and the doors."""
        found = psutil.Process(self.pid).children(recursive=True)
        self._seen |= {process.pid: process for process in found}
        return [process for process in found if _is(process, _alive)]

    def zygotes(self) -> list[int]:
        own = [p for p in self.descendants() if _is(p, lambda p: p.ppid() == self.pid)]
        return [p.pid for p in own if not _is(p, _executed) and not _is(p, _of_web)]

    def doors(self) -> list[int]:
        return [p.pid for p in self.descendants() if _is(p, _of_web)]

    def workers(self) -> list[int]:
        others = {*self.zygotes(), *self.doors()}
        return [p.pid for p in self.descendants() if p.pid not in others]

    async def until_workers(self, count: int) -> None:
        """Return once there are as many workers as ``count``."""
        await until(lambda: len(self.workers()) == count, f"{count} workers")

    def stop(self) -> None:
        """SIGTERM; then no process of it is left, whatever happens."""
        if self.process.poll() is None:
            self.descendants()
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in self._seen.values():
            if process.is_running():  # psutil compares the start times: a pid may be used again
                process.kill()


def _start(app: App) -> "subprocess.Popen[bytes]":
    with (app.dir / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tako.cli", "server", str(app.dir)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is(process: Any, what: Callable[[Any], bool]) -> bool:
    try:
        return what(process)
    except psutil.NoSuchProcess:  # it has just ended
        return False


def _alive(process: Any) -> bool:
    return bool(process.status() != psutil.STATUS_ZOMBIE)


def _executed(process: Any) -> bool:
    return any("tako.worker" in part for part in process.cmdline())


def _of_web(process: Any) -> bool:
    return "tako.web" in process.cmdline()


@asynccontextmanager
async def serve(app: App) -> AsyncIterator[Server]:
    """A server on ``app``, which the client functions of this process then talk to."""
    server = Server(_start(app), app)
    try:
        await until(lambda: _accepts(server), f"a server on {app.socket}")
        tako.configure(app=app.dir)
        yield server
    finally:
        server.stop()


def _accepts(server: Server) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError((server.app.dir / "log").read_text(errors="replace"))
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(server.app.socket)) == 0
