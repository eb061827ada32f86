"""The workers that are connected, and the claims they have left open.

A claim that finds nothing is held; it is executed again at the end of each batch that may have
made something ready, in the same transaction.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from tako.commands import Claim, Claimed, Drain, Register
from tako.server.listener import Peer

_Key = tuple[str, bool, tuple[str, ...]]  # group, solo, workflows: who could claim the same runs


class Session:
    """A registered worker on its connection."""

    def __init__(self, peer: Peer, register: Register) -> None:
        self.peer = peer
        self.worker_id = register.worker_id
        self.pid = register.pid
        self.group = register.group
        self.solo = register.solo
        self.concurrency = register.concurrency
        self.again = register.again
        self.names = tuple(w.name for w in register.workflows)
        self.key: _Key = (self.group, self.solo, self.names)
        self.held: deque[tuple[int, int]] = deque()  # (request id, limit)
        self.fresh = False  # its claims have not been executed yet
        self.leaving = False  # it has said that it claims nothing more
        self.has_claimed = False
        self.turn = 0  # when it was last given something

    @property
    def load(self) -> int:
        """How many runs it executes, as far as its claim tells."""
        return self.concurrency - sum(limit for _, limit in self.held)


Picked = tuple[Session, Claim]


class Sessions:
    def __init__(self, lease: int) -> None:
        self.by_id: dict[str, Session] = {}
        self.stopped = False
        self.again: set[_Key] = set()  # more may be ready for those who hold claims here
        self._lease = lease
        self._turn = 0
        self._fresh = False

    def __iter__(self) -> Iterator[Session]:
        return iter(self.by_id.values())

    def add(self, session: Session) -> None:
        self.by_id[session.worker_id] = session
        session.peer.worker_id = session.worker_id

    def of(self, peer: Peer) -> Session | None:
        """The session on this connection, if it is still the worker's newest one."""
        session = self.by_id.get(peer.worker_id) if peer.worker_id is not None else None
        return session if session is not None and session.peer is peer else None

    def remove(self, session: Session) -> None:
        if self.by_id.get(session.worker_id) is session:
            del self.by_id[session.worker_id]

    @property
    def wanting(self) -> bool:
        """Whether a batch is due for the sake of claims alone."""
        return self._fresh or bool(self.again)

    def hold(self, session: Session, number: int, limit: int) -> None:
        """Keep a claim until it is answered; a limit of 0 answers all that are open."""
        if limit <= 0 or self.stopped:
            session.leaving = session.leaving or limit <= 0
            self._drop(session)
            session.peer.outbox.append((number, Claimed([])))
            return
        session.leaving = False
        session.held.append((number, limit))
        session.fresh = self._fresh = True

    def pick(self, made_ready: int, *, isolated: bool) -> list[Picked]:
        """The claims to execute in a batch that may have made this many runs ready."""
        if not (made_ready or self._fresh or self.again):
            return []
        again, self.again, self._fresh = self.again, set(), False
        open_ = sorted((s for s in self if s.held), key=lambda s: (s.load, s.turn))
        room: dict[_Key, int] = {}  # what the claims picked so far would take
        picked: list[Picked] = []
        for session in open_:
            wanted = made_ready if not session.solo or isolated else 0
            short = room.get(session.key, 0) < wanted or session.key in again
            if session.fresh or short:
                claim = self._claim(session)
                picked.append((session, claim))
                room[session.key] = room.get(session.key, 0) + claim.limit
                again.discard(session.key)
        return picked

    def _claim(self, session: Session) -> Claim:
        """All that a worker has open, as one."""
        session.fresh = False
        total = sum(limit for _, limit in session.held)
        return Claim(
            total, session.worker_id, session.group, session.names, session.solo, self._lease
        )

    def answered(self, picked: Picked, reply: Claimed) -> None:
        """Pass on what a claim got; if it got nothing it stays."""
        session, claim = picked
        runs = reply.runs
        if len(runs) >= claim.limit:
            self.again.add(session.key)
        if not runs:
            return
        self._turn += 1
        session.turn, session.has_claimed = self._turn, True
        taken = 0
        while taken < len(runs):
            number, limit = session.held.popleft()
            session.peer.outbox.append((number, Claimed(runs[taken : taken + limit])))
            taken += limit

    def look_again(self, ready: Iterable[str], tried: set[_Key]) -> None:
        """After a batch: whoever holds claims of a ready group, and has not just tried, tries."""
        groups = set(ready)
        open_ = {session.key for session in self if session.held}
        full = self.again & open_
        self.again = full | {key for key in open_ if key[0] in groups and key not in tried}

    def drain(self) -> None:
        """Give out nothing more, and ask every worker to finish."""
        self.stopped = True
        for session in self:
            self.drain_one(session)
            session.peer.flush()

    def drain_one(self, session: Session) -> None:
        session.leaving = True
        self._drop(session)
        session.peer.outbox.append((0, Drain()))

    def retry(self) -> None:
        """Execute all held claims again: the batch that had them has failed."""
        for session in self:
            session.fresh = bool(session.held)
            self._fresh = self._fresh or session.fresh

    def _drop(self, session: Session) -> None:
        for number, _ in session.held:
            session.peer.outbox.append((number, Claimed([])))
        session.held.clear()
