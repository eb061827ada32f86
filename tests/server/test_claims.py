"""Claims are held until there is work, and get it in the transaction that made it."""

import asyncio
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from tako.commands import (
    Cancel,
    Claim,
    Claimed,
    Deliver,
    Error,
    Fail,
    Ok,
    Park,
    Parked,
    Register,
    Registered,
    Release,
    Signal,
    Signalled,
    Stop,
    Succeed,
    Wait,
    Waiting,
)
from tako.ids import new_id
from tako.model import WorkflowInfo
from tako.server import fleet
from tests.server.peers import enqueue, served
from tests.support import PATIENCE


async def test_a_claim_without_work_is_held_until_there_is_some(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        (claim,) = worker.send(Claim(5))
        await worker.quiet()
        assert not claim.done()
        command = enqueue()
        await (await app.peer()).ask(command)
        assert [run.id for run in (await claim).runs] == [command.run_id]


async def test_work_is_claimed_in_the_transaction_that_made_it(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        worker.send(Claim(1))
        await worker.quiet()
        command = enqueue()
        first = await worker.ask(command)
        assert first.run_id == command.run_id
        assert app.rows("SELECT state FROM runs") == [("running",)]
        assert any(isinstance(m, Claimed) for _, m in worker.frames[-1])


async def test_signal_wake_and_claim_are_one_transaction(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        run = await worker.claim_one()
        wait = Wait(run.id, run.lease_id, "door", "wait_for", "door", None, None, None, 1)
        waiting, parked = await worker.ask(wait, Park(run.id, run.lease_id, ["door"]))
        assert (waiting, parked) == (Waiting(None), Parked())
        (claim,) = worker.send(Claim(1))
        await worker.quiet()
        assert await worker.ask(Signal(new_id(), "door", '"open"')) == Signalled("delivered", 1)
        assert app.rows("SELECT state FROM runs") == [("running",)]
        again = (await claim).runs[0]
        assert again.id == run.id
        assert [(s.name, s.value) for s in again.steps] == [("door", '"open"')]


async def test_a_signal_reaches_a_run_that_executes(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        run = await worker.claim_one()
        wait = Wait(run.id, run.lease_id, "door", "wait_for", "door", None, None, None, 1)
        await worker.ask(wait)
        await (await app.peer()).ask(Signal(new_id(), "door", "7"))
        push = await worker.pushes.get()
        assert isinstance(push, Deliver)
        assert (push.run_id, push.record.value) == (run.id, "7")


async def test_a_cancelled_run_is_stopped_in_its_worker(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command)
        run = await worker.claim_one()
        await (await app.peer()).ask(Cancel(command.run_id, "enough"))
        assert await worker.pushes.get() == Stop(run.id, run.lease_id, "cancelled: enough")


async def test_a_claim_for_nothing_answers_all_that_are_open(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        open_ = worker.send(Claim(3), Claim(2))
        await worker.quiet()
        assert await worker.ask(Claim(0)) == Claimed([])
        assert [await claim for claim in open_] == [Claimed([]), Claimed([])]
        await worker.ask(enqueue())
        assert app.rows("SELECT state FROM runs") == [("pending",)]


async def test_several_claims_of_one_worker_each_get_no_more_than_they_asked(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        claims = worker.send(Claim(1), Claim(3), Claim(2))
        await worker.quiet()
        await worker.ask(*[enqueue() for _ in range(5)])
        sizes = [len((await claim).runs) for claim in claims]
        assert sizes == [1, 3, 1]


async def test_the_least_loaded_worker_gets_the_next_run(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        full = await app.worker("w-full", concurrency=10)
        free = await app.worker("w-free", concurrency=10)
        (of_full,), (of_free,) = full.send(Claim(1)), free.send(Claim(10))
        await full.quiet()
        await free.quiet()
        await full.ask(enqueue())
        assert len((await of_free).runs) == 1
        assert not of_full.done()


async def test_workers_with_the_same_load_take_turns(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        workers = [await app.worker(f"w{n}", concurrency=10) for n in range(3)]
        got = dict.fromkeys(range(3), 0)
        claims = [worker.send(Claim(10))[0] for worker in workers]
        for _ in range(9):
            for worker in workers:
                await worker.quiet()
            await workers[0].ask(enqueue())
            done, _ = await asyncio.wait(claims, return_when=asyncio.FIRST_COMPLETED)
            winner = claims.index(done.pop())
            got[winner] += 1
            run = claims[winner].result().runs[0]
            await workers[winner].ask(Succeed(run.id, run.lease_id, "1"))
            claims[winner] = workers[winner].send(Claim(10))[0]
        assert got == {0: 3, 1: 3, 2: 3}


async def test_what_one_claim_cannot_hold_goes_to_the_next_worker(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        workers = [await app.worker(f"w{n}") for n in range(3)]
        claims = [worker.send(Claim(2))[0] for worker in workers]
        for worker in workers:
            await worker.quiet()
        await workers[0].ask(*[enqueue() for _ in range(5)])
        assert sorted([len((await claim).runs) for claim in claims]) == [1, 2, 2]


async def test_one_signal_that_wakes_many_fills_all_claims(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        workers = [await app.worker(f"w{n}") for n in range(4)]
        await workers[0].ask(*[enqueue() for _ in range(8)])
        for run in (await workers[0].ask(Claim(8))).runs:
            wait = Wait(run.id, run.lease_id, "go", "wait_for", "go", None, None, None, 1)
            await workers[0].ask(wait, Park(run.id, run.lease_id, ["go"]))
        claims = [worker.send(Claim(2))[0] for worker in workers]
        for worker in workers:
            await worker.quiet()
        await workers[0].ask(Signal(new_id(), "go", "1"))
        assert [len((await claim).runs) for claim in claims] == [2, 2, 2, 2]


async def test_a_worker_gets_only_workflows_it_knows(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        old = await app.worker("old", workflows=[WorkflowInfo("old")])
        new = await app.worker("new", workflows=[WorkflowInfo("hello")])
        (of_old,), (of_new,) = old.send(Claim(20)), new.send(Claim(1))
        await old.quiet()
        await new.quiet()
        await old.ask(enqueue())
        assert len((await of_new).runs) == 1
        assert not of_old.done()


async def test_a_freed_place_of_a_limited_workflow_goes_to_who_waits_for_it(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        one = [WorkflowInfo("hello", concurrency=1)]
        worker, other = await app.worker("w1", workflows=one), await app.worker("w2", workflows=one)
        await worker.ask(enqueue(), enqueue())
        run = await worker.claim_one()
        (claim,) = other.send(Claim(1))
        await other.quiet()
        assert not claim.done()
        await worker.ask(Succeed(run.id, run.lease_id, "1"))
        assert len((await claim).runs) == 1


async def test_a_failed_attempt_goes_to_a_claim_that_is_open(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        run = await worker.claim_one()
        (claim,) = worker.send(Claim(1))
        error = '{"type": "E", "message": "m"}'
        assert await worker.ask(Fail(run.id, run.lease_id, error, 0)) == Ok()
        assert (await claim).runs[0].attempt == 2


async def test_a_released_run_is_claimed_by_another(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        leaving, staying = await app.worker("w1"), await app.worker("w2")
        await leaving.ask(enqueue())
        run = await leaving.claim_one()
        (claim,) = staying.send(Claim(1))
        await staying.quiet()
        await leaving.ask(Release(run.id, run.lease_id))
        assert (await claim).runs[0].id == run.id


async def test_only_a_registered_worker_can_claim(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        reply = await (await app.peer()).ask(Claim(1))
        assert isinstance(reply, Error)
        assert "registered" in reply.message


async def test_a_claim_may_come_in_the_frame_of_the_registration(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        await (await app.worker("w0")).ask(enqueue())
        peer = await app.peer()
        hello = [WorkflowInfo("hello")]
        registered, claimed = await peer.ask(
            Register("w1", 1, "default", 5, workflows=hello), Claim(5)
        )
        assert isinstance(registered, Registered)
        assert len(claimed.runs) == 1


async def test_the_run_of_a_worker_that_lives_but_does_not_come_back_is_claimed_by_another(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        doomed, solo = await app.worker("w1"), await app.worker("w2", solo=True)
        await doomed.ask(enqueue())
        run = await doomed.claim_one()
        (claim,) = solo.send(Claim(1))
        await solo.quiet()
        doomed.close()
        closed = monotonic()
        again = (await asyncio.wait_for(claim, PATIENCE)).runs[0]
        assert (again.id, again.strikes) == (run.id, 1)
        assert monotonic() - closed >= 1.0, "its process lives: it could have come back"
        error = msgspec.json.decode(app.rows("SELECT error FROM runs")[0][0])
        assert error["type"] == "tako.WorkerLost"
        assert "w1" in error["message"]
        assert "its connection broke" in error["message"]


async def test_a_worker_that_comes_back_at_once_keeps_its_runs(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        first = await app.worker("w1")
        await first.ask(enqueue())
        run = await first.claim_one()
        first.close()
        second = await app.peer()
        reply = await second.register("w1", leases=[run.lease_id])
        assert reply.lost == []
        assert await second.ask(Succeed(run.id, run.lease_id, "1")) == Ok()


async def test_a_worker_may_register_on_a_new_connection_before_the_old_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_BACK_WITHIN", 0.05)
    async with served(tmp_path) as app:
        first = await app.worker("w1")
        await first.ask(enqueue())
        run = await first.claim_one()
        second = await app.peer()
        await second.register("w1", leases=[run.lease_id])
        first.close()
        await asyncio.sleep(0.1)  # twice the time after which a lost worker is given up
        assert await second.ask(Succeed(run.id, run.lease_id, "1")) == Ok()


async def test_a_worker_is_told_which_leases_it_has_lost(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        reply = await (await app.peer()).register("w1", leases=["gone"])
        assert reply.lost == ["gone"]


async def test_a_worker_learns_the_limits_from_the_configuration(tmp_path: Path) -> None:
    toml = '[defaults]\nlease = "5s"\ncancel_grace = "1s"\nmax_value = 2048\n'
    async with served(tmp_path, toml=toml) as app:
        reply = await (await app.peer()).register("w1")
        assert reply == Registered([], 5_000, 1_000, 2_048)
