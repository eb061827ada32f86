"""Virtual time, a server that crashes, and connections that break, around the real store.

Everything is decided by one seed. A message takes its time and may be lost with its connection;
whoever has sent it sends it again, as the real link does. A batch is one transaction of the real
store; the server may die before it, in its midst, or after it when nobody has heard of it yet.
"""

import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import apsw

from tako.commands import (
    Claimed,
    Command,
    Error,
    Lost,
    Ok,
    Outcome,
    Reply,
    SaveStep,
    ShiftLeases,
    Tick,
)
from tako.errors import StorageError
from tako.store import Store, open_store
from tests.store.disk import BadDisk

START = 1_700_000_000_000  # ms
LEASE = 2_000
WRITES = 8  # of a batch to the disk, mostly
UNNOTICED = 1_000  # ms by which the clock may step, as in server/batch.py
STEPS = [[], [-4_500, -900, 900, 3_100], [-70_000, 70_000, 3_600_000]]  # ms, of some nights each
Heard = Callable[[Any], None]


class Broken(AssertionError):
    """An invariant does not hold."""


def at_once(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise Broken("the store waited")


class Line:
    """One side's connection to the server: what has no reply yet is sent again after a break.

    ``hello`` is asked first on each new connection, and nothing else before its reply.
    """

    def __init__(
        self,
        world: "World",
        hello: Callable[[], Command] | None = None,
        welcome: Heard = lambda reply: None,
    ) -> None:
        self.world = world
        self.number = 0  # of the connection
        self.ready = False
        self.closed = False
        self.broken_at = world.now
        self._hello = hello
        self._welcome = welcome
        self._pending: dict[int, tuple[Command, Heard]] = {}
        self._ids = count()
        world.lines.append(self)
        self.connect()

    def ask(self, command: Command, heard: Heard) -> None:
        key = next(self._ids)
        self._pending[key] = (command, heard)
        if self.ready:
            self._send(key)

    def cut(self) -> None:
        """What is on its way, either way, is lost."""
        self.number += 1
        if self.ready:
            self.ready, self.broken_at = False, self.world.now

    def close(self) -> None:
        self.cut()
        self.closed = True

    def connect(self) -> None:
        if self.closed or self.ready or not self.world.up:
            return
        self.number += 1
        if self._hello is None:
            self._open(None)
        else:
            key = next(self._ids)
            self._pending[key] = (self._hello(), self._open)
            self._send(key, keep=False)

    def _open(self, reply: Any) -> None:
        self.ready = True
        for key in list(self._pending):
            self._send(key)
        self._welcome(reply)

    def _send(self, key: int, *, keep: bool = True) -> None:
        number, world = self.number, self.world
        command, heard = self._pending[key] if keep else self._pending.pop(key)

        def arrive() -> None:
            if number == self.number and world.up:
                world.receive(command, answer)

        def answer(reply: Reply) -> None:
            world.after(world.rng.randrange(5), lambda: hear(reply))

        def hear(reply: Reply) -> None:
            if number == self.number and (not keep or key in self._pending):
                self._pending.pop(key, None)
                heard(reply)

        world.after(world.rng.randrange(5), arrive)


class World:
    def __init__(self, seed: int, folder: Path, disk: BadDisk) -> None:
        self.rng = Random(seed)
        self.now = START
        self.apart = 0  # by how much the wall clock has stepped, in all
        self.stepped_at = START
        self.set_back = False
        self.up = True
        self.up_since = START
        self.crashes = self.rng.choice([0.0, 0.004, 0.02])  # of the server, for each batch
        self.steps = self.rng.choice(STEPS)
        self.faults = True
        self.history: list[str] = []
        self.lines: list[Line] = []
        self.commands = 0
        self.claimed: dict[str, int] = {}  # lease -> the number of the command that gave it
        self.holds: dict[str, str] = {}  # run -> its newest lease
        self.saved: dict[tuple[str, str], int] = {}  # run and step -> the one that saved it
        self.path, self.disk = folder / "runs.db", disk
        self.store: Store = open_store(self.path)
        self.on_effects: Callable[[Any], None] = lambda effects: None
        self.on_restart: Callable[[], None] = lambda: None
        self.on_commit: Callable[..., None] = lambda commands, replies, effects: None
        self.in_danger: Callable[[], bool] = lambda: False  # a crash would be worth it now
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._ids = count()
        self._batch: list[tuple[Command, Heard]] = []
        self._due = -1
        self._unshifted = 0  # of the steps of the clock

    def close(self) -> None:
        self.store.close()

    def tell(self, text: str) -> None:
        self.history.append(f"{self.wall - START:7d} {text}")

    @property
    def wall(self) -> int:
        """What the clock on the wall shows: this is what the store is given."""
        return self.now + self.apart

    def chance(self, probability: float) -> bool:
        return self.faults and self.rng.random() < probability

    # --- time

    def after(self, delay: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._ids), what))

    def run(self, length: int) -> None:
        """Let ``length`` ms pass."""
        end = self.now + length
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = end

    def step_clock(self, by: int) -> None:
        """The server notices it with its next batch; its timer looks again after a while."""
        self.tell(f"the clock steps by {by}")
        self.apart += by
        self.stepped_at, self.set_back = self.now, self.set_back or by < 0
        if self.up:
            self._unshifted += by
        self.after(self.rng.randrange(UNNOTICED), self._look_again)

    def clock_steps(self) -> None:
        """Now and then while there are faults, in some nights."""
        if self.faults and self.steps:
            self.after(self.rng.randrange(1, 8_000), self.clock_steps)
            self.step_clock(self.rng.choice(self.steps))

    def _look_again(self) -> None:
        if self.up:
            self._due = -1
            self.look_at_clock()

    # --- the server

    def receive(self, command: Command, heard: Heard) -> None:
        if not self._batch:
            self.after(self.rng.randrange(4), self._commit)
        self._batch.append((command, heard))

    def own(self, command: Command) -> None:
        """A command of the server itself."""
        if self.up:
            self.receive(command, lambda reply: None)

    def _commit(self) -> None:
        if not self.up:
            return
        risk = 0.2 if self.crashes and self.in_danger() else self.crashes
        if self.chance(risk):
            self._crash("before a batch")
            return
        batch = self._take()
        commands = [command for command, _ in batch]
        if self.chance(risk):
            self.disk.fail_after(self.rng.randrange(WRITES), apsw.IOError)
        try:
            outcome = at_once(self.store.execute(commands, self.wall))
        except StorageError:
            self._crash("in the midst of a batch")
            return
        self.disk.mend()
        for (command, _), reply in zip(batch, outcome.replies, strict=True):
            self._remember(command, reply)
        self.on_commit(commands, outcome.replies, outcome.effects)
        if self.chance(risk):
            self._crash("after a batch")
            return
        self.on_effects(outcome.effects)
        for (_, heard), reply in zip(batch, outcome.replies, strict=True):
            heard(reply)
        self.look_at_clock()

    def _take(self) -> list[tuple[Command, Heard]]:
        batch, self._batch = self._batch, []
        delta, self._unshifted = self._unshifted, 0
        if abs(delta) > UNNOTICED:
            batch.insert(0, (ShiftLeases(delta), lambda reply: None))
        return batch

    def _remember(self, command: Command, reply: Reply) -> None:
        self.tell(f"{command} -> {reply}")
        self.commands += 1
        if isinstance(reply, Claimed):
            self.claimed.update((run.lease_id, self.commands) for run in reply.runs)
            self.holds.update((run.id, run.lease_id) for run in reply.runs)
        elif not isinstance(reply, Error):
            lease, run_id = getattr(command, "lease_id", None), getattr(command, "run_id", "")
            if lease is not None and lease != self.holds[run_id]:
                raise Broken(f"{command} was accepted though another has claimed {run_id}")
        if isinstance(command, SaveStep) and isinstance(reply, Ok):
            self.saved.setdefault((command.run_id, command.name), self.commands)

    def look_at_clock(self) -> None:
        """One timer for the earliest due thing, as the real server keeps it."""
        due = self.store.next_due()
        if due is None or due == self._due:
            return
        self._due = due

        def tick() -> None:
            if self._due == due:
                self._due = -1
                self.own(Tick())

        self.after(max(0, due - self.wall) + self.rng.randrange(3), tick)

    def _crash(self, when: str) -> None:
        self.tell(f"the server crashes {when}")
        self.up, self._batch, self._due, self._unshifted = False, [], -1, 0
        with suppress(apsw.IOError):  # to tidy up is none of what a process does that is killed
            self.store.close()
        for line in self.lines:
            line.cut()
        self.after(self.rng.choice([10, 300, 300, 3 * LEASE]), self._restart)

    def _restart(self) -> None:
        self.tell("the server starts again")
        self.disk.mend()
        self.store = open_store(self.path)
        self.up, self.up_since = True, self.now
        self.on_restart()
        for line in self.lines:
            self.after(self.rng.randrange(200), line.connect)
        self.look_at_clock()

    def lost(self, worker_id: str, *, blame: bool = True) -> None:
        self.own(Lost(worker_id, "it died", blame=blame))
