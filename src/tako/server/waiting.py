"""Requests whose answer comes later: ends of runs, broadcasts, workflows not known yet."""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from tako.commands import (
    Await,
    Bail,
    Cancel,
    Command,
    Enqueue,
    Error,
    Fail,
    Reply,
    RunReply,
    Signal,
    Signalled,
    Spread,
    Succeed,
)
from tako.model import ENDED
from tako.server.listener import Peer

_End = Succeed | Bail | Fail | Cancel
_ENDS = frozenset({Succeed, Bail, Fail, Cancel})
_PATIENCE = 15.0  # s for a worker to load the code before a name is refused

Asker = tuple[Peer, int]
Entry = tuple[Peer | None, int, Command]  # who asked, as which request; None: the server itself
Add = Callable[[Command, Peer | None, int], None]  # into the next batch


class Awaited:
    """Those who wait for the end of a run. Kept in memory: a client asks again by itself."""

    def __init__(self, add: Add) -> None:
        self._add = add
        self._askers: dict[str, list[Asker]] = {}
        self._runs: dict[Peer, set[str]] = {}

    def looked(self, peer: Peer | None, number: int, c: Await, reply: Reply) -> Reply | None:
        """The run as it is now: if it goes on, the answer waits."""
        if type(reply) is not RunReply or reply.run.state in ENDED or peer is None:
            return reply
        if not peer.closed:
            self._askers.setdefault(c.run_id, []).append((peer, number))
            self._runs.setdefault(peer, set()).add(c.run_id)
        return None

    def asked_with(self, entries: list[Entry]) -> list[Entry]:
        """Looks at the runs that ``entries`` will probably end, for their very batch."""
        if not self._askers:
            return []
        ends = [cast("_End", entry[2]) for entry in entries if type(entry[2]) in _ENDS]
        return [look for end in ends for look in self._take(end.run_id)]

    def _take(self, run_id: str) -> list[Entry]:
        askers = self._askers.pop(run_id, [])
        for peer, _ in askers:
            self._runs[peer].discard(run_id)
        return [(peer, number, Await(run_id)) for peer, number in askers]

    def ended(self, run_ids: list[str]) -> None:
        """Look once more at those of these runs that somebody waits for."""
        if self._askers:
            for run_id in run_ids:
                for peer, number, look in self._take(run_id):
                    self._add(look, peer, number)

    def forget(self, peer: Peer) -> None:
        for run_id in self._runs.pop(peer, ()):
            askers = [asker for asker in self._askers.pop(run_id, ()) if asker[0] is not peer]
            if askers:
                self._askers[run_id] = askers


class Broadcasts:
    """Signals with so many waiters that delivery takes several batches; then comes the answer."""

    def __init__(self) -> None:
        self._askers: dict[str, list[Asker]] = {}

    def signalled(self, peer: Peer | None, number: int, c: Signal, reply: Reply) -> Reply | None:
        if type(reply) is not Signalled or not reply.spreading:
            return reply
        if peer is not None:
            self._askers.setdefault(c.event_id, []).append((peer, number))
        return None

    def spread(self, c: Spread, reply: Signalled) -> None:
        """A part has been delivered; after the last one the senders get the total."""
        if not reply.spreading:
            for peer, number in self._askers.pop(c.event_id, ()):
                peer.outbox.append((number, reply))
                peer.flush()


class Unknown:
    """Enqueues by name of a workflow that nobody knows, while a worker looks for it."""

    def __init__(
        self, add: Add, discover: Callable[[], bool], explain: Callable[[str], str]
    ) -> None:
        self._add = add
        self._discover = discover
        self._explain = explain
        self._held: list[tuple[Peer, int, Enqueue]] = []
        self._asked_twice: set[Asker] = set()
        self._late: asyncio.TimerHandle | None = None

    def refused(self, peer: Peer, number: int, c: Enqueue, reply: Error) -> Reply | None:
        """Hold it if a fresh look at the code may help; else say what is known."""
        asker = (peer, number)
        if asker not in self._asked_twice and self._discover():
            self._held.append((peer, number, c))
            if self._late is None:
                self._late = asyncio.get_running_loop().call_later(_PATIENCE, self.try_again)
            return None
        self._asked_twice.discard(asker)
        return Error(reply.code, self._explain(c.workflow))

    def try_again(self) -> None:
        """A worker has told what it loaded, or none can be had in time."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        held, self._held = self._held, []
        for peer, number, command in held:
            if not peer.closed:
                self._asked_twice.add((peer, number))
                self._add(command, peer, number)

    def settled(self, askers: Iterable[Asker]) -> None:
        self._asked_twice.difference_update(askers)

    @property
    def second_looks(self) -> bool:
        return bool(self._asked_twice)
