"""What the handlers of one batch share: the database, the moment, and the effects they have."""

from tako.commands import Deliver, Effects, Push, Stop
from tako.model import StepRecord
from tako.store.database import Database


class Shared:
    """What a store remembers between batches; all of it can be found again in the file."""

    def __init__(self, database: Database) -> None:
        self.limits: dict[str, int] = {}  # workflow -> how many runs at one time
        self.turns: dict[str, int] = {}  # workflow -> how often it was served: see claiming
        self.last_seq = 0
        self.read_limits(database)

    def read_limits(self, database: Database) -> None:
        self.limits = dict(database.all("limits"))


class Transaction:
    def __init__(self, database: Database, now: int, shared: Shared) -> None:
        self.db = database
        self.now = now
        self.shared = shared
        self.effects = Effects()

    def next_seq(self) -> int:
        """A number that orders what is saved, also within one millisecond."""
        shared = self.shared
        shared.last_seq = max(shared.last_seq + 1, self.now << 12)
        return shared.last_seq

    def push(self, worker_id: str, push: Push) -> None:
        self.effects.pushes.append((worker_id, push))

    def stop(self, worker_id: str, run_id: str, lease_id: str, reason: str) -> None:
        self.push(worker_id, Stop(run_id, lease_id, reason))

    def deliver(self, worker_id: str, run_id: str, lease_id: str, record: StepRecord) -> None:
        self.push(worker_id, Deliver(run_id, lease_id, record))

    def ended(self, run_id: str) -> None:
        """The run has ended: nobody waits for anything in its name any more."""
        self.db.run("delete_waiters_of_run", run_id)
        self.effects.ended.append(run_id)

    def freed(self, workflow: str, group: str) -> None:
        """A run let its place go; under a limit that may make another one claimable."""
        if workflow in self.shared.limits:
            self.effects.ready.add(group)
