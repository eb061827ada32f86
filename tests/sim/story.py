"""What the simulated workflows do, and how a worker replays them: a plain copy of the rules.

A run's program follows from its id alone, so that every pass of it is the same.
"""

import json
from collections.abc import Generator, Sequence
from random import Random
from typing import Any, NamedTuple

from tako.builtin import notifier
from tako.commands import (
    Ask,
    ClaimedRun,
    Command,
    Error,
    Exists,
    Fail,
    Load,
    Loaded,
    NotParked,
    Ok,
    Park,
    Parked,
    SaveStep,
    Succeed,
    Told,
    Wait,
    Waiting,
)
from tako.model import Channel, Escalation, Moment, Question, StepRecord

__all__ = ["Handler", "Op", "Work", "expected", "program"]

GROUP = "default"
FLOW, TELLS = "flow", notifier(GROUP)
SCHEDULED = ("nightly", "often")  # have a step, and nothing else
TIMES = {"step": [0, 2, 20, 300], "ask": [50, 1_000, 2_000]}
ASKED, LATER = ("ana", "ben"), "cleo"  # who is asked, and at the escalation too


class Op(NamedTuple):
    kind: str  # step | sleep | wait | two | ask | fail
    name: str
    ms: int = 0  # how long it takes, or its deadline


class Work(NamedTuple):
    """The body of a step: it takes a while, and the world notes that it ran."""

    name: str
    ms: int


class Left(Exception):
    """The run has left its worker: parked, lost, or ended."""


def program(run_id: str) -> list[Op]:
    rng = Random(f"program of {run_id}")
    ops = []
    for n in range(rng.randrange(1, 8)):
        kind = rng.choice(["step", "step", "step", "sleep", "wait", "two", "ask", "ask", "fail"])
        ms = rng.choice(TIMES.get(kind, [5, 50, 500, 3_000]))
        ops.append(Op(kind, f"{kind}-{n}", ms))
    return ops


def waits_of(run_id: str) -> list[tuple[str, str]]:
    """The events that a run waits for, each with the name of its step."""
    names = []
    for op in program(run_id):
        if op.kind == "wait":
            names.append(op.name)
        elif op.kind == "two":
            names += [f"{op.name}a", f"{op.name}b"]
    return [(f"{run_id}:{name}", name) for name in names]


def asks_of(run_id: str) -> list[str]:
    return [op.name for op in program(run_id) if op.kind == "ask"]


def question(op: Op) -> Question:
    """Two are asked, reminded once, and helped by a third before the deadline."""
    return Question(
        title=op.name,
        to=ASKED,
        quorum=2 if op.ms > 1_500 else 1,
        remind=(Moment("after", 3 * op.ms),),
        escalate=(Escalation(Moment("after", 6 * op.ms), (LATER,)),),
        notify=(Channel("function", "telling:tell", True),),
    )


def expected(run_id: str, outcomes: dict[str, str | None]) -> str:
    """The result of a run whose waits ended like this (None: timed out)."""
    parts = []
    for op in program(run_id):
        if op.kind == "step":
            parts.append(op.name)
        elif op.kind in ("wait", "ask"):
            parts.append(str(outcomes[op.name]))
        elif op.kind == "two":
            parts += [str(outcomes[f"{op.name}{x}"]) for x in "ab"]
    return f'"{" ".join(parts)}"'.replace('"', "'")


Conversation = Generator[Command | Work, Any, None]


