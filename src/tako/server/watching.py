"""Who watches is told what has changed. While nobody does, a batch costs one comparison.

Nothing is kept for a run: only the ids that the last batches have touched, a bounded number.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from tako.clock import monotonic, now_ms
from tako.commands import (
    Ask,
    Bail,
    Cancel,
    Changes,
    Claimed,
    Deliver,
    Effects,
    Enqueue,
    Fail,
    Log,
    Park,
    Register,
    Release,
    Rerun,
    SaveStep,
    Signal,
    Stop,
    Succeed,
    Unwait,
    Wait,
    Watch,
)
from tako.server.listener import Peer
from tako.server.waiting import Entry

PAUSE = 0.25  # s between two answers
_HOLD = 20.0  # s until a watcher hears that nothing has changed
_LATELY = 5.0  # s that ids are still kept for a watcher who has gone: it may be on its way
_MOST = 1_000  # ids of each kind in one answer, and half of what is kept

_TOUCH = frozenset(
    {Enqueue, Cancel, Rerun, SaveStep, Wait, Ask, Unwait, Park, Succeed, Bail, Fail, Release, Log}
)
_OTHERS = frozenset({Signal, Register})  # of no run: what they did to runs is among the effects


class Watching:
    """The watchers of one app, and what they have not been told yet."""

    def __init__(self) -> None:
        self._version = now_ms()  # above those of an earlier server, mostly: see `_knows`
        self._runs = _Touched(self._version)
        self._approvals = _Touched(self._version)
        self._held: dict[Peer, tuple[int, Watch, asyncio.TimerHandle]] = {}
        self._recording = False
        self._until = 0.0  # when recording ends, while nobody watches
        self._next = 0.0  # before this nobody is answered
        self._answer: asyncio.TimerHandle | None = None

    # --- what happens

    def committed(self, entries: list[Entry], tail: list[Any], effects: Effects) -> None:
        """A batch: its commands, the replies to the claims in it, its effects."""
        if not self._recording:
            return
        if not self._held and monotonic() > self._until:
            self._recording = False
            return
        commands = [entry[2] for entry in entries]
        touching: list[Any] = [c for c in commands if type(c) in _TOUCH]
        runs: set[str] = {c.run_id for c in touching}
        runs.update(effects.runs, effects.ended)
        runs.update(run.id for reply in tail if type(reply) is Claimed for run in reply.runs)
        runs.update(p.run_id for _, p in effects.pushes if isinstance(p, Deliver | Stop))
        if not (runs or effects.approvals or any(type(c) in _OTHERS for c in commands)):
            return
        self._version += 1
        self._runs.add(runs, self._version)
        self._approvals.add(effects.approvals, self._version)
        if self._held:
            self._soon()

    def watch(self, peer: Peer, number: int, command: Watch) -> None:
        """Hold it until there is something to tell. A connection has one."""
        self.forget(peer)
        if not self._recording:
            self._recording = True
            self._version += 1  # what there was before nobody knows
            self._runs = _Touched(self._version)
            self._approvals = _Touched(self._version)
        late = asyncio.get_running_loop().call_later(_HOLD, self._tell, peer)
        self._held[peer] = (number, command, late)
        if command.after != self._version:
            self._soon()

    def forget(self, peer: Peer) -> None:
        """Its connection is gone, or it asks anew."""
        found = self._held.pop(peer, None)
        if found is not None:
            found[2].cancel()
            self._until = monotonic() + _LATELY

    # --- what is told

    def _soon(self) -> None:
        if self._answer is None:
            loop, left = asyncio.get_running_loop(), self._next - monotonic()
            self._answer = loop.call_later(max(left, 0.0), self._answer_all)

    def _answer_all(self) -> None:
        self._answer = None
        self._next = monotonic() + PAUSE
        for peer, (_, command, _) in list(self._held.items()):
            if command.after != self._version:
                self._tell(peer)

    def _tell(self, peer: Peer) -> None:
        number, command, _ = self._held[peer]
        self.forget(peer)
        peer.outbox.append((number, self._since(command.after)))
        peer.flush()

    def _since(self, after: int) -> Changes:
        runs, approvals = self._runs.since(after), self._approvals.since(after)
        known = max(self._runs.start, self._approvals.start) <= after <= self._version
        more = not known or max(len(runs), len(approvals)) > _MOST
        return Changes(self._version, tuple(runs[:_MOST]), tuple(approvals[:_MOST]), more)


class _Touched:
    """Ids with the version that touched them last: all since ``start``, in two generations."""

    def __init__(self, version: int) -> None:
        self.start = self._middle = version
        self._old: dict[str, int] = {}
        self._new: dict[str, int] = {}

    def add(self, ids: Iterable[str], version: int) -> None:
        self._new.update(dict.fromkeys(ids, version))
        if len(self._new) > _MOST:
            self._old, self._new = self._new, {}
            self.start, self._middle = self._middle, version

    def since(self, after: int) -> list[str]:
        found = {id_: v for part in (self._old, self._new) for id_, v in part.items() if v > after}
        return list(found)
