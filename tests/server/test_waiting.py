"""Requests that are answered later: ends of runs, broadcasts, and what the clock brings."""

import asyncio
import time
from pathlib import Path

import pytest

from tako.clock import now_ms
from tako.commands import (
    Await,
    Cancel,
    Claim,
    Error,
    Fail,
    Park,
    RunReply,
    Signal,
    Signalled,
    Succeed,
    Wait,
)
from tako.ids import new_id
from tests.server.peers import Peer, enqueue, served
from tests.support import PATIENCE


async def test_the_end_of_a_run_is_told_to_all_who_wait_for_it(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker, other = await app.worker(), await app.peer()
        command = enqueue()
        await worker.ask(command)
        waits = [*worker.send(Await(command.run_id)), *other.send(Await(command.run_id))]
        run = await worker.claim_one()
        await other.quiet()
        assert not any(wait.done() for wait in waits)
        await worker.ask(Succeed(run.id, run.lease_id, '"done"'))
        assert [(await wait).run.result for wait in waits] == ['"done"', '"done"']


async def test_the_end_is_told_with_the_batch_that_ends_the_run(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command)
        (wait,) = worker.send(Await(command.run_id))
        run = await worker.claim_one()
        await worker.ask(Succeed(run.id, run.lease_id, "1"))
        assert wait.done()
        assert len(worker.frames[-1]) == 2  # its own reply, and the end that was awaited


async def test_an_end_that_did_not_come_is_still_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command)
        (wait,) = worker.send(Await(command.run_id))
        run = await worker.claim_one()
        refused = await worker.ask(Succeed(run.id, "not its lease", "1"))
        assert refused.code == "lease_lost"
        assert not wait.done()
        await worker.ask(Succeed(run.id, run.lease_id, "1"))
        assert (await wait).run.state == "succeeded"


async def test_to_wait_for_a_run_that_has_ended_is_answered_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command, Cancel(command.run_id, "no"))
        reply = await worker.ask(Await(command.run_id))
        assert isinstance(reply, RunReply)
        assert reply.run.reason == "no"


async def test_a_run_that_ends_in_the_very_batch_that_asks_for_its_end(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        _, reply, _ = await worker.ask(command, Await(command.run_id), Cancel(command.run_id, "no"))
        assert reply.run.state == "cancelled"


async def test_to_wait_for_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        reply = await (await app.peer()).ask(Await("nobody"))
        assert isinstance(reply, Error)
        assert reply.code == "run_not_found"


async def test_a_retry_is_not_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command)
        (wait,) = worker.send(Await(command.run_id))
        run = await worker.claim_one()
        await worker.ask(Fail(run.id, run.lease_id, '{"type": "E", "message": "m"}', 0))
        await worker.quiet()
        assert not wait.done()
        await worker.ask(Cancel(command.run_id, "enough"))
        assert (await wait).run.state == "cancelled"


async def test_who_waited_and_left_is_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker, leaver = await app.worker(), await app.peer()
        command = enqueue()
        await worker.ask(command)
        leaver.send(Await(command.run_id))
        await leaver.quiet()
        (stays,) = worker.send(Await(command.run_id))
        leaver.close()
        await worker.ask(Cancel(command.run_id, "no"))
        assert (await stays).run.reason == "no"


async def _park_many(worker: Peer, count: int, event: str) -> None:
    await worker.ask(*[enqueue() for _ in range(count)])
    runs = (await worker.ask(Claim(count))).runs
    waits = [
        Wait(run.id, run.lease_id, "w", "wait_for", event, None, None, None, 1) for run in runs
    ]
    await worker.ask(*waits)
    await worker.ask(*[Park(run.id, run.lease_id, ["w"]) for run in runs])


async def test_a_signal_to_very_many_is_answered_when_all_have_it(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker(concurrency=2_000)
        await _park_many(worker, 1_700, "go")
        assert await worker.ask(Signal(new_id(), "go", "1")) == Signalled("delivered", 1_700)
        assert app.rows("SELECT state, count(*) FROM runs GROUP BY state") == [("pending", 1_700)]


async def test_while_very_many_are_told_others_are_served(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker, other = await app.worker(concurrency=5_000), await app.peer()
        await _park_many(worker, 5_000, "go")
        (broadcast,) = worker.send(Signal(new_id(), "go", "1"))
        served_between = 0
        while not broadcast.done():
            await other.ask(Signal(new_id(), "door", "1"))
            served_between += 1
        assert served_between >= 3
        assert broadcast.result() == Signalled("delivered", 5_000)


async def test_a_broadcast_that_a_crash_cut_short_goes_on_with_the_next_server(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker(concurrency=2_000)
        await _park_many(worker, 1_200, "go")
        worker.send(Signal(new_id(), "go", "1"))
        while not app.rows("SELECT 1 FROM events WHERE state = 'spreading'"):  # noqa: ASYNC110
            await asyncio.sleep(0)
    async with served(tmp_path) as app:
        peer = await app.worker()
        while app.rows("SELECT 1 FROM events WHERE state = 'spreading'"):
            await peer.quiet()
        assert app.rows("SELECT count(*) FROM runs WHERE state = 'waiting'") == [(0,)]


async def test_a_delayed_run_starts_by_itself_when_it_is_due(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        (claim,) = worker.send(Claim(1))
        due = now_ms() + 300
        await worker.ask(enqueue(run_at=due))
        assert not claim.done()
        run = (await claim).runs[0]
        assert due <= now_ms() < due + 30_000, "not when somebody next looks at the clock"
        assert run.id


async def test_the_earlier_of_two_times_is_not_held_up_by_the_later(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        (claim,) = worker.send(Claim(1))
        late, soon = enqueue(delay=60_000), enqueue(delay=200)
        await worker.ask(late)
        await worker.ask(soon)
        assert (await claim).runs[0].id == soon.run_id


async def test_two_thousand_runs_due_at_once_all_become_ready(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker(concurrency=2_000)
        due = now_ms() + 500
        await worker.ask(*[enqueue(run_at=due) for _ in range(2_000)])
        claimed = 0
        while claimed < 2_000:
            claimed += len((await worker.ask(Claim(2_000))).runs)


async def test_a_deadline_wakes_a_parked_run(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        run = await worker.claim_one()
        wait = Wait(run.id, run.lease_id, "nap", "sleep", None, 200, None, None, 1)
        await worker.ask(wait, Park(run.id, run.lease_id, ["nap"]))
        assert app.rows("SELECT state FROM runs") == [("waiting",)]
        again = (await worker.ask(Claim(1))).runs[0]
        assert (again.id, again.steps[0].name) == (run.id, "nap")


async def test_a_worker_that_stops_answering_loses_its_runs_and_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, toml='[defaults]\nlease = "400ms"') as app:
        silent = await app.worker("silent")
        await silent.ask(enqueue(), enqueue())
        await silent.ask(Claim(2))
        solo = await app.worker("solo", solo=True)
        (claim,) = solo.send(Claim(1))
        assert len((await asyncio.wait_for(claim, PATIENCE)).runs) == 1
        push = await silent.pushes.get()
        assert push.reason == "the lease expired"


async def test_a_jump_of_the_clock_makes_due_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        (claim,) = worker.send(Claim(1))
        await worker.ask(enqueue(delay=3_600_000))
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + 7_200 * 1_000_000_000)
        await worker.ask(enqueue(workflow="other"))  # any batch compares the clocks
        assert len((await asyncio.wait_for(claim, PATIENCE)).runs) == 1
