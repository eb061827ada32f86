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
    APPROVAL = "approval"


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
    tags: tuple[str, ...] = ()


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


class StepLine(msgspec.Struct, frozen=True, array_like=True):
    """A saved step with no more than how its value begins, whose JSON has ``size`` characters.

    ``begins``: at most 100 characters; of a step that failed, of the type and message of its error.
    """

    name: str
    kind: str
    outcome: str
    attempt: int
    started_at: int
    finished_at: int
    size: int
    begins: str = ""


class Pass(msgspec.Struct, frozen=True, array_like=True):
    """A claim of a run after its first: from here on it was executed by ``worker_id``."""

    at: int
    worker_id: str
    attempt: int


class DueThing(msgspec.Struct, frozen=True, array_like=True):
    """``kind``: run, sleep, wait_for, approval, timeout, reminder, escalation, schedule.

    ``name`` is that of the step, or of the workflow. A schedule has no run yet: ``run_id`` is "".
    """

    at: int
    kind: str
    run_id: str
    name: str


class EventGroup(msgspec.Struct, frozen=True, array_like=True):
    """All that waits for one event: how many, and the first of them."""

    event: str
    waiters: int
    run_id: str
    name: str
    created_at: int
    deadline: int | None


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """What a handler wrote with ``step.log``. ``seq`` grows within its run: µs since 1970."""

    seq: int
    at: int
    level: str
    message: str
    attempt: int


class WorkerInfo(msgspec.Struct, frozen=True, array_like=True):
    """A connected worker: ``running`` of its ``places`` are taken."""

    id: str
    pid: int
    group: str
    places: int
    running: int
    solo: bool


class GroupQueue(msgspec.Struct, frozen=True, array_like=True):
    """How many runs of a group could be claimed now, and when the oldest of them came in."""

    group: str
    ready: int
    oldest_at: int


class WorkflowStat(msgspec.Struct, frozen=True):
    """Figures of a workflow. Percentiles are (p50, p90, p99) in ms, empty without data.

    ``sample`` are those of the newest runs that have ended, ``failed`` those of them that failed,
    ``failures`` how many of a hundred in each of at most 20 equal parts of them, oldest first.
    ``duration``: from the first start to the end. ``delay``: from enqueue to the first start.
    ``waits``: of its newest 500 steps, what those took that waited for an event or for people; None
    where all workflows are asked for.
    """

    name: str
    per_day: tuple[int, ...]
    waiting: int
    sample: int
    failed: int
    duration: tuple[int, ...]
    delay: tuple[int, ...]
    failures: tuple[int, ...] = ()
    waits: tuple[int, ...] | None = None


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
    reason: str | None = None  # refused: what the waiter's type did not take


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cron rule that enqueues, in the time zone ``zone``.

    ``payload`` (JSON) None: each run is given its moment. ``next_at`` and ``last_at`` are what the
    store knows: the next moment, and the last one that a run was enqueued for.
    """

    rule: str
    zone: str = "UTC"
    payload: str | None = None
    next_at: int | None = None
    last_at: int | None = None


class WorkflowInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker says of one workflow when it registers."""

    name: str
    group: str = "default"
    source: str = ""  # file:line
    concurrency: int | None = None  # runs of it at one time, over all workers
    timeout: int | None = None  # ms from enqueue to end
    schema: str | None = None  # JSON Schema of the payload
    schedule: Schedule | None = None


class BrokenModule(msgspec.Struct, frozen=True):
    """A workflow file that could not be loaded, with what to read and where."""

    module: str
    error: str


# --- approvals: a wait with a face


class ApprovalState(StrEnum):
    """``open -> decided | expired | withdrawn``; withdrawn: its run ended or gave it up."""

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Role(StrEnum):
    """What a person may do; each may do what those before it may."""

    VIEWER = "viewer"  # see everything
    APPROVER = "approver"  # answer what is asked of them, or of anyone
    OPERATOR = "operator"  # cancel, rerun, signal, enqueue, remind, revoke


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """``kind``: "after" (ms from asking), "before" (ms before the deadline), "at" (since 1970)."""

    kind: str
    ms: int


