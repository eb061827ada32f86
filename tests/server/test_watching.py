"""Who watches hears what has changed, and holds nobody up; who does not costs nothing."""

import asyncio
from pathlib import Path

from tako.clock import monotonic
from tako.commands import Changes, Enqueue, Get, ListRuns, Signal, Succeed, Wait, Watch
from tako.ids import new_id
from tests.server.peers import Peer, enqueue, served


async def first(peer: Peer) -> int:
    """The version that a new watcher begins with."""
    changes: Changes = await peer.ask(Watch())
    assert changes.more
    return changes.version


async def test_a_watcher_waits_until_a_batch_has_changed_something_and_hears_which_run(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as app:
        peer, other = await app.peer(), await app.peer()
        version = await first(peer)
        (waiting,) = peer.send(Watch(version))
        await other.ask(Get("nothing"), ListRuns())
        assert not waiting.done()
        command = enqueue()
        await other.ask(command)
        changes = await waiting
        assert (changes.runs, changes.approvals, changes.more) == ((command.run_id,), (), False)
        assert changes.version > version


async def test_what_happens_between_two_looks_is_told_with_the_next(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer, other = await app.peer(), await app.peer()
        version = await first(peer)
        sent = [enqueue() for _ in range(3)]
        for command in sent:
            await other.ask(command)
        changes = await peer.ask(Watch(version))
        assert set(changes.runs) == {c.run_id for c in sent} and not changes.more


async def test_every_way_in_which_a_run_goes_on_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        worker, peer = await app.worker(), await app.peer()
        version = await first(peer)

        async def heard(run_id: str) -> None:
            nonlocal version
            changes = await peer.ask(Watch(version))
            version = changes.version
            assert run_id in changes.runs and not changes.more

        command = enqueue()
        await peer.ask(command)
        await heard(command.run_id)
        run = await worker.claim_one()
        await heard(run.id)
        await worker.ask(Wait(run.id, run.lease_id, "w", "wait_for", "go", None, None, None, 1))
        await heard(run.id)
        await peer.ask(Signal(new_id(), "go", "1"))
        await heard(run.id)
        await worker.ask(Succeed(run.id, run.lease_id, "1"))
        await heard(run.id)


async def test_all_watchers_of_all_connections_hear_of_it(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peers = [await app.peer() for _ in range(20)]
        version = await first(peers[0])
        waits = [peer.send(Watch(version))[0] for peer in peers]
        await peers[0].quiet()
        command = enqueue()
        await peers[3].ask(command)
        assert {changes.runs for changes in await asyncio.gather(*waits)} == {(command.run_id,)}


async def test_answers_come_at_most_four_times_a_second(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer, other = await app.peer(), await app.peer()
        version, begun = await first(peer), monotonic()
        for _ in range(3):
            await other.ask(enqueue())
            version = (await peer.ask(Watch(version))).version
        assert monotonic() - begun > 0.6


async def test_a_version_that_is_not_known_is_answered_at_once_with_more(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer = await app.peer()
        version = await first(peer)
        for after in (1, version + 1_000_000):  # of a server long ago; of one with another clock
            assert (await peer.ask(Watch(after))).more


async def test_of_very_many_changes_some_are_named_and_the_rest_is_more(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer = await app.peer()
        version = await first(peer)
        await peer.ask(*(enqueue() for _ in range(2_500)))
        changes = await peer.ask(Watch(version))
        assert changes.more and len(changes.runs) <= 1_000


async def test_a_signal_that_nobody_waits_for_is_a_change_of_no_run(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer = await app.peer()
        version = await first(peer)
        await peer.ask(Signal(new_id(), "nobody", "1"))
        changes = await peer.ask(Watch(version))
        assert changes.version > version and not (changes.runs or changes.more)


async def test_a_connection_has_one_watch_and_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as app:
        peer, other = await app.peer(), await app.peer()
        version = await first(peer)
        old, new = [peer.send(Watch(version))[0] for _ in range(2)]
        gone = await app.peer()
        gone.send(Watch(version))
        await gone.quiet()
        gone.close()
        await other.ask(enqueue(), Enqueue(new_id(), "hello", "1", group="default"))
        assert (await new).runs and not old.done()
