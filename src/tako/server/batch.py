"""Group commit: what arrives while a batch is being committed forms the next one.

A batch is one transaction of the store. Replies and pushes leave after it, all of one connection
in one frame.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from tako.clock import monotonic, now_ms
from tako.commands import (
    READS,
    Ask,
    Await,
    Bail,
    Cancel,
    Claimed,
    Command,
    Decide,
    Effects,
    Enqueue,
    Error,
    Fail,
    Get,
    ListRuns,
    ListSteps,
    ListWaits,
    Load,
    Lost,
    Park,
    Register,
    Release,
    Reply,
    Rerun,
    ShiftLeases,
    Signal,
    Spread,
    Succeed,
    Tick,
)
from tako.errors import StorageError
from tako.server.figures import CommitTimes
from tako.server.listener import Peer
from tako.server.sessions import Picked, Sessions
from tako.server.waiting import Awaited, Entry
from tako.server.watching import Watching
from tako.store import Store

_log = logging.getLogger("tako.server")

Hook = Callable[[Peer | None, int, Any, Any], Reply | None]

LIMIT = 1_000  # commands in one transaction
_LARGE_LIMIT = 16  # commands of _LARGE in one transaction
_CROWDED = 20_000  # commands that wait: beyond it we stop reading from who sends more
_STEP = 1_000  # ms by which the wall clock may leave the monotonic one unnoticed
_COMPLAIN_EVERY = 60.0  # s
_RETRY = 1.0  # s until held claims are tried again after a failure of the store
_ENOUGH = 10_000  # batches that a server which ends still commits

_MAKE_READY = frozenset(
    {Ask, Decide, Enqueue, Signal, Fail, Release, Rerun, Lost, Tick, Spread, Register}
)
_FREE_A_PLACE = frozenset({Succeed, Bail, Cancel, Park})  # of a workflow with a limit
_LARGE = frozenset({ListRuns, ListSteps, ListWaits, Load})
_MAKE_ISOLATED = frozenset({Lost, Tick, Release, Register})


class Batch:
    """The queue of one app, and the loop that commits it.

    ``hooks`` see the replies of their kind of command before they leave; what they return leaves
    instead, None nothing. ``on_effects`` is told of every batch that was committed.
    """

    def __init__(
        self, store: Store, sessions: Sessions, on_effects: Callable[[Effects], None]
    ) -> None:
        self.awaited = Awaited(self.add)
        self.watching = Watching()
        self.commits = CommitTimes()
        self.hooks: dict[type, Hook] = {Await: self.awaited.looked}
        self.limited = False  # some workflow limits its runs: see _FREE_A_PLACE
        self._store = store
        self._sessions = sessions
        self._on_effects = on_effects
        self._queue: deque[Entry] = deque()
        self._spreads: deque[str] = deque()
        self._paused: set[Peer] = set()
        self._choked: set[Peer | None] = set()  # peers that do not read their replies
        self._waiting: dict[Peer, list[Entry]] = {}  # what these have asked for
        self._wake: asyncio.Future[None] | None = None
        self._clock = _Clock()
        self._complain_at = 0.0
        self._retry: asyncio.TimerHandle | None = None

    # --- what comes in

    def extend(self, peer: Peer, requests: list[tuple[int, Command]]) -> None:
        """Commands of a connection, in their order."""
        self._queue.extend([(peer, number, command) for number, command in requests])
        if len(self._queue) > _CROWDED and peer not in self._paused:
            self._paused.add(peer)
            peer.pause()
        self.poke()

    def add(self, command: Command, peer: Peer | None = None, number: int = 0) -> None:
        self._queue.append((peer, number, command))
        self.poke()

    def choked(self, peer: Peer) -> None:
        """It does not read its replies: what it asks for waits, and it cannot ask for more."""
        self._choked.add(peer)
        peer.pause()

    def unchoked(self, peer: Peer) -> None:
        """It reads again: what it asked for is next."""
        self._choked.discard(peer)
        self._paused.discard(peer)
        peer.resume()
        self._queue.extendleft(reversed(self._waiting.pop(peer, [])))
        self.poke()

    def forget(self, peer: Peer) -> None:
        """Its connection is gone: what waited only for that is dropped."""
        self._waiting.pop(peer, None)
        self._choked.discard(peer)
        self._paused.discard(peer)

    def spread(self, event_ids: list[str]) -> None:
        """Go on delivering these, one transaction's worth at a time, among the others' work."""
        self._spreads.extend(event_ids)
        self.poke()

    def poke(self) -> None:
        """There is something to do, if only for held claims."""
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    def has(self, peer: Peer, kind: type) -> bool:
        """Whether such a command of this connection waits for its batch."""
        return any(entry[0] is peer and type(entry[2]) is kind for entry in self._queue)

    @property
    def idle(self) -> bool:
        return not (self._queue or self._spreads or self._sessions.wanting)

    # --- the loop

    async def run(self) -> None:
        """Commit batches until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self.idle:
                self._wake = loop.create_future()
                await self._wake
                self._wake = None
            try:
                await self.commit()
            except Exception:
                _log.exception("a batch went wrong; the server goes on")
            await asyncio.sleep(0)  # one look at the sockets: the next batch is what has come

    async def commit(self) -> None:
        """Take the next batch, execute it and answer it."""
        entries, kinds = self._take()
        commands = [entry[2] for entry in entries]
        if Await in kinds:
            commands = [Get(c.run_id) if type(c) is Await else c for c in commands]
        picked = self._pick(entries, kinds)
        commands += [claim for _, claim in picked]
        if not commands:
            return
        begun = monotonic()
        try:
            outcome = await self._store.execute(commands, now_ms())
        except Exception as error:
            self._refuse(entries, picked, error)
            return
        if not kinds <= READS or picked:
            self.commits.add(monotonic() - begun)
        self._answer(entries, picked, outcome.replies, outcome.effects)

    def _take(self) -> tuple[list[Entry], set[type[Any]]]:
        """The next batch, and the kinds of commands in it."""
        queue = self._queue
        if len(queue) <= LIMIT:
            entries = list(queue)
            queue.clear()
        else:
            entries = [queue.popleft() for _ in range(LIMIT)]
        if self._choked:
            entries = self._set_aside(entries)
        kinds = {type(entry[2]) for entry in entries}
        if not kinds.isdisjoint(_LARGE):
            entries = self._shorten(entries)
        if looks := self.awaited.asked_with(entries):
            entries += looks
            kinds.add(Await)
        if self._spreads:
            entries.append((None, 0, Spread(self._spreads.popleft())))
            kinds.add(Spread)
        delta = self._clock.stepped()
        if delta:
            _log.warning("the wall clock stepped by %.1f s; leases move with it", delta / 1000)
            entries.insert(0, (None, 0, ShiftLeases(delta)))
        if self._paused and len(queue) < _CROWDED // 2:
            self._resume()
        return entries, kinds

    def _set_aside(self, entries: list[Entry]) -> list[Entry]:
        """Without those of peers that do not read: replies to them would pile up."""
        left = []
        for entry in entries:
            peer = entry[0]
            if peer in self._choked and peer is not None:
                self._waiting.setdefault(peer, []).append(entry)
            else:
                left.append(entry)
        return left

    def _shorten(self, entries: list[Entry]) -> list[Entry]:
        """Only as many with large replies as fit into memory easily; the rest comes next."""
        count = 0
        for at, entry in enumerate(entries):
            count += type(entry[2]) in _LARGE
            if count > _LARGE_LIMIT:
                self._queue.extendleft(reversed(entries[at:]))
                return entries[:at]
        return entries

    def _resume(self) -> None:
        paused, self._paused = self._paused, set()
        for peer in paused:
            if peer not in self._choked:
                peer.resume()

    def _pick(self, entries: list[Entry], kinds: set[type[Any]]) -> list[Picked]:
        makers = kinds & (_MAKE_READY | _FREE_A_PLACE if self.limited else _MAKE_READY)
        count = 0
        if makers:
            count = sum(1 for entry in entries if type(entry[2]) in makers)
        return self._sessions.pick(count, isolated=not _MAKE_ISOLATED.isdisjoint(kinds))

    # --- what goes out

    def _answer(
        self, entries: list[Entry], picked: list[Picked], replies: list[Any], effects: Effects
    ) -> None:
        touched = self._push(effects)
        hooks = self.hooks
        for (peer, number, command), reply in zip(entries, replies, strict=False):
            hook = hooks.get(type(command))
            if hook is not None:
                try:
                    reply = hook(peer, number, command, reply)
                except Exception:  # it was committed: the others' replies must leave
                    _log.exception("a reply to %s went wrong", type(command).__name__)
                if reply is None:
                    continue
            if peer is not None:
                outbox = peer.outbox
                if not outbox:
                    touched.append(peer)
                outbox.append((number, reply))
        for claim, reply in zip(picked, replies[len(entries) :], strict=True):
            if type(reply) is Claimed:
                self._sessions.answered(claim, reply)
                touched.append(claim[0].peer)
        for peer in touched:
            if peer.outbox:
                peer.flush()
        if effects.ready or self._sessions.again:
            self._sessions.look_again(effects.ready, {claim[0].key for claim in picked})
        self.watching.committed(entries, replies[len(entries) :], effects)
        self._on_effects(effects)

    def _push(self, effects: Effects) -> list[Peer]:
        """Pushes go before the replies of their frame: a `NotParked` relies on it."""
        touched: list[Peer] = []
        for worker_id, push in effects.pushes:
            session = self._sessions.by_id.get(worker_id)
            if session is not None:
                session.peer.outbox.append((0, push))
                touched.append(session.peer)
        return touched

    def _refuse(self, entries: list[Entry], picked: list[Picked], error: Exception) -> None:
        """Nothing of the batch was done: everyone is told so, and the next batch tries again."""
        if not isinstance(error, StorageError):
            _log.exception("the store failed on a batch of %d", len(entries), exc_info=error)
        elif monotonic() >= self._complain_at:
            self._complain_at = monotonic() + _COMPLAIN_EVERY
            _log.critical("NOTHING IS BEING SAVED: %s", error)
        for _, _, command in entries:
            if type(command) is ShiftLeases:
                self._clock.owe(command.delta)
        if picked and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY, self._retry_claims)
        reply = Error("storage", str(error) or repr(error))
        self._answer(entries, [], [reply] * len(entries), Effects())

    def _retry_claims(self) -> None:
        self._retry = None
        self._sessions.retry()
        self.poke()

    async def finish(self) -> None:
        """Return when nothing waits any more, or the store does not take it."""
        for _ in range(_ENOUGH):
            if self.idle:
                return
            await asyncio.sleep(0)


class _Clock:
    """Compares the wall clock with the monotonic one, which never steps."""

    def __init__(self) -> None:
        self._apart = self._now_apart()

    def stepped(self) -> int:
        """By how many ms the wall clock has jumped since the last look; 0 if it has not."""
        apart = self._now_apart()
        delta, self._apart = apart - self._apart, apart
        return delta if abs(delta) > _STEP else 0

    def owe(self, delta: int) -> None:
        """The leases could not be moved: do it with a later batch."""
        self._apart -= delta

    @staticmethod
    def _now_apart() -> int:
        return now_ms() - int(monotonic() * 1000)
