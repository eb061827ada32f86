"""One run in full, as `tako runs show` prints it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tako.cli.output import print_table, say, short
from tako.cli.reading import open_reader
from tako.cli.wording import sentence
from tako.clock import now_ms
from tako.commands import (
    ApprovalList,
    Get,
    ListApprovals,
    ListSteps,
    ListWorkflows,
    RunList,
    RunReply,
    StepList,
    WorkflowList,
)
from tako.cron import moment_of_run
from tako.durations import ago, clock, format_ms
from tako.model import Approval, Run, RunError, RunState, StepKind, StepRecord, Waiter
from tako.why import Scene, running_of, server_answers, tried, why


class Details(NamedTuple):
    run: Run
    steps: list[StepRecord]
    waiters: list[Waiter]
    why: str
    now: int


def run_details(run_id: str) -> Details:
    """All there is to know of a run. Raises RunNotFound, and what opening the store raises."""
    reader = open_reader()
    run = reader.ask(Get(run_id), RunReply).run
    saved = reader.ask(ListSteps(run_id), StepList)
    known = reader.ask(ListWorkflows(), WorkflowList)
    running = 0
    if run.state is RunState.PENDING:
        running = len(reader.ask(running_of(run.workflow), RunList).runs)
    asked: list[Approval] = []
    if any(waiter.kind == StepKind.APPROVAL for waiter in saved.waiters):
        asked = reader.ask(ListApprovals(run_id=run_id), ApprovalList).approvals
    now, answers = now_ms(), server_answers(reader.app.socket)
    scene = Scene(run, saved.waiters, asked, known, running, answers, now, sentence)
    return Details(run, saved.steps, saved.waiters, why(scene), now)


def error_of(text: str) -> RunError:
    return msgspec.json.decode(text, type=RunError)


def print_run(details: Details) -> None:
    """Print it for people."""
    run = details.run
    say(f"{run.workflow}  {run.id}")
    for name, value in _facts(run, details.now):
        say(f"  {name:<10} {value}")
    if details.why:
        say("\n" + details.why)
    say()
    columns = ("STEP", "KIND", "OUTCOME", "TOOK", "ENDED", "ATTEMPT", "VALUE")
    rows = [_step(step, details.now) for step in details.steps]
    print_table(columns, rows, empty="No step is saved.")
    if run.error:
        error = error_of(run.error)
        where = f" in step {error.step!r}" if error.step else ""
        last = "" if run.state is RunState.FAILED else ", the last failed attempt"
        say(f"\nError{where}{last}: {error.type}: {error.message}")
        if error.traceback:
            say(error.traceback.rstrip())


def _facts(run: Run, now: int) -> Iterator[tuple[str, str]]:
    yield "state", run.state + (f": {run.reason}" if run.reason else "")
    yield "attempt", tried(run)
    for name in ("created_at", "started_at", "finished_at"):
        moment = getattr(run, name)
        if moment is not None:
            yield name.removesuffix("_at"), f"{clock(moment)} ({ago(moment, now)})"
    moment = moment_of_run(run.id, run.workflow)
    if moment is not None:
        yield "schedule", f"it is the run for {clock(moment)}"
    if run.finished_at is None and run.expires_at is not None:
        yield "times out", f"{clock(run.expires_at)} ({ago(run.expires_at, now)})"
    if run.group != "default":
        yield "group", run.group
    if run.priority:
        yield "priority", str(run.priority)
    if run.unique_key is not None:
        yield "unique key", run.unique_key
    yield "payload", short(run.payload, 400)
    if run.result is not None:
        yield "result", short(run.result, 400)


def _step(step: StepRecord, now: int) -> tuple[str, ...]:
    took = format_ms(max(0, step.finished_at - step.started_at))
    value = step.value or ""
    if step.outcome == "failed":
        error = error_of(value)
        value = f"{error.type}: {error.message}"
    ended = ago(step.finished_at, now)
    return step.name, step.kind, step.outcome, took, ended, str(step.attempt), short(value)
