"""Random nights on virtual time against the real store. A failure prints its seed and history.

TAKO_TEST_SEED repeats a whole run of these tests; TAKO_SIM_NIGHTS=1000 plays more of them.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tako.audit import check_end, verify
from tako.commands import (
    ApprovalList,
    AuditPage,
    CountRuns,
    Get,
    ListApprovals,
    ListRuns,
    ListSteps,
    ReadAudit,
    RunCounts,
    RunList,
    RunReply,
    StepList,
)
from tako.model import ENDED, Run, StepRecord
from tests.sim.actors import Client, Crew
from tests.sim.deploys import last_code
from tests.sim.moments import Moments
from tests.sim.story import (
    ASKED,
    FLOW,
    LATER,
    SCHEDULED,
    TELLS,
    asks_of,
    expected,
    program,
    waits_of,
)
from tests.sim.world import START, Broken, World, at_once
from tests.store.disk import bad_disk

NIGHTS = int(os.environ.get("TAKO_SIM_NIGHTS", "40"))
RUNS = 24
TROUBLE = 15_000  # ms of faults
PATIENCE = 600_000  # ms after which a run that has not ended is stuck
GLANCE = 500  # ms between looks at whether all is over
SHOWN = 60  # lines of history of a run that went wrong


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of commits, and no power cut to test."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("night", range(NIGHTS))
def test_every_run_ends_and_nothing_acknowledged_is_lost(
    night: int, seed: int, memory: Path
) -> None:
    chosen = Random(f"{seed} {night}").randrange(2**32)
    with bad_disk() as disk, closing(World(chosen, memory, disk)) as world:
        try:
            play(world)
        except AssertionError as error:
            raise AssertionError(f"night {chosen}: {error}\n{told(world, str(error))}") from error


def play(world: World) -> None:
    moments = Moments(world)
    crew, client = Crew(world), Client(world, RUNS)
    for begins in (crew.misfortune, crew.deploys, world.clock_steps):
        world.after(1, begins)
    world.run(TROUBLE)
    world.faults = False
    crew.deploy(last_code(), len(crew.workers))
    over = False
    while not over and world.now < START + TROUBLE + PATIENCE:
        world.run(GLANCE)
        over = everything_is_over(world, client)
    runs = all_runs(world)
    if not over:
        stuck = [f"{r.id} is {r.state}" for r in runs.values() if r.state not in ENDED]
        raise Broken(f"not over after {PATIENCE} ms: {stuck}, {client.unanswered} unanswered")
    missing = client.enqueued - runs.keys()
    if missing:
        raise Broken(f"acknowledged and gone: {sorted(missing)}")
    for run in runs.values():
        if run.workflow == FLOW or run.workflow in SCHEDULED:
            check_how_it_ended(client, run)
        if run.workflow == FLOW and run.state == "succeeded":
            check(world, client, run)
    moments.check(runs)
    check_approvals(world, client, runs)


def everything_is_over(world: World, client: Client) -> bool:
    if client.unanswered or not world.up or world.now < START + 21_000:
        return False
    (reply,) = at_once(world.store.execute([CountRuns(own=True)], world.wall)).replies
    assert isinstance(reply, RunCounts)
    return all(state in ENDED for state, count in reply.counts.items() if count)


def all_runs(world: World) -> dict[str, Run]:
    (reply,) = at_once(world.store.execute([ListRuns(limit=1_000)], world.wall)).replies
    assert isinstance(reply, RunList)
    return {run.id: run for run in reply.runs}


def check_how_it_ended(client: Client, run: Run) -> None:
    if run.state == "cancelled":
        assert run.id in client.cancelled, f"{run.id} was cancelled by nobody"
    if run.state == "failed":
        assert "WorkerLost" in str(run.error), f"{run.id} failed: {run.error}"
        assert run.strikes == 3, f"{run.id} failed after {run.strikes} strikes"


def check(world: World, client: Client, run: Run) -> None:
    steps = steps_of(world, run.id)
    outcomes = {name: steps[name].value for _, name in waits_of(run.id)}
    plain: dict[str, str | None]
    plain = {name: None if text is None else text.strip('"') for name, text in outcomes.items()}
    for name in asks_of(run.id):
        plain[name] = json.loads(steps[name].value or "")["outcome"]
    assert run.result == f'"{expected(run.id, plain)}"', f"{run.id}: {run.result}"
    wanted = {op.name for op in program(run.id) if op.kind == "step"}
    assert wanted <= steps.keys(), f"{run.id} has no {wanted - steps.keys()}"
    for event, name in waits_of(run.id):
        check_wait(world, client, run, event, steps[name])


def check_wait(world: World, client: Client, run: Run, event: str, record: StepRecord) -> None:
    sent = client.signals[event]
    if record.outcome == "ok":
        assert record.value in [payload for payload, _, _ in sent], f"{event} got {record.value}"
        return
    op = next(op for op in program(run.id) if record.name.startswith(op.name))
    waited = record.finished_at - record.started_at
    assert waited >= 10 * op.ms, f"{record.name} of {run.id} timed out after {waited} ms"
    early = [at for _, at, _ in sent if at < record.started_at]
    assert world.set_back or not early, f"{event} timed out though a signal was kept since {early}"
    delivered = [outcome for _, _, outcome in sent if outcome == "delivered"]
    assert not delivered, f"{event} timed out though a signal was delivered"


def check_approvals(world: World, client: Client, runs: dict[str, Run]) -> None:
    """One end for each, no answer lost, the record unbroken, and whoever is told is told once."""
    listing, reading = ListApprovals(None, limit=1_000), ReadAudit(limit=100_000)
    listed, page = at_once(world.store.execute([listing, reading], world.wall)).replies
    assert isinstance(listed, ApprovalList) and isinstance(page, AuditPage)
    assert verify(page.rows, page.base) == []
    assert check_end(page.rows[-1].seq if page.rows else 0, page.written) == []
    kinds = Counter((row.approval_id, row.kind) for row in page.rows)
    messages = Counter(_message(run) for run in runs.values() if run.workflow == TELLS)
    for approval in listed.approvals:
        assert approval.state != "open", f"{approval.id} of {approval.run_id} is still asked"
        ends = {kind: kinds[approval.id, kind] for kind in ("decided", "expired", "withdrawn")}
        assert sum(ends.values()) == 1, f"{approval.id} ended so: {ends}"
        assert kinds[approval.id, "asked"] == 1
        accepted = client.decided[approval.id]
        assert len(accepted) <= kinds[approval.id, "answered"], f"{approval.id} lost an answer"
        outcomes = {taken.outcome for taken in accepted if taken.outcome is not None}
        assert outcomes <= {approval.outcome}, f"{approval.id}: {outcomes}, {approval.outcome}"
        for person in ASKED:
            assert messages[approval.id, "asked", person] == 1, f"{approval.id} tells {person}"
        reminders = messages[approval.id, "reminded", LATER]
        assert reminders <= kinds[approval.id, "reminded"]
    assert kinds.keys() >= {(asked, "answered") for asked, taken in client.decided.items() if taken}


def _message(run: Run) -> tuple[str, str, str]:
    message = json.loads(run.payload)
    return message["approval"], message["kind"], message["person"]


def steps_of(world: World, run_id: str) -> dict[str, StepRecord]:
    found = at_once(world.store.execute([ListSteps(run_id), Get(run_id)], world.wall)).replies
    assert isinstance(found[0], StepList)
    assert isinstance(found[1], RunReply)
    return {record.name: record for record in found[0].steps}


def told(world: World, message: str) -> str:
    """The history of the run that is to blame, or the end of all."""
    names = [word.strip("[]',:") for word in message.split() if "run-" in word]
    lines = [line for line in world.history if any(name[:7] in line for name in names)]
    return "\n".join((lines or world.history)[-SHOWN:])
