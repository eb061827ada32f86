"""Keeps as many workers as each group is to have, and none that has nothing to do.

It looks when something happens (work became ready, a worker came or went) and never by itself,
except to try again after a failure.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from tako.clock import monotonic
from tako.config import AppConfig
from tako.errors import StorageError
from tako.server.catalogue import Catalogue, Fingerprint, fingerprint
from tako.server.fleet import Fleet, Process
from tako.server.sessions import Session, Sessions
from tako.server.spawner import Spawner, SpawnError
from tako.server.tasks import Tasks
from tako.store import Store

_log = logging.getLogger("tako.server")

_SOLOS = 4  # workers of isolated runs at one time
_SOON = 0.05  # s between looks at a group that has a worker
_FIRST_DELAY = 0.1  # s after the first failure; doubled by each further one
_LAST_DELAY = {True: 30.0, False: 60.0}  # s; a group that always has workers: sooner
_MARGIN = 0.01  # s: timers may be early
_RECONNECT = 1.0  # s that workers of an earlier server have to come back before we start others


class _Trouble:
    """A group whose workers fail, or cannot do what is ready."""

    def __init__(self) -> None:
        self.failures = 0
        self.not_before = 0.0
        self.seen: Fingerprint | None = None  # the code that failed
        self.stuck = 0  # looks at work that no loaded module can do
        self.stuck_until = 0.0
        self.complained: set[str] = set()

    def forgive(self) -> None:
        self.failures, self.not_before = 0, 0.0

    def failed(self, seen: Fingerprint, longest: float) -> float:
        self.failures += 1
        self.seen = seen
        delay = min(_FIRST_DELAY * 2.0 ** min(self.failures - 1, 20), longest)
        self.not_before = monotonic() + delay
        return delay

    def look_again_in(self, longest: float) -> float | None:
        """Seconds until the next look at work that nobody can do; None: that is arranged."""
        if monotonic() < self.stuck_until:
            return None
        delay = min(2.0 ** min(self.stuck, 20), longest)
        self.stuck += 1
        self.stuck_until = monotonic() + delay
        return delay


class Supervisor:
    """``on_code_known`` is called when a worker has told what it loaded, or could not start."""

    def __init__(
        self,
        app: AppConfig,
        store: Store,
        sessions: Sessions,
        catalogue: Catalogue,
        spawner: Spawner,
        on_code_known: Callable[[], None],
    ) -> None:
        self.fleet = Fleet(app, spawner, self._exited)
        self.changed = asyncio.Event()  # a worker came or went: see `drain`
        self._app = app
        self._store = store
        self._sessions = sessions
        self._catalogue = catalogue
        self._on_code_known = on_code_known
        self._loop = asyncio.get_running_loop()
        self._dirty: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._attending = False
        self._tasks = Tasks()
        self._troubles: dict[str, _Trouble] = {}
        self._loaded: frozenset[str] | None = None  # by the last worker that was new
        self._seen: Fingerprint | None = None  # the code it was started with
        self.unread = True  # it may have changed since: see `renew`
        self._expected: set[str] = set()  # workers of an earlier server
        self._patient_until = 0.0
        self._stopping = False
        self._starting: Counter[tuple[str, bool]] = Counter()  # not yet in the fleet

    # --- when to look

    def begin(self, survivors: Iterable[str]) -> None:
        """Start what the groups are to have; those who may reconnect are given time to."""
        self._expected = set(survivors)
        self._patient_until = monotonic() + _RECONNECT if self._expected else 0.0
        self.renew()

    def look(self, groups: Iterable[str], *, at_once: bool = False) -> None:
        """Something may be ready in these groups, or their workers changed."""
        if (self._dirty.issuperset(groups) and not at_once) or self._stopping:
            return
        self._dirty.update(groups)
        busy = any(not s.leaving for s in self._sessions if s.group in self._dirty)
        self._look_in(_SOON if busy and not at_once else 0.0)

    def renew(self) -> None:
        """The code was edited: the next workers load it, and one tells it now."""
        self.unread = True
        self.look({"default", *self._app.groups, *self._catalogue.groups()})

    def _look_in(self, delay: float) -> None:
        at = monotonic() + delay
        if self._timer is not None and self._timer_at <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(delay, self._attend_now)

    def _look_later(self, group: str, delay: float) -> None:
        self._loop.call_later(delay, lambda: self.look([group]))

    def _attend_now(self) -> None:
        self._timer = None
        if not self._attending and not self._stopping:
            self._attending = True
            self._tasks.start(self._attend_all())

    async def _attend_all(self) -> None:
        try:
            patience = self._patient_until - monotonic()
            if self._expected and patience > 0:
                self._look_in(patience)
                return
            while self._dirty and not self._stopping:
                await self._attend(self._dirty.pop())
                if self.unread and not self._dirty:
                    await self._read_code()
        finally:
            self._attending = False

    async def _read_code(self) -> None:
        """Have the code told by a worker that goes at once: it may have schedules or faults."""
        seen = fingerprint(self._app.dir)
        if seen == self._seen:
            self.unread = False
        elif not self._is_coming(seen):
            await self._start("default", 1, solo=True, idle=0.0)

    # --- what to do

    async def _attend(self, group: str) -> None:
        config = self._app.group(group)
        try:
            ready = self._store.ready(group)
            isolated = self._store.isolated(group)
        except StorageError:
            self._look_later(group, 1.0)
            return
        await self._start(group, self._solos_missing(group, isolated), solo=True)
        if config.workers:
            await self._start(group, config.workers - self._count(group))
        elif ready and self._can_help(group, ready):
            await self._start(group, 1)

    def _count(self, group: str, *, solo: bool = False) -> int:
        """Workers that claim or soon will; those that are leaving do not count."""
        own = self.fleet.processes
        mine = [p for p in own.values() if (p.group, p.solo) == (group, solo)]
        others = [
            s
            for s in self._sessions
            if s.worker_id not in own and (s.group, s.solo) == (group, solo)
        ]
        here = sum(not self._is_leaving(p) for p in mine) + sum(not s.leaving for s in others)
        return here + self._starting[group, solo]

    def _is_leaving(self, process: Process) -> bool:
        session = self._sessions.by_id.get(process.worker_id)
        return process.leaving if session is None else session.leaving

    def _solos_missing(self, group: str, isolated: list[str]) -> int:
        """Each isolated run goes to a worker of its own, a few at one time."""
        if not isolated or not self._loadable(group, isolated):
            return 0
        alive = self._count(group, solo=True)
        idle = sum(s.solo and s.group == group and bool(s.held) for s in self._sessions)
        starting = sum(
            p.solo and p.group == group and not p.registered for p in self.fleet.processes.values()
        )
        return min(len(isolated) - idle - starting, _SOLOS - alive)

    def _can_help(self, group: str, ready: list[str]) -> bool:
        """Whether one more worker could do what is ready and nobody else will."""
        if not self._count(group):
            return self._loadable(group, ready)
        served = {n for s in self._sessions if s.group == group and not s.leaving for n in s.names}
        starting = any(
            p.group == group and not p.solo and not p.registered
            for p in self.fleet.processes.values()
        )
        missing = [name for name in ready if name not in served]
        return bool(missing) and not starting and self._loadable(group, missing)

    def _loadable(self, group: str, names: list[str]) -> bool:
        """Whether a new worker would know one of these workflows, as far as we can tell."""
        trouble = self._troubles.setdefault(group, _Trouble())
        if self._loaded is None or self._loaded.intersection(names):
            return True
        if fingerprint(self._app.dir) != self._seen:
            return True
        if new := set(names) - trouble.complained:
            trouble.complained |= new
            named = ", ".join(sorted(new))
            _log.error("runs are ready that no loaded module can execute: %s", named)
        delay = trouble.look_again_in(_LAST_DELAY[False])
        if delay is not None:
            self._look_later(group, delay + _MARGIN)
        return False

    async def _start(
        self, group: str, count: int, *, solo: bool = False, idle: float | None = None
    ) -> None:
        for _ in range(count):
            if self._stopping or not self._may_start(group):
                return
            self._starting[group, solo] += 1
            try:
                process = await self.fleet.start(group, solo=solo, idle=idle)
                if process.worker_id in self._sessions.by_id:  # it was quicker than this task
                    self._is_ready(process)
                elif self._is_stopping():  # meanwhile
                    self.fleet.kill(process.worker_id)
            except Exception as error:
                if not isinstance(error, SpawnError):
                    _log.exception("a worker of group %s could not be started", group)
                self._failed(group, str(error), fingerprint(self._app.dir))
                return
            finally:
                self._starting[group, solo] -= 1

    def _may_start(self, group: str) -> bool:
        trouble = self._troubles.get(group)
        wait = trouble.not_before - monotonic() if trouble is not None else 0.0
        if trouble is None or wait <= 0:
            return True
        if fingerprint(self._app.dir) != trouble.seen:
            trouble.forgive()  # the code was changed: perhaps repaired
            return True
        return False  # `_failed` has set a timer

    # --- what workers tell

    def registered(self, session: Session) -> None:
        """A worker has told what it has loaded."""
        process = self.fleet.processes.get(session.worker_id)
        self._expected.discard(session.worker_id)
        if not session.again:
            self._loaded = frozenset(session.names)
            for trouble in self._troubles.values():
                trouble.complained -= self._loaded
            self._catalogue.failures.pop(session.group, None)
        if process is not None:
            self._is_ready(process)
        self.changed.set()
        self.look([session.group])
        self._on_code_known()

    def _is_ready(self, process: Process) -> None:
        process.registered = True
        self._seen = process.seen
        self.unread = True  # if it took long to load, others may have told newer code before

    def departed(self, session: Session) -> None:
        """The connection of a worker has dropped."""
        process = self.fleet.processes.get(session.worker_id)
        if process is not None:
            process.leaving, process.has_claimed = session.leaving, session.has_claimed
        self.changed.set()
        self.look([session.group])

    def _exited(self, process: Process, how: str) -> None:
        group = process.group
        session = self._sessions.by_id.get(process.worker_id)
        claimed = process.has_claimed or (session is not None and session.has_claimed)
        self.changed.set()
        if claimed:
            self._troubles.setdefault(group, _Trouble()).forgive()
        elif not process.registered:
            why = f"worker {process.pid} {how} before it was ready; its output says why"
            self._failed(group, why, process.seen)
        elif how != "exited with status 0":
            why = f"worker {process.pid} {how} before it claimed anything; its output says why"
            self._failed(group, why, process.seen)
        self.look([group])

    def _failed(self, group: str, why: str, seen: Fingerprint) -> None:
        if self._stopping:
            return
        trouble = self._troubles.setdefault(group, _Trouble())
        delay = trouble.failed(seen, _LAST_DELAY[bool(self._app.group(group).workers)])
        self._catalogue.failures[group] = why
        _log.error("group %s: %s; next try in %.1f s", group, why, delay)
        self._look_later(group, delay + _MARGIN)
        self._on_code_known()

    # --- code that was not there before

    def discover(self, group: str = "default") -> bool:
        """Start a worker if it could know more than the last one. `on_code_known` follows.

        False: the code is as the last worker has seen it, or as it failed to start.
        """
        seen = fingerprint(self._app.dir)
        if self._is_coming(seen):
            return True
        trouble = self._troubles.get(group)
        failed = trouble is not None and trouble.seen == seen and trouble.not_before > monotonic()
        if self._stopping or seen == self._seen or failed:
            return False
        self._starting[group, False] += 1  # at once: the same batch may ask again
        self._tasks.start(self._discover(group))
        return True

    def _is_coming(self, seen: Fingerprint) -> bool:
        """Whether a worker is on its way that will tell this code."""
        processes = self.fleet.processes.values()
        return self._starting.total() > 0 or any(
            p.seen == seen and not p.registered for p in processes
        )

    async def _discover(self, group: str) -> None:
        self._starting[group, False] -= 1
        await self._start(group, 1)

    # --- the end

    def _is_stopping(self) -> bool:
        return self._stopping

    @property
    def has_workers(self) -> bool:
        """Whether processes are left that this server has started, or is starting."""
        return bool(self.fleet.processes) or self._starting.total() > 0

    def stop(self) -> None:
        """Start nothing more; those that are not ready yet end at once."""
        self._stopping = True
        for process in list(self.fleet.processes.values()):
            if not process.registered:
                self.fleet.kill(process.worker_id)

    def close(self) -> None:
        self._tasks.cancel()
        self.fleet.close()
