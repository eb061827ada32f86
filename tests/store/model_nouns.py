"""The nouns of the model: what a run, a waiter and an event are, as plain data."""

from dataclasses import dataclass, field

from tako.commands import Signalled
from tako.model import LogLine, Run, RunState, StepRecord, Waiter


@dataclass
class ModelRun:
    id: str
    workflow: str
    group: str
    payload: str
    seq: int
    created_at: int
    retries: int | None
    priority: int
    unique_key: str | None
    run_at: int | None
    timeout: int | None
    expires_at: int | None
    state: str = "pending"
    attempt: int = 1
    strikes: int = 0
    isolated: bool = False
    started_at: int | None = None
    finished_at: int | None = None
    result: str | None = None
    error: str | None = None
    reason: str | None = None
    lease: str | None = None
    worker: str | None = None
    lease_until: int | None = None
    steps: dict[str, StepRecord] = field(default_factory=dict)  # in the order they were saved
    logs: dict[int, LogLine] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def claimable(self) -> bool:
        return self.state == "pending" and self.run_at is None

    def leave(self, state: str) -> None:
        """Go from running to ``state``: the lease is gone."""
        self.state, self.lease, self.worker, self.lease_until = state, None, None, None

    def shown(self) -> Run:
        return Run(
            self.id,
            self.workflow,
            self.group,
            RunState(self.state),
            self.attempt,
            self.strikes,
            self.retries,
            self.priority,
            self.created_at,
            self.run_at,
            self.started_at,
            self.finished_at,
            self.expires_at,
            self.unique_key,
            self.payload,
            self.result,
            self.error,
            self.reason,
            self.worker,
            self.tags,
        )


@dataclass(eq=False)
class ModelWaiter:
    run: ModelRun
    name: str
    kind: str
    event: str | None
    deadline: int | None
    schema: str | None
    attempt: int
    created_at: int

    def open_at(self, moment: int) -> bool:
        return self.deadline is None or self.deadline > moment

    def at_deadline(self) -> tuple[str, str | None]:
        return ("ok", "null") if self.kind == "sleep" else ("timeout", None)

    def shown(self) -> Waiter:
        return Waiter(self.run.id, self.name, self.kind, self.event, self.deadline, self.created_at)


@dataclass(eq=False)
class ModelEvent:
    id: str
    event: str
    key: str | None
    payload: str
    created_at: int
    expires_at: int
    state: str = "buffered"
    delivered: int = 0
    meant_for: list[ModelWaiter] = field(default_factory=list)

    def told(self) -> Signalled:
        outcome = "buffered" if self.state in ("buffered", "refused") else "delivered"
        return Signalled(outcome, self.delivered, self.state == "spreading")
