"""The store on one SQLite file: a batch of commands is one transaction."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import apsw

from tako.commands import (
    Bail,
    Cancel,
    Claim,
    Command,
    Enqueue,
    Error,
    Fail,
    Get,
    Heartbeat,
    ListRuns,
    ListSteps,
    ListWaits,
    ListWorkflows,
    Load,
    Lost,
    Outcome,
    Park,
    Register,
    Release,
    Rerun,
    SaveStep,
    ShiftLeases,
    Signal,
    Spread,
    Succeed,
    Tick,
    Unwait,
    Wait,
)
from tako.store import claiming, due, entering, reading, waiting, working
from tako.store.database import Database
from tako.store.refusal import Refusal
from tako.store.transaction import Shared, Transaction

_HANDLERS: dict[type, Callable[[Transaction, Any], Any]] = {
    Enqueue: entering.enqueue,
    Cancel: entering.cancel,
    Rerun: entering.rerun,
    Signal: waiting.signal,
    Spread: waiting.spread,
    Wait: waiting.wait,
    Unwait: waiting.unwait,
    Park: waiting.park,
    Claim: claiming.claim,
    Register: claiming.register,
    Load: working.load,
    Succeed: working.succeed,
    Bail: working.bail,
    Fail: working.fail,
    Release: working.release,
    Heartbeat: working.heartbeat,
    Tick: due.tick,
    Lost: due.lost,
    ShiftLeases: due.shift_leases,
    Get: reading.get,
    ListRuns: reading.list_runs,
    ListSteps: reading.list_steps,
    ListWaits: reading.list_waits,
    ListWorkflows: reading.list_workflows,
}
_READS = frozenset({Get, ListRuns, ListSteps, ListWaits, ListWorkflows, Load})


class SqliteStore:
    """See `tako.store.Store`. SQLite runs inline: nothing could go on without its commit anyway."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._db = Database(path, readonly=readonly)
        self._shared = Shared(self._db)

    async def execute(self, commands: Sequence[Command], now: int) -> Outcome:
        with self._db.guarded():
            if all(type(c) in _READS for c in commands):
                return self._apply(commands, now)
            try:
                return self._in_transaction(commands, now)
            except apsw.ConstraintError:
                if len(commands) == 1:
                    raise
        return await self._each_by_itself(commands, now)

    def _in_transaction(self, commands: Sequence[Command], now: int) -> Outcome:
        self._db.begin()
        try:
            outcome = self._apply(commands, now)
            self._db.commit()
        except BaseException:
            self._db.rollback()
            raise
        return outcome

    def _apply(self, commands: Sequence[Command], now: int) -> Outcome:
        tx = Transaction(self._db, now, self._shared)
        replies: list[Any] = []
        for kind, group in groupby(commands, type):
            if kind is SaveStep:
                replies += working.save_steps(tx, list(group))  # type: ignore[arg-type]
            else:
                handler = _HANDLERS[kind]
                for command in group:
                    try:
                        replies.append(handler(tx, command))
                    except Refusal as refusal:
                        replies.append(refusal.reply)
        return Outcome(replies, tx.effects)

    async def _each_by_itself(self, commands: Sequence[Command], now: int) -> Outcome:
        """One command of a batch broke a rule of the schema: it alone is to fail."""
        replies: list[Any] = []
        total = Transaction(self._db, now, self._shared).effects
        for command in commands:
            try:
                with self._db.guarded():
                    outcome = self._in_transaction([command], now)
            except apsw.ConstraintError as error:
                replies.append(Error("refused", f"{type(command).__name__}: {error}"))
                continue
            replies += outcome.replies
            total.pushes += outcome.effects.pushes
            total.ended += outcome.effects.ended
            total.ready |= outcome.effects.ready
            total.spreading += outcome.effects.spreading
            total.timed |= outcome.effects.timed
        return Outcome(replies, total)

    def next_due(self) -> int | None:
        with self._db.guarded():
            row = self._db.one("next_due")
        return None if row is None else row[0]

    def ready(self, group: str) -> list[str]:
        with self._db.guarded():
            return [name for (name,) in self._db.all("ready_workflows", group)]

    def isolated(self, group: str) -> list[str]:
        with self._db.guarded():
            return [workflow for _, workflow in self._db.all("isolated_runs", group)]

    def running_workers(self) -> list[str]:
        with self._db.guarded():
            return [worker_id for (worker_id,) in self._db.all("running_workers")]

    def spreading(self) -> list[str]:
        with self._db.guarded():
            return [event_id for (event_id,) in self._db.all("spreading_events")]

    def close(self) -> None:
        self._db.close()
