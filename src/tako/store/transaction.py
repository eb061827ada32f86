"""What the handlers of one batch share: the database, the moment, and the effects they have."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from tako.commands import Deliver, Effects, Push, Stop
from tako.model import StepRecord
from tako.people import Directory
from tako.store.database import Database

Snapshot = tuple[dict[str, str], dict[str, int], int, tuple[int, str] | None]

_RESERVE = 10_000  # numbers taken from the file at a time


class Arrived(NamedTuple):
    """How many runs of a workflow came in on some days.

    The last of them ends at ``end``, in ms; each has the numbers from its of the ``edges`` to the
    next one.
    """

    end: int
    edges: tuple[int, ...]
    per_day: tuple[int, ...]


class Shared:
    """What a store remembers between batches; all of it can be found again in the file."""

    def __init__(self, database: Database, people: Callable[[], Directory]) -> None:
        self.people = people
        self.groups: dict[str, str] = {}  # workflow -> group, as the workers last said
        self.limits: dict[str, int] = {}  # workflow -> how many runs at one time
        self.turns: dict[str, dict[str, int]] = {}  # group -> workflow -> turns: see claiming
        self.audit_head: tuple[int, str] | None = None  # number and hash of the last row
        self.arrived: dict[tuple[str, int], Arrived] = {}  # (workflow, days): see arrivals
        # (person, groups) -> rows of the record, who people were, and how many waited for them
        self.waiting: dict[tuple[str, tuple[str, ...]], tuple[int, Directory, int]] = {}
        self.last_seq = self.reserved = database.number("reserved_seqs")
        self.read_workflows(database)

    def read_workflows(self, database: Database) -> None:
        rows = database.all("known_workflows")
        self.groups = {name: group for name, group, _ in rows}
        self.limits = {name: limit for name, _, limit in rows if limit is not None}

    def snapshot(self) -> Snapshot:
        """What a rolled back transaction must not have changed."""
        return self.groups, self.limits, self.reserved, self.audit_head

    def restore(self, snapshot: Snapshot) -> None:
        self.groups, self.limits, self.reserved, self.audit_head = snapshot
        self.arrived.clear()
        self.waiting.clear()


class Transaction:
    def __init__(self, database: Database, now: int, shared: Shared) -> None:
        self.db = database
        self.now = now
        self.shared = shared
        self.effects = Effects()

    @cached_property
    def people(self) -> Directory:
        return self.shared.people()

    def next_seq(self) -> int:
        """A number above all before it, whatever the clock does and after a restart too."""
        shared = self.shared
        shared.last_seq += 1
        if shared.last_seq > shared.reserved:
            shared.reserved = shared.last_seq + _RESERVE
            self.db.run("reserve_seqs", str(shared.reserved))
        return shared.last_seq

    def push(self, worker_id: str, push: Push) -> None:
        self.effects.pushes.append((worker_id, push))

    def stop(self, worker_id: str, run_id: str, lease_id: str, reason: str) -> None:
        self.push(worker_id, Stop(run_id, lease_id, reason))

    def deliver(self, worker_id: str, run_id: str, lease_id: str, record: StepRecord) -> None:
        self.push(worker_id, Deliver(run_id, lease_id, record))

    def freed(self, workflow: str, group: str) -> None:
        """A run let its place go; under a limit that may make another one claimable."""
        if workflow in self.shared.limits:
            self.effects.ready.add(group)
