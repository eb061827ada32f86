"""Group commit: what arrives together is one transaction, and nothing is said before it."""

import logging
import time
from pathlib import Path

import pytest

from tako.commands import (
    Cancel,
    Changed,
    Claim,
    Enqueued,
    Error,
    Get,
    ListRuns,
    Ok,
    SaveStep,
    Signal,
    Signalled,
    Succeed,
)
from tako.ids import new_id
from tests.server.peers import enqueue, served


async def test_a_reply_leaves_only_after_the_commit(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        for _ in range(20):
            command = enqueue()
            await worker.ask(command)
            assert app.rows(f"SELECT state FROM runs WHERE id = '{command.run_id}'")


async def test_the_replies_to_what_came_in_one_frame_leave_in_one_frame(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        before = len(worker.frames)
        replies = await worker.ask(*[enqueue() for _ in range(500)])
        assert all(isinstance(reply, Enqueued) for reply in replies)
        assert len(worker.frames) == before + 1


async def test_five_thousand_at_once_are_all_answered_in_their_order(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        commands = [enqueue() for _ in range(5_000)]
        replies = await worker.ask(*commands)
        assert [reply.run_id for reply in replies] == [c.run_id for c in commands]
        numbers = [number for frame in worker.frames[1:] for number, _ in frame]
        assert numbers == sorted(numbers)
        assert app.rows("SELECT count(*) FROM runs") == [(5_000,)]


async def test_commands_of_one_connection_are_executed_in_their_order(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        replies = await worker.ask(
            command, Get(command.run_id), Cancel(command.run_id, "no"), Get(command.run_id)
        )
        assert replies[1].run.state == "pending"
        assert replies[2] == Changed(True, "cancelled")
        assert replies[3].run.state == "cancelled"


async def test_one_refused_command_does_not_touch_its_neighbours(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        first, refused, last = await worker.ask(
            enqueue(), Cancel("nobody", "no"), Signal(new_id(), "door", '"open"')
        )
        assert isinstance(first, Enqueued)
        assert isinstance(refused, Error)
        assert refused.code == "run_not_found"
        assert last == Signalled("buffered", 0)


async def test_many_connections_at_once_each_get_their_own_replies(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        await app.worker()
        peers = [await app.peer() for _ in range(50)]
        commands = [enqueue() for _ in peers]
        futures = [peer.send(command)[0] for peer, command in zip(peers, commands, strict=True)]
        for command, future in zip(commands, futures, strict=True):
            assert (await future).run_id == command.run_id


async def test_a_whole_run_goes_over_one_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        command = enqueue()
        await worker.ask(command)
        run = await worker.claim_one()
        saved, ended = await worker.ask(
            SaveStep(run.id, run.lease_id, "up", "run", "ok", '"X"', 1, 0),
            Succeed(run.id, run.lease_id, '"X"'),
        )
        assert (saved, ended) == (Ok(), Ok())
        assert (await worker.run(command.run_id)).result == '"X"'


async def test_with_the_file_gone_nothing_is_acknowledged_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        aside = app.app.db.with_suffix(".aside")
        app.app.db.rename(aside)
        for _ in range(3):
            reply = await worker.ask(enqueue())
            assert isinstance(reply, Error)
            assert reply.code == "storage"
            assert "runs.db" in reply.message
        loud = [r for r in caplog.records if r.levelno == logging.CRITICAL]
        assert len(loud) == 1
        assert "NOTHING IS BEING SAVED" in loud[0].getMessage()
        assert not app.app.db.exists()
        aside.rename(app.app.db)
        assert isinstance(await worker.ask(enqueue()), Enqueued)
        assert len((await worker.ask(ListRuns())).runs) == 1


async def test_work_that_came_while_nothing_could_be_saved_is_done_afterwards(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        aside = app.app.db.with_suffix(".aside")
        app.app.db.rename(aside)
        (future,) = worker.send(Claim(1))
        assert isinstance(await worker.ask(enqueue()), Error)
        assert not future.done()
        aside.rename(app.app.db)
        assert len((await future).runs) == 1


@pytest.mark.parametrize("step", [3_600, -3_600])
async def test_a_step_of_the_clock_takes_no_lease_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    async with served(tmp_path) as app:
        worker = await app.worker()
        await worker.ask(enqueue())
        run = await worker.claim_one()
        (until,) = app.rows("SELECT lease_until FROM runs")[0]
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + step * 1_000_000_000)
        await worker.ask(enqueue())
        (moved,) = app.rows("SELECT lease_until FROM runs WHERE lease_until IS NOT NULL")[0]
        assert abs(moved - until - step * 1000) < 1_000
        assert await worker.ask(Succeed(run.id, run.lease_id, "1")) == Ok()
