"""The worker processes of one app: how they start, and how they died."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tako.config import AppConfig, GroupConfig
from tako.ids import new_id
from tako.server.catalogue import Fingerprint, fingerprint
from tako.server.spawner import Spawner, SpawnError, python_of
from tako.server.tasks import Tasks

_log = logging.getLogger("tako.server")

_REPORT_WITHIN = 0.05  # s in which the exit of a worker whose connection dropped is known
_SURELY_WITHIN = 5.0  # s for that report when the process has ended already
_BACK_WITHIN = 1.0  # s in which a worker that lives connects again, also on a busy machine
_ENDS = 100  # exits that are remembered until the connection has dropped too
_SLOW = 30.0  # s after which a worker should have loaded its modules
_SOLO_IDLE = 1.0  # s


class Process:
    """A worker that this server has started."""

    def __init__(self, worker_id: str, pid: int, group: str, solo: bool, seen: Fingerprint) -> None:
        self.worker_id = worker_id
        self.pid = pid
        self.group = group
        self.solo = solo
        self.seen = seen  # the code it was started with, or an older one than it loads
        self.registered = False
        self.has_claimed = False
        self.leaving = False
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class Fleet:
    """``on_exit`` is told of each process that has ended, and how."""

    def __init__(
        self, app: AppConfig, spawner: Spawner, on_exit: Callable[[Process, str], None]
    ) -> None:
        self.processes: dict[str, Process] = {}
        self._ends: dict[str, str] = {}  # how the last ones ended, by worker id
        self._app = app
        self._spawner = spawner
        self._on_exit = on_exit
        self._tasks = Tasks()
        self._boxes = app.data_dir / "workers"
        self._boxes.mkdir(mode=0o700, exist_ok=True)

    async def start(self, group: str, *, solo: bool = False, idle: float | None = None) -> Process:
        """A new worker, which leaves ``idle`` s after its last run. Raises SpawnError."""
        app, token = self._app, new_id()
        config, seen = app.group(group), fingerprint(app.dir)
        worker_id = f"{{pid}}-{token}"  # the worker itself puts its id there
        settings = {
            "app_dir": str(app.dir),
            "socket": str(app.socket),
            "group": group,
            "concurrency": 1 if solo else config.concurrency,
            "worker_id": worker_id,
            "solo": solo,
            "idle_timeout": _idle_timeout(config, solo) if idle is None else idle,
            "drain": float(app.defaults.drain),
            "blackbox": str(self._boxes / worker_id),
        }
        args = (settings, str(app.dir), {"TAKO_APP": str(app.dir)})
        if config.start == "exec" or app.python is not None:
            spawned = await self._spawner.exec(python_of(app.python), *args)
        else:
            spawned = await self._spawner.fork(*args)
        process = Process(f"{spawned.pid}-{token}", spawned.pid, group, solo, seen)
        self.processes[process.worker_id] = process
        asyncio.get_running_loop().call_later(_SLOW, _warn_if_slow, process)
        self._tasks.start(self._watch(process, spawned.exited))
        return process

    async def _watch(self, process: Process, exited: "asyncio.Future[int | None]") -> None:
        status = await exited
        if status is None:  # the zygote died, the worker may live
            await gone(process.pid)
        how = "ended, how is not known" if status is None else how_it_ended(status)
        process.ended.set_result(how)
        self._ends[process.worker_id] = how
        if len(self._ends) > _ENDS:
            del self._ends[next(iter(self._ends))]
        self.processes.pop(process.worker_id, None)
        self._on_exit(process, how)

    async def cause_of_death(self, worker_id: str, pid: int) -> str:
        """Why the connection of a worker dropped; its exit is reported just before or after.

        One that lives has a moment to come back before it loses what it executes.
        """
        if worker_id in self._ends:
            return self._ends[worker_id]
        process = self.processes.get(worker_id)
        if process is not None:
            await asyncio.wait([process.ended], timeout=_REPORT_WITHIN)
            if not process.ended.done():
                patience = _BACK_WITHIN if is_running(pid) else _SURELY_WITHIN
                await asyncio.wait([process.ended], timeout=patience)
            return process.ended.result() if process.ended.done() else "its connection broke"
        try:
            await asyncio.wait_for(gone(pid), _BACK_WITHIN)
        except TimeoutError:
            return "its connection broke"
        return "its process is gone"

    async def steps(self, worker_id: str) -> dict[str, str]:
        """What the runs of a worker were doing, by run id."""
        box = self._boxes / worker_id
        if not box.exists():
            return {}
        try:
            return await self._spawner.steps(box)
        except SpawnError as error:
            _log.warning("the steps of worker %s are not known: %s", worker_id, error)
            return {}

    def forget(self, worker_id: str) -> None:
        """Remove what a dead worker has left."""
        if not is_alive(worker_id, self._boxes):
            (self._boxes / worker_id).unlink(missing_ok=True)

    def survivors(self) -> list[str]:
        """Workers of an earlier server that still run; what the dead have left is removed.

        The files of those in ``store.running_workers()`` must have been read before.
        """
        alive = []
        for box in self._boxes.iterdir():
            if is_alive(box.name, self._boxes):
                alive.append(box.name)
            else:
                box.unlink(missing_ok=True)
        return alive

    def is_alive(self, worker_id: str) -> bool:
        return is_alive(worker_id, self._boxes)

    def kill(self, worker_id: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a worker, ours or an earlier server's, but to nobody else."""
        process = self.processes.get(worker_id)
        ours = process is not None and not process.ended.done()
        if ours or has_mapped(worker_id, self._boxes):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(worker_id.partition("-")[0]), number)

    def close(self) -> None:
        self._tasks.cancel()


def _warn_if_slow(process: Process) -> None:
    if not process.registered and not process.ended.done():
        _log.warning(
            "worker %d of group %s still loads its modules, after %.0f s",
            *(process.pid, process.group, _SLOW),
        )


def _idle_timeout(config: GroupConfig, solo: bool) -> float | None:
    """Seconds; None: it stays."""
    if solo:
        return min(_SOLO_IDLE, float(config.idle_timeout))
    return None if config.workers else float(config.idle_timeout)


def how_it_ended(status: int) -> str:
    """An exit status in words; negative is the signal that killed it."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def is_alive(worker_id: str, boxes: Path) -> bool:
    """Whether the process that a worker id begins with is that worker and not a later one."""
    head = worker_id.partition("-")[0]
    if not head.isdigit():
        return True  # not one that we have started: its lease tells
    if (boxes / worker_id).exists():
        return has_mapped(worker_id, boxes)
    return Path(f"/proc/{head}").exists()


def has_mapped(worker_id: str, boxes: Path) -> bool:
    """Whether the process that a worker id begins with has that worker's black box open."""
    try:
        maps = Path(f"/proc/{worker_id.partition('-')[0]}/maps").read_bytes()
    except OSError:
        return False
    return os.fsencode(boxes / worker_id) in maps


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended: a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(") ")[2][:1] not in ("Z", "X")


async def gone(pid: int) -> None:
    """Return when a process, our child or not, has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _set, ended)
    try:
        await ended
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