class Handler:
    """One pass over a run; `go` yields what it asks for and is sent the replies."""

    def __init__(self, run: ClaimedRun) -> None:
        self.run = run
        self.records = {record.name: record for record in run.steps}

    def go(self) -> Conversation:
        run = self.run
        try:
            if run.workflow == TELLS:
                yield from self._tell()
                return
            if run.workflow in SCHEDULED:
                yield from self._step(Op("step", "report", 30))
                yield from self._ask(Succeed(run.id, run.lease_id, "null"))
                return
            more = run.more
            while more:
                reply = yield from self._ask(Load(run.id, run.lease_id, max(self.records)))
                assert isinstance(reply, Loaded)
                self.records.update((record.name, record) for record in reply.steps)
                more = reply.more
            parts: list[str] = []
            for op in program(run.id):
                parts += yield from self._do(op)
            result = "'" + " ".join(parts) + "'"
            reply = yield from self._ask(Succeed(run.id, run.lease_id, f'"{result}"'))
            assert isinstance(reply, Ok)
        except Left:
            return

    def _tell(self) -> Generator[Command | Work, Any, None]:
        message = json.loads(self.run.payload)
        yield Work(f"tell {message['person']}", 5)
        what = message["approval"], message["kind"], message["person"]
        yield from self._ask(Told(*what, message["channel"][1]))
        yield from self._ask(Succeed(self.run.id, self.run.lease_id, "null"))

    def _do(self, op: Op) -> Generator[Command | Work, Any, list[str]]:
        if op.kind == "step":
            return [(yield from self._step(op))]
        if op.kind == "fail":
            if self.run.attempt - self.run.strikes <= 1 and f"{op.name}-tried" not in self.records:
                yield from self._step(Op("step", f"{op.name}-tried"))
                yield from self._ask(Fail(self.run.id, self.run.lease_id, "{}", op.ms))
                raise Left
            return []
        if op.kind == "sleep":
            yield from self._wait([Wait(*self._head(op.name), "sleep", None, op.ms, *self._tail())])
            return []
        if op.kind == "ask":
            fresh = f"{self.run.id}/{op.name}/{self.run.lease_id}"
            deadline = Moment("after", 10 * op.ms)
            ask = Ask(*self._head(op.name), fresh, question(op), deadline, self.run.attempt)
            (record,) = yield from self._wait([ask])
            return [str(json.loads(record.value or "")["outcome"])]
        names = [op.name] if op.kind == "wait" else [f"{op.name}a", f"{op.name}b"]
        limit = 10 * op.ms
        waits = [
            Wait(*self._head(n), "wait_for", f"{self.run.id}:{n}", limit, *self._tail())
            for n in names
        ]
        records = yield from self._wait(waits)
        return [str(None if r.value is None else r.value.strip('"')) for r in records]

    def _head(self, name: str) -> tuple[str, str, str]:
        return self.run.id, self.run.lease_id, name

    def _tail(self) -> tuple[None, None, int]:
        return None, None, self.run.attempt

    def _step(self, op: Op) -> Generator[Command | Work, Any, str]:
        if op.name in self.records:
            return (self.records[op.name].value or "").strip('"')
        started = yield Work(op.name, op.ms)
        value = f'"{op.name}"'
        save = SaveStep(*self._head(op.name), "run", "ok", value, self.run.attempt, started)
        reply = yield from self._ask(save)
        if isinstance(reply, Exists):
            return (reply.record.value or "").strip('"')
        assert isinstance(reply, Ok), reply
        return op.name

    def _wait(
        self, waits: Sequence[Wait | Ask]
    ) -> Generator[Command | Work, Any, list[StepRecord]]:
        while True:
            open_ = []
            for wait in waits:
                if wait.name in self.records:
                    continue
                reply = yield from self._ask(wait)
                if isinstance(reply, Exists):
                    self.records[wait.name] = reply.record
                else:
                    assert isinstance(reply, Waiting), reply
                    open_.append(wait.name)
            if not open_:
                return [self.records[wait.name] for wait in waits]
            reply = yield from self._ask(Park(self.run.id, self.run.lease_id, open_))
            if isinstance(reply, Parked):
                raise Left
            assert isinstance(reply, NotParked), reply

    def _ask(self, command: Command) -> Generator[Command | Work, Any, Any]:
        reply = yield command
        if isinstance(reply, Error):
            assert reply.code == "lease_lost", reply
            raise Left
        return reply
