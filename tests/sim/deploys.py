"""New code, again and again: workflows whose schedules change, go and come back.

A worker has the code of when it was started, and tells it once, or until it hears that it was
heard; so for a while there are two codes, and the one that was told last is in force.
"""

from random import Random
from typing import NamedTuple

from tako.commands import Cancel, Enqueue
from tako.model import BrokenModule, Schedule, WorkflowInfo
from tests.sim.story import FLOW, GROUP, SCHEDULED, TELLS
from tests.store.model_schedules import COMES, first_after, run_id_of

ALWAYS = [WorkflowInfo(FLOW), WorkflowInfo(TELLS)]
OFTEN = [rule for rule, comes in COMES.items() if comes is not None and comes[0] < 60]
SOME = [rule for rule, comes in COMES.items() if comes is not None]


class Code(NamedTuple):
    workflows: list[WorkflowInfo]
    broken: list[BrokenModule]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(workflow.name for workflow in self.workflows)


def some_code(rng: Random) -> Code:
    """Mostly with all workflows, each with a schedule."""
    found, broken = list(ALWAYS), []
    for name in SCHEDULED:
        fate = rng.choice(["there"] * 8 + ["by hand only", "gone", "broken"])
        if fate == "broken":
            broken.append(BrokenModule(name, "SyntaxError"))
        if fate in ("gone", "broken"):
            continue
        rule = rng.choice([*OFTEN * 3, *SOME])
        schedule = Schedule(*rule, rng.choice([None, None, '"said"'])) if fate == "there" else None
        limit = 1 if name == SCHEDULED[0] else None
        found.append(WorkflowInfo(name, concurrency=limit, schedule=schedule))
    return Code(found, broken)


def last_code() -> Code:
    """All is there, and comes seldom: so that the night can end."""
    seldom = Schedule("30 * * * * *")
    scheduled = [WorkflowInfo(name, schedule=seldom) for name in SCHEDULED]
    return Code([*ALWAYS, *scheduled], [])


def meddling(rng: Random, now: int) -> Cancel | Enqueue:
    """Somebody enqueues the run of a moment to come, or cancels that of one, if it is there."""
    name = rng.choice(SCHEDULED)
    at = first_after(Schedule(*rng.choice(OFTEN)), now + rng.choice([0, 0, 2_000, -2_500]))
    assert at is not None
    if rng.random() < 0.5:
        return Cancel(run_id_of(name, at), "not this one")
    return Enqueue(run_id_of(name, at), name, '"by hand"', GROUP)
