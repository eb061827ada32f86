"""What people look at, beside lists: counts, one run's story, figures, what is due."""

from collections.abc import Iterable
from math import ceil

from msgspec import structs

from tako.commands import (
    CountRuns,
    DueList,
    GetStep,
    GetStorage,
    GetStory,
    GetWorkflowStats,
    ListDue,
    RunCounts,
    StepReply,
    Storage,
    Story,
    WorkflowStats,
)
from tako.errors import StepNotFound
from tako.model import DueThing, Pass, RunState, StepLine, StepRecord, Waiter, WorkflowStat
from tako.store.arrivals import per_day
from tako.store.database import json_list
from tako.store.finding import or_not_ours
from tako.store.reading import run_of
from tako.store.refusal import Refusal, no_run
from tako.store.transaction import Transaction

_SAMPLE, _PARTS = 500, 20  # runs, and as many steps
_MOST_PASSES = 1_000


def count_runs(tx: Transaction, c: CountRuns) -> RunCounts:
    counts = dict.fromkeys((str(state) for state in RunState), 0)
    workflow = or_not_ours(c)
    counts |= dict(tx.db.all("count_runs_at_rest", workflow))
    counts["pending"] = tx.db.number("count_pending_runs", workflow)
    counts["running"] = tx.db.number("count_running_runs", workflow)
    return RunCounts(counts)


def story(tx: Transaction, c: GetStory) -> Story:
    seq = tx.db.number("seq_of_run", c.run_id)
    rows = tx.db.all("brief_runs_by_seq", json_list([seq]))
    if not rows:
        raise no_run(c.run_id)
    steps, last = tx.db.page("step_lines", c.run_id, c.after, c.limit)
    return Story(
        run_of(rows[0]),
        [StepLine(*row[1:]) for row in steps],
        [Waiter(*row) for row in tx.db.all("waiters_of_run", c.run_id)],
        [Pass(*row) for row in tx.db.all("passes_of_run", c.run_id, _MOST_PASSES)],
        None if last is None else last[0],
    )


def step(tx: Transaction, c: GetStep) -> StepReply:
    row = tx.db.one("step_of_run", c.run_id, c.name)
    if row is None and tx.db.one("run_exists", c.run_id) is None:
        raise no_run(c.run_id)
    if row is None:
        raise Refusal(StepNotFound, f"run {c.run_id} has no saved step {c.name!r}")
    return StepReply(StepRecord(*row))


def stats(tx: Transaction, c: GetWorkflowStats) -> WorkflowStats:
    names = c.among if c.workflow is None else (c.workflow,)
    if names is None:
        names = tuple(row[0] for row in tx.db.all("list_workflows"))
    stats = [_stat(tx, name, c.days) for name in names]
    if c.workflow is not None:
        took = tx.db.all("newest_waits", c.workflow, _SAMPLE)
        stats = [structs.replace(stat, waits=_percentiles(ms for (ms,) in took)) for stat in stats]
    return WorkflowStats(stats)


def _stat(tx: Transaction, name: str, days: int) -> WorkflowStat:
    newest = tx.db.all("newest_of_workflow", name, _SAMPLE)
    ended = [row for row in newest if row[3] is not None]
    return WorkflowStat(
        name=name,
        per_day=per_day(tx, name, days),
        waiting=tx.db.number("runs_at_rest", "waiting", name),
        sample=len(ended),
        failed=sum(1 for row in ended if row[0] == "failed"),
        failures=_failures([row[0] == "failed" for row in reversed(ended)]),
        duration=_percentiles(row[3] - row[2] for row in ended if row[2] is not None),
        delay=_percentiles(row[2] - row[1] for row in newest if row[2] is not None),
    )


def _failures(failed: list[bool]) -> tuple[int, ...]:
    size = ceil(len(failed) / _PARTS) or 1
    parts = (failed[at : at + size] for at in range(0, len(failed), size))
    return tuple(ceil(100 * sum(part) / len(part)) for part in parts)


def _percentiles(values: Iterable[int]) -> tuple[int, ...]:
    """p50, p90, p99 by the nearest rank."""
    ranked = sorted(values)
    return tuple(ranked[ceil(len(ranked) * p / 100) - 1] for p in (50, 90, 99) if ranked)


def due(tx: Transaction, c: ListDue) -> DueList:
    """Those of one moment are in the order of the statement: so a page is known by how many."""
    moment, shown = c.after or (-(2**63), 0)
    rows = tx.db.all("due_things", shown + c.limit + 1, moment)
    rows.sort(key=lambda row: row[0])
    page = [DueThing(*row) for row in rows[shown : shown + c.limit]]
    if len(rows) <= shown + c.limit:
        return DueList(page)
    last = page[-1].at
    same = sum(1 for thing in page if thing.at == last)
    return DueList(page, (last, same + (shown if last == moment else 0)))


def storage(tx: Transaction, _c: GetStorage) -> Storage:
    return Storage(
        *tx.db.sizes(),
        runs=sum(count_runs(tx, CountRuns(own=True)).counts.values()),
        events=tx.db.number("count_events"),
        approvals=tx.db.number("count_approvals"),
        audit=tx.db.number("audit_written"),
    )
