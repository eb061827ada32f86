"""A store driven by hand: commands with the time they come at, and replies as values."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tako.commands import (
    Claim,
    ClaimedRun,
    Command,
    Deliver,
    Effects,
    Enqueue,
    Error,
    Get,
    ListSteps,
    Load,
    Outcome,
    Park,
    Register,
    SaveStep,
    Signal,
    Signalled,
    Spread,
    Succeed,
    Tick,
    Wait,
)
from tako.model import Run, StepRecord, Waiter, WorkflowInfo
from tako.store import Store, open_store

START = 1_700_000_000_000
INT = '{"type":"integer"}'
TEXT = '{"type":"string"}'

READS = (Get, ListSteps, Load)

Opener = Callable[[], Store]


class Driver:
    """``now`` is the clock; ``effects`` are those of the last batch that wrote."""

    def __init__(self, opener: Opener, runner: asyncio.Runner) -> None:
        self._opener, self._runner = opener, runner
        self.store = opener()
        self.now = START
        self.effects = Effects()
        self._numbers = 0

    @classmethod
    def on_file(cls, path: Path, runner: asyncio.Runner) -> "Driver":
        return cls(lambda: open_store(path), runner)

    # --- the store

    def batch(self, *commands: Command) -> list[Any]:
        """One batch, one transaction: the replies."""
        outcome: Outcome = self._runner.run(self.store.execute(commands, self.now))
        assert len(outcome.replies) == len(commands)
        if not all(isinstance(command, READS) for command in commands):
            self.effects = outcome.effects
        return outcome.replies

    def do(self, command: Command) -> Any:
        """The reply to a command that is not refused."""
        (reply,) = self.batch(command)
        assert not isinstance(reply, Error), reply
        return reply

    def refused(self, command: Command) -> str:
        """The code with which a command is refused."""
        (reply,) = self.batch(command)
        assert isinstance(reply, Error), reply
        return reply.code

    def restart(self) -> None:
        """What a new process finds in the same place."""
        self.store.close()
        self.store = self._opener()

    def new(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}-{self._numbers:05}"

    # --- what tests do all the time

    def enqueue(self, workflow: str = "w", **options: Any) -> str:
        run_id = options.pop("run_id", None) or self.new("run")
        options = {"payload": "{}", "group": "default", **options}
        self.do(Enqueue(run_id=run_id, workflow=workflow, **options))
        return str(run_id)

    def register(self, *workflows: WorkflowInfo, worker: str = "a", **options: Any) -> Any:
        options = {"pid": 1, "group": "default", "concurrency": 10, **options}
        return self.do(Register(worker_id=worker, workflows=list(workflows), **options))

    def claim(self, limit: int = 1, worker: str = "a", **options: Any) -> list[ClaimedRun]:
        options = {"group": "default", "workflows": ("w",), **options}
        runs: list[ClaimedRun] = self.do(Claim(limit, worker_id=worker, **options)).runs
        return runs

    def start(self, workflow: str = "w", worker: str = "a", **options: Any) -> ClaimedRun:
        """A run that was just enqueued and claimed."""
        run_id = self.enqueue(workflow, **options)
        group = options.get("group", "default")
        (run,) = self.claim(worker=worker, group=group, workflows=(workflow,))
        assert run.id == run_id, "another run was ready before it"
        return run

    def wait(self, run: ClaimedRun, event: str | None = "e", **options: Any) -> Any:
        return self.do(waiting(run, event, **options))

    def park(self, run: ClaimedRun, *names: str) -> Any:
        return self.do(Park(run.id, run.lease_id, list(names) or ["wait"]))

    def parked(self, event: str | None = "e", worker: str = "a", **options: Any) -> ClaimedRun:
        """A run that waits without a worker."""
        run = self.start(worker=worker)
        name = options.get("name", "wait")
        self.batch(waiting(run, event, **options), Park(run.id, run.lease_id, [name]))
        assert self.state(run) == "waiting"
        return run

    def save(self, run: ClaimedRun, name: str = "s", **options: Any) -> Any:
        return self.do(saving(run, name, **options))

    def signal(self, event: str = "e", payload: str = "1", **options: Any) -> Signalled:
        event_id = options.pop("event_id", None) or self.new("event")
        reply: Signalled = self.do(Signal(event_id, event, payload, **options))
        return reply

    def spread_all(self) -> None:
        """Go on until everything that is being spread has been delivered."""
        while events := self.store.spreading():
            for event_id in events:
                self.do(Spread(event_id))

    def succeed(self, run: ClaimedRun, result: str = "null") -> Any:
        return self.do(Succeed(run.id, run.lease_id, result))

    def tick(self, at: int | None = None, **options: Any) -> Any:
        if at is not None:
            self.now = at
        return self.do(Tick(**options))

    # --- what is there

    def get(self, run: ClaimedRun | str) -> Run:
        found: Run = self.do(Get(_id(run))).run
        return found

    def state(self, run: ClaimedRun | str) -> str:
        return str(self.get(run).state)

    def steps(self, run: ClaimedRun | str) -> list[StepRecord]:
        steps: list[StepRecord] = self.do(ListSteps(_id(run))).steps
        return steps

    def step(self, run: ClaimedRun | str, name: str = "wait") -> tuple[str, str | None]:
        """Outcome and value of one saved step."""
        (found,) = [s for s in self.steps(run) if s.name == name]
        return found.outcome, found.value

    def waiters(self, run: ClaimedRun | str) -> list[Waiter]:
        waiters: list[Waiter] = self.do(ListSteps(_id(run))).waiters
        return waiters

    def load(self, run: ClaimedRun) -> list[str]:
        """The names of all saved steps of a claimed run, page by page."""
        names, more = [step.name for step in run.steps], run.more
        while more:
            page = self.do(Load(run.id, run.lease_id, names[-1]))
            names, more = names + [step.name for step in page.steps], page.more
        return names

    def delivered(self) -> list[tuple[str, str, str | None]]:
        """Worker, run and value of each push of the last batch that brings an outcome."""
        return [
            (worker, push.run_id, push.record.value)
            for worker, push in self.effects.pushes
            if isinstance(push, Deliver)
        ]


def _id(run: ClaimedRun | str) -> str:
    return run if isinstance(run, str) else run.id


def waiting(run: ClaimedRun, event: str | None = "e", **options: Any) -> Wait:
    """A Wait; ``attempt`` and ``kind`` follow from the run and the event."""
    options = {
        "name": "wait",
        "kind": "sleep" if event is None else "wait_for",
        "timeout": None,
        "until": None,
        "schema": None,
        "attempt": run.attempt,
        **options,
    }
    return Wait(run.id, run.lease_id, event=event, **options)


def saving(run: ClaimedRun, name: str = "s", **options: Any) -> SaveStep:
    """A SaveStep; what is not said is a step that succeeded with ``1``."""
    options = {
        "kind": "run",
        "outcome": "ok",
        "value": "1",
        "attempt": run.attempt,
        "started_at": START,
        **options,
    }
    return SaveStep(run.id, run.lease_id, name, **options)
