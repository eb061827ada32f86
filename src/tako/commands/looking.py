"""What people look at: counts, one run's story, figures, what is due. All only read."""

from tako.commands.message import Message
from tako.model import (
    DueThing,
    Event,
    EventGroup,
    GroupQueue,
    LogLine,
    Pass,
    Run,
    StepLine,
    StepRecord,
    Waiter,
    WorkerInfo,
    WorkflowStat,
)


class CountRuns(Message, frozen=True):
    """How many runs there are in each state, of one workflow or of all. Reply: `RunCounts`.

    ``own``: with runs of our own workflows.
    """

    workflow: str | None = None
    own: bool = False


class GetStory(Message, frozen=True):
    """A run and what happened in it; of values, how they begin. Reply: `Story`.

    Refused: run_not_found.
    ``after``: the reply's ``next`` of the page before; ``limit`` counts steps.
    """

    run_id: str
    after: int = 0
    limit: int = 3_000


class GetStep(Message, frozen=True):
    """One saved step with its value. Reply: `StepReply`. Refused: run_not_found, step_not_found."""

    run_id: str
    name: str


class GetWorkflowStats(Message, frozen=True):
    """Figures of one workflow, of some, or of all that are known. Reply: `WorkflowStats`.

    ``per_day`` are the runs that came in on each of the last ``days``, of 24 h; the last one ends
    with this hour.
    """

    workflow: str | None = None
    days: int = 14
    among: tuple[str, ...] | None = None


class ListDue(Message, frozen=True):
    """What will happen by itself, soonest first. Reply: `DueList`.

    ``after``: the ``next`` of the page before.
    """

    limit: int = 50
    after: tuple[int, int] | None = None


class ListEventGroups(Message, frozen=True):
    """Events that runs wait for, by name, beginning with ``prefix``. Reply: `EventGroups`.

    ``after``: the event that the page before ended with.
    """

    prefix: str = ""
    after: str | None = None
    limit: int = 50


class ListWaitersOf(Message, frozen=True):
    """Who waits for one event, in the order in which they came. Reply: `WaiterPage`."""

    event: str
    after: int = 0
    limit: int = 50


class ListMailbox(Message, frozen=True):
    """Signals that nobody has taken, by event, oldest first. Reply: `Mailbox`.

    ``prefix``: how their event begins; ``after``: the ``next`` of the page before.
    """

    prefix: str = ""
    after: tuple[str, int] | None = None
    limit: int = 50


class ListLogs(Message, frozen=True):
    """What a run has logged, oldest first. Reply: `LogPage`. Refused: run_not_found.

    ``after``: the ``seq`` that the page before ended with.
    """

    run_id: str
    after: int = 0
    limit: int = 1_000


class GetQueues(Message, frozen=True):
    """What could be claimed now, by group. Reply: `Queues`."""


class GetSystem(Message, frozen=True):
    """Reply: `System`. The server carries it out, and no store."""


class GetStorage(Message, frozen=True):
    """What the store holds. Reply: `Storage`."""


class Watch(Message, frozen=True):
    """Answered when something has changed after the version ``after``. Reply: `Changes`.

    At once for a version that the server does not know (any more), 0 say; after some 20 s anyway.
    The server carries it out, and no store.
    """

    after: int = 0


class Changes(Message, frozen=True):
    """What has changed up to ``version``: ids of runs and of approvals.

    ``more``: other things may have changed too, because they were too many, or too long ago.
    """

    version: int
    runs: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    more: bool = False


class RunCounts(Message, frozen=True):
    """All six states are there."""

    counts: dict[str, int]


class Story(Message, frozen=True):
    """``run`` is without payload and result. ``next``: there are more steps."""

    run: Run
    steps: list[StepLine]
    waiters: list[Waiter]
    passes: list[Pass]
    next: int | None = None


class StepReply(Message, frozen=True):
    step: StepRecord


class WorkflowStats(Message, frozen=True):
    stats: list[WorkflowStat]


class DueList(Message, frozen=True):
    """``next``: (a moment, how many of that moment were shown) if there is more."""

    things: list[DueThing]
    next: tuple[int, int] | None = None


class EventGroups(Message, frozen=True):
    groups: list[EventGroup]
    next: str | None


class WaiterPage(Message, frozen=True):
    waiters: list[Waiter]
    next: int | None


class Mailbox(Message, frozen=True):
    events: list[Event]
    next: tuple[str, int] | None


class LogPage(Message, frozen=True):
    lines: list[LogLine]
    next: int | None


class Queues(Message, frozen=True):
    groups: list[GroupQueue]


class System(Message, frozen=True):
    """The server as it is now. ``commits``: how many of the last were measured, p50, p99 in µs.

    ``bytes_before``: the file's size when it was started. ``troubles``: why workers do not start.
    """

    version: str
    pid: int
    started_at: int
    commits: tuple[int, int, int]
    bytes_before: int
    workers: list[WorkerInfo]
    troubles: list[str]


class Storage(Message, frozen=True):
    """Bytes of the file, of its log, and of free pages in it; how many there are of each."""

    file_bytes: int
    log_bytes: int
    free_bytes: int
    runs: int
    events: int
    approvals: int
    audit: int
