"""The store on one SQLite file: a batch of commands is one transaction."""

import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import apsw

from tako.commands import (
    READS,
    Ask,
    Bail,
    Cancel,
    Claim,
    Command,
    CountApprovals,
    CountRuns,
    Decide,
    Delegate,
    Effects,
    Enqueue,
    Error,
    Fail,
    Get,
    GetApproval,
    GetQueues,
    GetStep,
    GetStorage,
    GetStory,
    GetWorkflowStats,
    Grant,
    Heartbeat,
    Identify,
    KeepReply,
    ListApprovals,
    ListCredentials,
    ListDue,
    ListEventGroups,
    ListLogs,
    ListMailbox,
    ListRuns,
    ListSteps,
    ListWaitersOf,
    ListWaits,
    ListWorkflows,
    Load,
    Log,
    Lost,
    MintLink,
    OpenLink,
    Outcome,
    Park,
    PruneAudit,
    ReadAudit,
    Register,
    Release,
    Remind,
    Rerun,
    RevokeCredential,
    RevokeLinks,
    RotateLinkKey,
    SaveStep,
    ShiftLeases,
    Show,
    Signal,
    Spread,
    Succeed,
    Tick,
    Told,
    Unwait,
    UseKey,
    Wait,
)
from tako.errors import Refused
from tako.people import Directory
from tako.store import (
    access,
    approving,
    auditing,
    claiming,
    due,
    entering,
    inbox,
    linking,
    logs,
    looking,
    reading,
    requesting,
    standing,
    waiting,
    working,
)
from tako.store.database import Database, is_of_storage
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
    CountRuns: looking.count_runs,
    GetStory: looking.story,
    GetStep: looking.step,
    GetWorkflowStats: looking.stats,
    ListDue: looking.due,
    GetStorage: looking.storage,
    GetQueues: standing.queues,
    ListEventGroups: standing.event_groups,
    ListWaitersOf: standing.waiters_of,
    ListMailbox: standing.mailbox,
    ListLogs: logs.list_logs,
    Log: logs.log,
    Ask: approving.ask,
    Decide: approving.decide,
    Delegate: approving.delegate,
    Show: approving.show,
    Remind: approving.remind,
    Told: approving.told,
    GetApproval: inbox.get,
    ListApprovals: inbox.list_approvals,
    CountApprovals: inbox.count,
    MintLink: linking.mint,
    OpenLink: linking.open_link,
    RevokeLinks: linking.revoke,
    RotateLinkKey: linking.rotate,
    ReadAudit: auditing.read,
    PruneAudit: auditing.prune,
    Grant: access.grant,
    Identify: access.identify,
    RevokeCredential: access.revoke,
    ListCredentials: access.list_credentials,
    UseKey: requesting.use_key,
    KeepReply: requesting.keep_reply,
}
_IN_ONE_GO: dict[type, Callable[[Transaction, list[Any]], list[Any]]] = {
    SaveStep: working.save_steps,
    Succeed: working.succeed_all,
}
_Apply = Callable[[Sequence[Command], int], Outcome]

_log = logging.getLogger("tako.store")


class SqliteStore:
    """See `tako.store.Store`. SQLite runs inline: nothing could go on without its commit anyway."""

    def __init__(
        self, path: Path, *, readonly: bool = False, people: Callable[[], Directory] = Directory
    ) -> None:
        self._db = Database(path, readonly=readonly)
        self._shared = Shared(self._db, people)

    async def execute(self, commands: Sequence[Command], now: int) -> Outcome:
        reading = all(type(c) in READS for c in commands)
        carry_out = self._without_transaction if reading else self._in_transaction
        with self._db.guarded():
            try:
                return carry_out(self._apply, commands, now)
            except Exception as error:
                if is_of_storage(error):
                    raise
            return carry_out(self._one_by_one, commands, now)

    def _without_transaction(self, apply: _Apply, commands: Sequence[Command], now: int) -> Outcome:
        with self._db.reading():
            return apply(commands, now)

    def _in_transaction(self, apply: _Apply, commands: Sequence[Command], now: int) -> Outcome:
        before = self._shared.snapshot()
        self._db.begin()
        try:
            outcome = apply(commands, now)
            self._db.commit()
        except BaseException:
            self._db.rollback()
            self._shared.restore(before)
            raise
        return outcome

    def _apply(self, commands: Sequence[Command], now: int) -> Outcome:
        tx = Transaction(self._db, now, self._shared)
        replies: list[Any] = []
        for kind, group in groupby(commands, type):
            if kind in _IN_ONE_GO:
                replies += _IN_ONE_GO[kind](tx, list(group))
            else:
                handler = _HANDLERS[kind]
                for command in group:
                    try:
                        replies.append(handler(tx, command))
                    except Refusal as refusal:
                        replies.append(refusal.reply)
        return Outcome(replies, tx.effects)

    def _one_by_one(self, commands: Sequence[Command], now: int) -> Outcome:
        """One command of a batch cannot be carried out: it alone is to fail."""
        replies: list[Any] = []
        total = Effects()
        for command in commands:
            before = self._shared.snapshot()
            try:
                with self._db.savepoint():
                    outcome = self._apply([command], now)
            except Exception as error:
                if is_of_storage(error):
                    raise
                self._shared.restore(before)
                replies.append(_impossible(command, error))
            else:
                replies += outcome.replies
                _add(total, outcome.effects)
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


def _impossible(command: Command, error: Exception) -> Error:
    """A rule of the schema was broken, or a value does not fit; or it is a mistake of ours."""
    name = type(command).__name__
    if not isinstance(error, apsw.ConstraintError):
        _log.error("%s cannot be carried out", name, exc_info=error)
    return Error(Refused.code, f"{name} cannot be carried out: {error!r}; nothing was changed")


def _add(total: Effects, more: Effects) -> None:
    total.pushes += more.pushes
    total.ended += more.ended
    total.ready |= more.ready
    total.spreading += more.spreading
    total.timed |= more.timed
    total.runs += more.runs
    total.approvals |= more.approvals
