"""One app in the server: its store, socket, batch, timer and supervisor, and what joins them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from tako.clock import monotonic
from tako.commands import (
    Ask,
    Claim,
    ClaimedRun,
    Command,
    CountRuns,
    Effects,
    Enqueue,
    Enqueued,
    Error,
    Fail,
    GetSystem,
    ListWorkflows,
    Lost,
    MintLink,
    Ok,
    PruneAudit,
    Register,
    Registered,
    Release,
    Reply,
    RunCounts,
    Signal,
    Spread,
    Stop,
    Tick,
    Waiting,
    Watch,
    WorkflowList,
)
from tako.config import AppConfig
from tako.durations import format_ms
from tako.errors import StorageError
from tako.model import RunError, RunState
from tako.people import People
from tako.server.batch import Batch
from tako.server.catalogue import Catalogue
from tako.server.datafolder import DataFolder
from tako.server.figures import Figures
from tako.server.http import HttpDoor
from tako.server.listener import Listener, Peer
from tako.server.record import Record
from tako.server.sessions import Session, Sessions
from tako.server.spawner import Spawner
from tako.server.supervisor import Supervisor
from tako.server.tasks import Tasks
from tako.server.timers import Timers
from tako.server.waiting import Broadcasts, Unknown
from tako.store import open_store

_log = logging.getLogger("tako.server")

_AFTER_TROUBLE = 1.0  # s until something the server owes is tried again
_GRACE = 2.0  # s beyond `drain` that workers have to end
_OURS = frozenset({Claim, Watch, GetSystem})  # not for a batch, or when there is something to say
_LONGEST_ERROR = 500  # characters of a log line
_LEASE_EXPIRED = "the lease expired"  # as the store says it


class AppServer:
    """Everything of one app. `open` raises StorageError and ConfigError, and leaves no trace."""

    def __init__(self, config: AppConfig, spawner: Spawner) -> None:
        self.config = config
        # Told the id of each question to people; of one that was asked before, an unknown one.
        self.on_asked: Callable[[str], None] | None = None
        self._spawner = spawner
        self._peers: set[Peer] = set()
        self._tasks = Tasks()
        self._folder = DataFolder(config)
        self._http: HttpDoor | None = None
        self._stopping = False
        self._death = False  # in the batch that is being answered

    # --- start

    async def open(self) -> None:
        self._folder.lock()
        try:
            await self._open()
        except BaseException:
            self._folder.unlock()
            raise

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(self.config.socket, self)
        if self.config.web is not None and self.config.web.auth != "mounted":
            self._http = HttpDoor(self.config, self.config.web)
        self.people = People(self.config)
        self._store = open_store(self.config.db, people=self.people.now)
        try:
            known = (await self._store.execute([ListWorkflows()], 0)).replies[0]
            self._join(known)
            await self._listener.open()
        except BaseException:
            self._store.close()
            raise
        self._tasks.start(self._batch.run())
        await self._take_over()
        if self._http is not None:
            self._http.start()

    def _join(self, known: WorkflowList) -> None:
        config = self.config
        self.catalogue = Catalogue(known)
        self.sessions = Sessions(config.defaults.lease.ms)
        self._batch = Batch(self._store, self.sessions, self._on_effects)
        self._batch.limited = self.catalogue.limited
        self._timers = Timers(self._store, self._batch.add, config.defaults.lease.ms // 3)
        self._figures = Figures(config, self.sessions, self.catalogue, self._batch.commits)
        self._broadcasts = Broadcasts()
        self.supervisor = Supervisor(
            config,
            self._store,
            self.sessions,
            self.catalogue,
            self._spawner,
            lambda: self._unknown.try_again(),
        )
        self._unknown = Unknown(self._batch.add, self.supervisor.discover, self.catalogue.unknown)
        self._record = Record(config, self._batch.add)
        self._set_hooks()

    def _set_hooks(self) -> None:
        self._batch.hooks |= {
            Enqueue: self._enqueued,
            Register: self._registered,
            ListWorkflows: self._listed,
            Signal: self._broadcasts.signalled,
            Tick: self._ticked,
            Spread: self._spread,
            Lost: self._was_lost,
            Fail: _failed,
            MintLink: self._record.minted,
            PruneAudit: self._record.pruned,
        }
        if self.on_asked is not None:
            self._batch.hooks[Ask] = self._asked

    async def _take_over(self) -> None:
        """Go on from where an earlier server was: its workers may still be there."""
        fleet = self.supervisor.fleet
        for worker_id in self._store.running_workers():
            if not fleet.is_alive(worker_id):
                steps = await fleet.steps(worker_id)
                self._batch.add(Lost(worker_id, "it ended when no server was there", steps))
        self._batch.spread(self._store.spreading())
        self._timers.look()
        self._record.start()
        self.supervisor.begin(fleet.survivors())

    def renew_workers(self) -> None:
        """The code was edited: workers finish what they have and go; the next ones load it."""
        for session in list(self.sessions):
            self.sessions.drain_one(session)
            session.peer.flush()
        self.supervisor.renew()

    # --- the connections

    def received(self, peer: Peer, requests: list[tuple[int, Command]]) -> None:
        entries = [request for request in requests if type(request[1]) not in _OURS]
        if len(entries) < len(requests):
            for number, command in requests:
                if type(command) is Claim:
                    self._claim(peer, number, command, entries)
                elif type(command) is Watch:
                    self._batch.watching.watch(peer, number, command)
                elif type(command) is GetSystem:
                    peer.outbox.append((number, self._figures.system()))
                    peer.flush()
        if entries:
            self._batch.extend(peer, entries)

    def gone(self, peer: Peer) -> None:
        self._peers.discard(peer)
        self._batch.awaited.forget(peer)
        self._batch.watching.forget(peer)
        self._batch.forget(peer)
        session = self.sessions.of(peer)
        if session is None:
            return
        self.sessions.remove(session)
        self.supervisor.departed(session)
        if self._stopping:  # whether it drained or had to be killed: nobody is to blame
            self._batch.add(Lost(session.worker_id, "the server stopped", blame=False))
        else:
            self._tasks.start(self._lose(session))

    def choked(self, peer: Peer) -> None:
        self._batch.choked(peer)

    def unchoked(self, peer: Peer) -> None:
        self._batch.unchoked(peer)

    def joined(self, peer: Peer) -> None:
        self._peers.add(peer)

    def give_back(self, runs: list[ClaimedRun]) -> None:
        """Claimed, but too large to be sent."""
        for run in runs:
            self._batch.add(Release(run.id, run.lease_id))

    # --- workers

    def _claim(
        self, peer: Peer, number: int, claim: Claim, others: list[tuple[int, Command]]
    ) -> None:
        session = self.sessions.of(peer)
        if session is not None:
            self.sessions.hold(session, number, claim.limit)
            self._batch.poke()
        elif self._batch.has(peer, Register) or any(type(c) is Register for _, c in others):
            peer.early.append((number, claim.limit))
        else:
            peer.outbox.append((number, Error("refused", "only a registered worker can claim")))
        if peer.outbox:
            peer.flush()

    def _registered(
        self, peer: Peer | None, number: int, c: Register, reply: Reply
    ) -> Reply | None:
        if type(reply) is not Registered or peer is None:
            return reply
        before = self.sessions.by_id.get(c.worker_id)
        session = Session(peer, c)
        session.has_claimed = before is not None and before.has_claimed
        self.catalogue.learn(c)
        self._batch.limited = self.catalogue.limited
        if peer.closed:  # it is gone again
            self._tasks.start(self._lose(session))
            return None
        self.sessions.add(session)
        defaults = self.config.defaults
        peer.outbox.append(
            (
                number,
                Registered(
                    reply.lost, defaults.lease.ms, defaults.cancel_grace.ms, defaults.max_value
                ),
            )
        )
        if self._stopping:
            self.sessions.drain_one(session)
        early, peer.early = peer.early, []
        for claim_number, limit in early:
            self.sessions.hold(session, claim_number, limit)
        peer.flush()
        self.supervisor.registered(session)
        for broken in c.broken:
            _log.error("%s does not load: %s", broken.module, broken.error)
        return None

    async def _lose(self, session: Session) -> None:
        """The worker's connection dropped: its runs are given to others at once."""
        fleet = self.supervisor.fleet
        cause = await fleet.cause_of_death(session.worker_id, session.pid)
        if session.worker_id in self.sessions.by_id:
            return  # it came back
        steps = await fleet.steps(session.worker_id)
        self._batch.add(Lost(session.worker_id, cause, steps))

    def _was_lost(self, _peer: Peer | None, _number: int, c: Lost, reply: Reply) -> None:
        if type(reply) is Error:
            self._loop.call_later(_AFTER_TROUBLE, self._batch.add, c)
        else:
            self._death = True
            self.supervisor.fleet.forget(c.worker_id)

    # --- what replies become on their way out

    def _enqueued(self, peer: Peer | None, number: int, c: Enqueue, reply: Reply) -> Reply | None:
        if type(reply) is Enqueued:
            if self._unknown.second_looks and peer is not None:
                self._unknown.settled([(peer, number)])
            warning = self.catalogue.warning(c)
            return reply if warning is None else msgspec.structs.replace(reply, warning=warning)
        if type(reply) is Error and reply.code == "unknown_workflow" and peer is not None:
            return self._unknown.refused(peer, number, c, reply)
        return reply

    def _listed(
        self, _peer: Peer | None, _number: int, _c: ListWorkflows, reply: Reply
    ) -> Reply | None:
        if type(reply) is WorkflowList:
            return WorkflowList(reply.workflows, reply.broken + self.catalogue.problems())
        return reply

    def _asked(self, _peer: Peer | None, _number: int, c: Ask, reply: Reply) -> Reply:
        if type(reply) is Waiting and self.on_asked is not None:
            self.on_asked(c.approval_id)
        return reply

    # --- effects

    def _on_effects(self, effects: Effects) -> None:
        if effects.timed:
            self._timers.changed()
        if effects.ready:
            self.supervisor.look(effects.ready, at_once=self._death)
        self._death = False
        if effects.ended:
            self._batch.awaited.ended(effects.ended)
        if effects.spreading:
            self._batch.spread(effects.spreading)
        for worker_id, push in effects.pushes:
            if type(push) is Stop and push.reason == _LEASE_EXPIRED:
                _log.error("worker %s stopped answering; its runs go on elsewhere", worker_id)
                self.supervisor.fleet.kill(worker_id)

    def _ticked(self, _peer: Peer | None, _number: int, _c: Tick, reply: Reply) -> None:
        self._timers.ticked(type(reply) is not Error)

    def _spread(self, _peer: Peer | None, _number: int, c: Spread, reply: Any) -> None:
        if type(reply) is Error:
            self._loop.call_later(_AFTER_TROUBLE, self._batch.spread, [c.event_id])
        else:
            self._broadcasts.spread(c, reply)

    # --- the end

    async def close(self, hurry: asyncio.Event) -> None:
        """Let the workers finish, for as long as `drain` says or until ``hurry``; then end all."""
        if self._http is not None:
            await self._http.stop()
        self._stopping = True
        self.supervisor.stop()
        if not hurry.is_set():
            await self._say_what_is_waited_for()
        self.sessions.drain()
        until = monotonic() + self.config.defaults.drain + _GRACE
        await self._workers_gone(until, hurry)
        self._kill_all()
        await self._workers_gone(monotonic() + _GRACE, None)
        self._timers.close()
        self._record.close()
        self._listener.close()
        for peer in self._peers:
            peer.pause()
        await self._batch.finish()
        for peer in list(self._peers):
            peer.close()
        self.supervisor.close()
        self._tasks.cancel()
        self._store.close()
        self._folder.unlock()

    async def _say_what_is_waited_for(self) -> None:
        busy = 0
        with suppress(StorageError):  # which has been said when it was met
            counts: RunCounts = (await self._store.execute([CountRuns(own=True)], 0)).replies[0]
            busy = counts.counts[RunState.RUNNING]
        if busy:
            _log.info(
                "app %s: up to %s for what executes (%d run%s) to end its step; a second signal "
                "or Ctrl-C does not wait",
                self.config.name,
                format_ms(round(self.config.defaults.drain * 1000)),
                busy,
                "s" * (busy > 1),
            )

    async def _workers_gone(self, until: float, hurry: asyncio.Event | None) -> None:
        changed = self.supervisor.changed
        hurried = asyncio.ensure_future(hurry.wait()) if hurry is not None else None
        while self.sessions.by_id or self.supervisor.has_workers:
            left = until - monotonic()
            if left <= 0 or (hurry is not None and hurry.is_set()):
                break
            changed.clear()
            change = asyncio.ensure_future(changed.wait())
            waits = {change} if hurried is None else {change, hurried}
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
        if hurried is not None:
            hurried.cancel()

    def _kill_all(self) -> None:
        fleet = self.supervisor.fleet
        for worker_id in {*fleet.processes, *self.sessions.by_id}:
            _log.warning("worker %s did not end in time and is killed", worker_id)
            fleet.kill(worker_id)
        for session in list(self.sessions):
            session.peer.hang_up("it did not end in time")


def _failed(_peer: Peer | None, _number: int, c: Fail, reply: Reply) -> Reply:
    """One line in the log: the rest of it is kept with the run."""
    if type(reply) is Ok:
        try:
            error = msgspec.json.decode(c.error, type=RunError)
        except msgspec.MsgspecError:  # of a worker that is none of ours
            error = RunError("", c.error)
        step = "" if error.step is None else f" in step {error.step!r}"
        first, _, _ = error.message.partition("\n")
        again = "for good" if c.retry_in is None else f"again in {format_ms(c.retry_in)}"
        _log.warning(
            "run %s failed%s, %s: %s: %s (tako runs show %s)",
            *(c.run_id, step, again, error.type, first[:_LONGEST_ERROR], c.run_id),
        )
    return reply
