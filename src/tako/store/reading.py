"""Commands that only read."""

from typing import Any

import msgspec

from tako.commands import (
    Get,
    ListRuns,
    ListSteps,
    ListWaits,
    ListWorkflows,
    RunList,
    RunReply,
    StepList,
    WaitList,
    WorkflowList,
)
from tako.model import (
    BrokenModule,
    Event,
    Run,
    RunState,
    Schedule,
    StepRecord,
    Waiter,
    WorkflowInfo,
)
from tako.store import finding
from tako.store.database import json_list
from tako.store.refusal import no_run
from tako.store.transaction import Transaction


def get(tx: Transaction, c: Get) -> RunReply:
    row = tx.db.one("get_run", c.run_id)
    if row is None:
        raise no_run(c.run_id)
    return RunReply(run_of(row))


def list_runs(tx: Transaction, c: ListRuns) -> RunList:
    found = finding.find_runs(tx, c)
    statement = "brief_runs_by_seq" if c.brief else "runs_by_seq"
    runs = {row[-1]: run_of(row) for row in tx.db.all(statement, json_list(found.seqs))}
    return RunList([runs[seq] for seq in found.seqs], found.searched_upto)


def list_steps(tx: Transaction, c: ListSteps) -> StepList:
    if tx.db.one("run_exists", c.run_id) is None:
        raise no_run(c.run_id)
    rows = tx.db.all("list_steps", c.run_id, c.after, -1 if c.limit is None else c.limit)
    steps = [StepRecord(*row) for row in rows]
    return StepList(steps, [Waiter(*row) for row in tx.db.all("waiters_of_run", c.run_id)])


def list_waits(tx: Transaction, c: ListWaits) -> WaitList:
    if c.event is None:
        rows = tx.db.all("list_waiters", c.limit)
    else:
        rows = tx.db.all("list_waiters_of_event", c.event, c.limit)
    waiters = [Waiter(*row) for row in rows]
    return WaitList(waiters, [Event(*row) for row in tx.db.all("list_events", c.event, c.limit)])


def list_workflows(tx: Transaction, c: ListWorkflows) -> WorkflowList:
    workflows = [_workflow_of(row) for row in tx.db.all("list_workflows")]
    return WorkflowList(workflows, [BrokenModule(*row) for row in tx.db.all("list_broken")])


def _workflow_of(row: tuple[Any, ...]) -> WorkflowInfo:
    schedule = None if row[6] is None else Schedule(*row[6:])
    return WorkflowInfo(*row[:6], schedule)  # type: ignore[call-arg]


def run_of(row: tuple[Any, ...]) -> Run:
    """A row as `get_run` selects it."""
    tags = () if row[19] is None else tuple(msgspec.json.decode(row[19]))
    return Run(*row[:3], RunState(row[3]), *row[4:19], tags)  # type: ignore[call-arg]
