"""The commands of runs, steps, waits and signals, and their replies."""

import msgspec

from tako.commands.message import Message
from tako.model import BrokenModule, Event, LogLine, Run, StepRecord, Waiter, WorkflowInfo

# --- from anywhere -----------------------------------------------------------------------------


class Enqueue(Message, frozen=True):
    """Create a run. Sent twice with one ``run_id`` it is created once.

    ``group`` None: the workflow must be known to the store, which supplies group and timeout.
    Reply: `Enqueued`. Refused: unknown_workflow, payload_refused.
    """

    run_id: str
    workflow: str
    payload: str
    group: str | None = None
    run_at: int | None = None
    delay: int | None = None  # from the server's now; run_at wins
    retries: int | None = None  # None: what the workflow's code says
    unique_key: str | None = None
    priority: int = 0
    timeout: int | None = None
    tags: tuple[str, ...] = ()


class Signal(Message, frozen=True):
    """Deliver ``payload`` to all who wait for ``event`` now, or keep it for the next who does.

    Reply: `Signalled`. Refused: payload_refused (a waiter's type does not take it).
    """

    event_id: str
    event: str
    payload: str
    key: str | None = None
    ttl: int = 7 * 86_400_000


class Cancel(Message, frozen=True):
    """End an unfinished run as ``cancelled``.

    ``cancel_id``: sent again with the same one within a day, it is done once, and answered alike.
    Reply: `Changed`. Refused: run_not_found, key_reused.
    """

    run_id: str
    reason: str
    cancel_id: str | None = None


class Rerun(Message, frozen=True):
    """Run a failed or cancelled run again, keeping its saved steps, or those before ``from_step``.

    ``rerun_id``: sent again with the same one within a day, it is done once. Reply: `Changed`.
    Refused: run_not_found, step_not_found, wrong_state, key_reused, conflict (its unique key is
    held by another unfinished run).
    """

    run_id: str
    from_step: str | None = None
    rerun_id: str | None = None


class Get(Message, frozen=True):
    """Reply: `RunReply`. Refused: run_not_found."""

    run_id: str


class Await(Message, frozen=True):
    """Like `Get`, answered when the run has ended."""

    run_id: str


class ListRuns(Message, frozen=True):
    """Newest first; ``before`` is what `RunList.next_before` gave. Reply: `RunList`.

    ``brief``: without what may be large: payload ("null"), result, and tracebacks of errors.
    ``text``: how an id begins (these come first, by id), or what an error (its type and message) or
    a reason has in it, in its first 1,000 characters.
    ``since`` and ``until`` (ms) are about when runs came in. ``own`` False: without runs of
    built-in workflows, unless ``workflow`` names one.
    """

    state: str | None = None
    workflow: str | None = None
    limit: int = 50
    before: str | None = None
    brief: bool = False
    tag: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    own: bool = True


class ListSteps(Message, frozen=True):
    """Steps of a run in the order they finished, and its open waiters. Reply: `StepList`.

    ``limit`` None: all. ``after`` is the name that the last page ended with.
    """

    run_id: str
    limit: int | None = None
    after: str | None = None


class ListWaits(Message, frozen=True):
    """Open waiters, nearest deadline first, and events nobody has taken. Reply: `WaitList`."""

    event: str | None = None
    limit: int = 50


class ListWorkflows(Message, frozen=True):
    """Reply: `WorkflowList`."""


# --- from a worker -----------------------------------------------------------------------------


class Register(Message, frozen=True):
    """The first message of a worker's connection; again after each reconnect.

    ``leases`` are those it still executes: its other running runs are given back. Reply:
    `Registered`, whose ``lost`` are the leases that it no longer holds. ``again``: it had a reply
    before, so that its code is no news; what was told since then holds.
    """

    worker_id: str
    pid: int
    group: str
    concurrency: int
    solo: bool = False
    workflows: list[WorkflowInfo] = []
    broken: list[BrokenModule] = []
    leases: list[str] = []
    again: bool = False


class Claim(Message, frozen=True):
    """Up to ``limit`` ready runs. The server fills in the rest, and answers when there is one.

    A ``solo`` worker claims only isolated runs, the others never do. Reply: `Claimed`.
    """

    limit: int
    worker_id: str = ""
    group: str = ""
    workflows: tuple[str, ...] = ()
    solo: bool = False
    lease: int = 30_000


class Load(Message, frozen=True):
    """More saved steps of a claimed run, after the step named ``after``. Reply: `Loaded`."""

    run_id: str
    lease_id: str
    after: str


class SaveStep(Message, frozen=True):
    """Save a step's outcome; the first write wins, and a newer attempt replaces a failure.

    Reply: `Ok`, or `Exists` with what had been saved before.
    """

    run_id: str
    lease_id: str
    name: str
    kind: str
    outcome: str
    value: str | None
    attempt: int
    started_at: int


class Wait(Message, frozen=True):
    """Register a waiter, or find the one registered in an earlier pass with its deadline.

    ``timeout`` counts from now, ``until`` is a moment; both None: for ever. Reply: `Waiting`, or
    `Exists` with the outcome if it is there already (saved before, an event that was kept, a
    deadline that has passed).
    """

    run_id: str
    lease_id: str
    name: str
    kind: str
    event: str | None
    timeout: int | None
    until: int | None
    schema: str | None
    attempt: int


class Unwait(Message, frozen=True):
    """The handler gave this wait up. Reply: `Ok`, or `Exists` if its outcome came first."""

    run_id: str
    lease_id: str
    name: str