class Channel(msgspec.Struct, frozen=True, array_like=True):
    """A way to tell people.

    ``kind``: "name" (of a table ``[notify.<name>]``), "url" (of Apprise) or "function"
    ("module:qualname"). ``personal``: each person is told, with a link of their own; else one
    message goes to all who read the channel.
    """

    kind: str
    target: str
    personal: bool


class Escalation(msgspec.Struct, frozen=True, array_like=True):
    """At ``when`` these are asked too."""

    when: Moment
    to: tuple[str, ...]


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a handler asks, and of whom. Names of people and "group:<name>" are as it gave them.

    ``body`` is Markdown, ``schema`` the JSON Schema of the form. ``to`` empty: of every approver.
    """

    title: str
    body: str = ""
    options: tuple[str, ...] = ("approve", "reject")
    schema: str | None = None
    to: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    requester: str | None = None
    quorum: int = 1
    veto: bool = False
    on_timeout: str = "reject"  # | approve | raise | none
    remind: tuple[Moment, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    notify: tuple[Channel, ...] = ()


class Actor(msgspec.Struct, frozen=True, array_like=True):
    """Who does something, how that is known, and through which door. Never taken from a body.

    ``groups`` are those that an identity provider named, beside the ones of the people file.
    ``auth``: local | password | oidc | proxy | mounted | token | link | process. ``channel``: page
    | link | api | cli | python | server. ``address`` is that of the network, if there is one.
    """

    person: str
    auth: str
    channel: str
    groups: tuple[str, ...] = ()
    address: str = ""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What one person answered. ``value`` is the form as JSON."""

    person: str
    answer: str
    at: int
    channel: str
    value: str | None = None
    comment: str | None = None


class Approval(msgspec.Struct, frozen=True):
    """One occurrence of a question to people. ``digest`` is that of the content they are shown.

    ``asked`` are all that may answer now, by canonical name: those of ``question.to``, of
    escalations and of delegations. ``answers`` are those given to the present content.
    ``delegated``: (from, to). The last four are set when it is no longer open.
    """

    id: str
    run_id: str
    workflow: str
    name: str
    state: ApprovalState
    question: Question
    digest: str
    asked_at: int
    deadline: int | None
    asked: tuple[str, ...]
    answers: tuple[Answer, ...] = ()
    delegated: tuple[tuple[str, str], ...] = ()
    outcome: str | None = None
    decided_by: str | None = None
    decided_at: int | None = None
    channel: str | None = None


class LinkInfo(msgspec.Struct, frozen=True):
    """A link of one person to one approval; ``answers`` are those it may give.

    ``url`` is complete if the app has a ``[web]``, else None. The token is a secret: who has it is
    that person, once.
    """

    id: str
    approval_id: str
    person: str
    answers: tuple[str, ...]
    digest: str
    created_at: int
    expires_at: int
    token: str
    url: str | None = None


class AuditRow(msgspec.Struct, frozen=True):
    """One line of the record; ``hash`` covers the line and the hash of the one before.

    ``kind``: asked | changed | shown | reminded | escalated | delegated | refused | answered |
    decided | expired | withdrawn | reused | linked | revoked | told | not_told | pruned.
    ``detail`` is JSON.
    """

    seq: int
    at: int
    kind: str
    approval_id: str | None
    run_id: str | None
    person: str | None
    auth: str | None
    channel: str | None
    address: str | None
    digest: str | None
    detail: str | None
    hash: str


class Credential(msgspec.Struct, frozen=True):
    """A session of a browser, or a token of the API; the secret itself is nowhere stored.

    ``scopes`` of a token: viewer, approver, operator, never more than its person may.
    """

    id: str
    kind: str  # session | token
    person: str
    auth: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    name: str
    created_at: int
    expires_at: int
