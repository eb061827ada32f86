"""What people look at: counts, one run's story, figures, what is due. All only read."""

from tako.commands.message import Message
from tako.model import DueThing, Pass, Run, StepLine, StepRecord, Waiter, WorkflowStat


class CountRuns(Message, frozen=True):
    """How many runs there are in each state, of one workflow or at all. Reply: `RunCounts`."""

    workflow: str | None = None


class GetStory(Message, frozen=True):
    """A run and what happened in it, without values. Reply: `Story`. Refused: run_not_found.

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
    """Figures of one workflow, or of all that are known. Reply: `WorkflowStats`.

    ``per_day`` are the runs that came in on each of the last ``days``, of 24 h up to now.
    """

    workflow: str | None = None
    days: int = 14


class ListDue(Message, frozen=True):
    """What will happen by itself, soonest first. Reply: `DueList`."""

    limit: int = 50


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
    things: list[DueThing]


class Storage(Message, frozen=True):
    """Bytes of the file, of its log, and of free pages in it; how many there are of each."""

    file_bytes: int
    log_bytes: int
    free_bytes: int
    runs: int
    events: int
    approvals: int
    audit: int
