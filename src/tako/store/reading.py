"""Commands that only read."""

from typing import Any

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
from tako.errors import RunNotFound
from tako.model import BrokenModule, Event, Run, RunState, StepRecord, Waiter, WorkflowInfo
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction


def get(tx: Transaction, c: Get) -> RunReply:
    row = tx.db.one("get_run", c.run_id)
    if row is None:
        raise Refusal(RunNotFound, f"there is no run {c.run_id}")
    return RunReply(_run(row))


def list_runs(tx: Transaction, c: ListRuns) -> RunList:
    rows = tx.db.all("list_runs", c.state, c.workflow, c.before, c.limit, c.brief)
    return RunList([_run(row) for row in rows])


def list_steps(tx: Transaction, c: ListSteps) -> StepList:
    if tx.db.one("run_exists", c.run_id) is None:
        raise Refusal(RunNotFound, f"there is no run {c.run_id}")
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
    workflows = [WorkflowInfo(*row) for row in tx.db.all("list_workflows")]
    return WorkflowList(workflows, [BrokenModule(*row) for row in tx.db.all("list_broken")])


def _run(row: tuple[Any, ...]) -> Run:
    return Run(*row[:3], RunState(row[3]), *row[4:])  # type: ignore[call-arg]  # as selected
