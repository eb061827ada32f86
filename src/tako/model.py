"""The nouns of the engine, and the one table of how a run may move between its states.

Everything else refers to this file; it imports nothing of ours.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class RunState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Move(NamedTuple):
    """One legal change of a run's state; every SQL statement that moves a run names its move."""

    name: str
    sources: frozenset[RunState]
    target: RunState


def _move(name: str, sources: str, target: str) -> Move:
    return Move(name, frozenset(RunState(s) for s in sources.split()), RunState(target))


MOVES: dict[str, Move] = {
    move.name: move
    for move in (
        _move("claim", "pending", "running"),
        _move("park", "running", "waiting"),
        _move("wake", "waiting", "pending"),  # a signal or a deadline
        _move("retry", "running", "pending"),  # a failed attempt with retries left
        _move("reclaim", "running", "pending"),  # the worker died, let go or lost its lease
        _move("succeed", "running", "succeeded"),
        _move("bail", "running", "cancelled"),  # the handler itself ends the run
        _move("fail", "running", "failed"),
        _move("cancel", "pending waiting running", "cancelled"),  # from outside, or its timeout
        _move("rerun", "failed cancelled", "pending"),
    )
}

ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


class StepKind(StrEnum):
    RUN = "run"
    SLEEP = "sleep"
    WAIT = "wait_for"


class RunError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an attempt or a step failed, as people and programs read it.

    ``type`` is the exception's qualified name, ``traceback`` is text cut to the last 8 KiB.
    """

    type: str
    message: str
    traceback: str = ""
    step: str | None = None


class Run(msgspec.Struct, frozen=True):
    """One execution of a workflow. Times are milliseconds since the epoch; JSON is text."""

    id: str
    workflow: str
    group: str
    state: RunState
    attempt: int
    strikes: int
    retries: int | None  # None: what the workflow's code says
    priority: int
    created_at: int
    run_at: int | None  # pending: not before this time; None: as soon as a worker is free
    started_at: int | None
    finished_at: int | None
    expires_at: int | None  # the workflow's timeout as a moment
    unique_key: str | None
    payload: str
    result: str | None
    error: str | None  # RunError as JSON: of a failed run, or of the last failed attempt
    reason: str | None  # why it was cancelled
    worker_id: str | None


class StepRecord(msgspec.Struct, frozen=True, array_like=True):
    """The saved outcome of one step: the first write wins.

    ``outcome`` is "ok" (``value`` is the result), "failed" (``value`` is a RunError; remembered
    for ``attempt`` only) or "timeout" (a wait whose deadline passed; no value).
    """

    name: str
    kind: str
    outcome: str
    value: str | None
    attempt: int
    started_at: int
    finished_at: int


class Waiter(msgspec.Struct, frozen=True, array_like=True):
    """A run parked, or about to be, on an event, a deadline, or both."""

    run_id: str
    name: str
    kind: str
    event: str | None
    deadline: int | None
    created_at: int


class Event(msgspec.Struct, frozen=True):
    """A signal as stored: buffered until a waiter takes it, kept for ``signal_ttl``."""

    id: str
    event: str
    key: str | None
    payload: str
    state: str  # buffered | delivered | spreading | refused
    delivered: int
    created_at: int
    expires_at: int


class WorkflowInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker says of one workflow when it registers."""

    name: str
    group: str = "default"
    source: str = ""  # file:line
    concurrency: int | None = None  # runs of it at one time, over all workers
    timeout: int | None = None  # ms from enqueue to end
    schema: str | None = None  # JSON Schema of the payload


class BrokenModule(msgspec.Struct, frozen=True):
    """A workflow file that could not be loaded, with what to read and where."""

    module: str
    error: str