class Park(Message, frozen=True):
    """Let the run wait without a worker, if every one of ``names`` is still open.

    Reply: `Parked`, or `NotParked`: what has arrived has been pushed as `Deliver` before.
    """

    run_id: str
    lease_id: str
    names: list[str]


class Succeed(Message, frozen=True):
    """Reply: `Ok`."""

    run_id: str
    lease_id: str
    result: str


class Bail(Message, frozen=True):
    """Reply: `Ok`."""

    run_id: str
    lease_id: str
    reason: str


class Fail(Message, frozen=True):
    """The attempt failed: again in ``retry_in`` ms, or, if None, for good. Reply: `Ok`."""

    run_id: str
    lease_id: str
    error: str
    retry_in: int | None = None


class Release(Message, frozen=True):
    """Give a claimed run back, to be claimed again at once: a worker that drains. Reply: `Ok`."""

    run_id: str
    lease_id: str


class Log(Message, frozen=True):
    """Keep what a handler has logged, as much of it as is kept of a run. Reply: `Ok`."""

    run_id: str
    lease_id: str
    lines: list[LogLine]


class Heartbeat(Message, frozen=True):
    """Renew all leases of a worker. Reply: `Ok`."""

    worker_id: str
    lease: int = 30_000


# --- from the server itself --------------------------------------------------------------------


class Tick(Message, frozen=True):
    """Do what is due: delayed runs, deadlines, timeouts, leases, expired events. Reply: `Ok`.

    At most ``limit`` of each kind; `Store.next_due` tells whether more is due.
    """

    limit: int = 500


class Spread(Message, frozen=True):
    """Go on delivering an event that has very many waiters. Reply: `Signalled`."""

    event_id: str


class Lost(Message, frozen=True):
    """A worker is gone. A run that was alone in it gets a strike; the others are isolated.

    ``steps`` says which step of which run was being executed. ``blame`` False: the server itself
    ended the worker, and its runs just go on elsewhere. Reply: `Ok`.
    """

    worker_id: str
    cause: str
    steps: dict[str, str] = {}
    blame: bool = True


class ShiftLeases(Message, frozen=True):
    """The wall clock stepped by ``delta`` ms: leases move with it. Reply: `Ok`."""

    delta: int


# --- replies -----------------------------------------------------------------------------------


class Ok(Message, frozen=True):
    pass


class Error(Message, frozen=True):
    """``code`` names a class in `errors`; the message is for people, ``detail`` a JSON object."""

    code: str
    message: str
    detail: str | None = None


class Enqueued(Message, frozen=True):
    """``created`` False: a run with this id, or with this unique key, was there already."""

    run_id: str
    created: bool
    warning: str | None = None


class Signalled(Message, frozen=True):
    """``outcome``: delivered, buffered or duplicate; ``spreading``: more are being delivered."""

    outcome: str
    delivered: int
    spreading: bool = False


class Changed(Message, frozen=True):
    """``changed`` False: the run had ended before, with ``state``."""

    changed: bool
    state: str


class RunReply(Message, frozen=True):
    run: Run


class RunList(Message, frozen=True):
    """``searched_upto``: of a search by text that has found less than it may: only the errors down
    to this run were looked through, and there are older ones."""

    runs: list[Run]
    searched_upto: str | None = None

    def next_before(self, limit: int) -> str | None:
        """The ``before`` that goes on after these, if ``limit`` were asked for; None: no more."""
        return self.runs[-1].id if len(self.runs) >= limit else self.searched_upto


class StepList(Message, frozen=True):
    steps: list[StepRecord]
    waiters: list[Waiter]


class WaitList(Message, frozen=True):
    waiters: list[Waiter]
    events: list[Event]


class WorkflowList(Message, frozen=True):
    workflows: list[WorkflowInfo]
    broken: list[BrokenModule]


class Registered(Message, frozen=True):
    """``lease`` and ``cancel_grace`` in ms, ``max_value`` in bytes."""

    lost: list[str]
    lease: int = 30_000
    cancel_grace: int = 10_000
    max_value: int = 1_048_576


class ClaimedRun(msgspec.Struct, frozen=True, array_like=True):
    """A run as its worker needs it; ``more``: not all saved steps are in ``steps``, `Load` them."""

    id: str
    lease_id: str
    workflow: str
    payload: str
    attempt: int
    strikes: int
    retries: int | None
    created_at: int
    steps: list[StepRecord]
    waiters: list[Waiter]
    more: bool = False


class Claimed(Message, frozen=True):
    runs: list[ClaimedRun]


class Loaded(Message, frozen=True):
    steps: list[StepRecord]
    more: bool


class Exists(Message, frozen=True):
    record: StepRecord


class Waiting(Message, frozen=True):
    deadline: int | None


class Parked(Message, frozen=True):
    pass


class NotParked(Message, frozen=True):
    pass


# --- pushes, from the server to a worker (request id 0) ------------------------------------------


class Deliver(Message, frozen=True):
    """A wait of a run that this worker executes has its outcome."""

    run_id: str
    lease_id: str
    record: StepRecord


class Stop(Message, frozen=True):
    """The lease is gone: cancelled, timed out, or reclaimed. The handler must end."""

    run_id: str
    lease_id: str
    reason: str


class Drain(Message, frozen=True):
    """Claim nothing more, finish or give back what runs, and exit."""
