"""Who runs when and where: zero workers, due work, groups, limits, priority, several apps."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import tako
from tako.errors import RunCancelled
from tests.e2e.conftest import Start
from tests.e2e.scene import make_scene
from tests.support import in_state, start_server, wait_until

SOON_IDLE = """
    [groups.default]
    idle_timeout = "100ms"
"""

DUE = """
    from note import note
    from tako import Step, workflow


    @workflow("sleeping", retries=0)
    async def sleeping(seconds: float, step: Step) -> str:
        await step.sleep("nap", seconds)
        return "awake"


    @workflow("waiting", retries=0)
    async def waiting(seconds: float, step: Step) -> str:
        return await step.wait_for("never", timeout=seconds, default="too late")


    @workflow("quick", retries=0)
    async def quick(payload: str, step: Step) -> str:
        return payload


    @workflow("failing", retries=1, backoff=1.0)
    async def failing(payload: str, step: Step) -> int:
        note("attempt")
        if step.attempt == 1:
            raise RuntimeError("once")
        return step.attempt


    @workflow("limited", retries=0, timeout=1.0)
    async def limited(payload: str, step: Step) -> None:
        await step.wait_for("never")
"""


async def test_work_that_becomes_due_wakes_workers_by_itself(start: Start) -> None:
    """A nap, a deadline, a retry, a delayed run and a timeout, with no worker at all meanwhile."""
    scene = start({"workflows/due.py": DUE}, toml=SOON_IDLE)
    soon = datetime.now(UTC) + timedelta(seconds=1.2)
    handles = [
        await tako.enqueue("sleeping", 1.0),
        await tako.enqueue("waiting", 1.0),
        await tako.enqueue("failing", "x"),
        await tako.enqueue("quick", "delayed", delay=1.0),
        await tako.enqueue("quick", "at", run_at=soon),
    ]
    limited = await tako.enqueue("limited", "x")
    await in_state(handles[0], "waiting")
    await in_state(handles[1], "waiting")
    await in_state(limited, "waiting")
    await scene.noted("attempt")
    await scene.no_workers()
    results = await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
    assert results == ["awake", "too late", 2, "delayed", "at"]
    assert datetime.now(UTC) >= soon
    with pytest.raises(RunCancelled, match="timed out after 1 s"):
        await limited.result(timeout=60)
    await scene.no_workers()


WHERE = """
    import asyncio
    import os

    from note import note, notes
    from tako import Step, workflow


    async def hold(name: str) -> None:
        note(f"in {name}")
        while "open" not in notes():
            await asyncio.sleep(0.005)
        note(f"out {name}")


    @workflow("one-at-a-time", retries=0, concurrency=1)
    async def single(name: str, step: Step) -> int:
        note(f"in {name}")
        await step.run("work", asyncio.sleep, 0.02)
        note(f"out {name}")
        return os.getpid()


    @workflow("holding", retries=0)
    async def holding(name: str, step: Step) -> int:
        await step.run("hold", hold, name)
        return os.getpid()


    @workflow("heavy", retries=0, group="heavy")
    async def heavy(name: str, step: Step) -> int:
        await step.run("hold", hold, name)
        return os.getpid()


    @workflow("order", retries=0)
    async def order(name: str, step: Step) -> None:
        note(name)
"""
GROUPS = """
    [groups.default]
    concurrency = 2
    idle_timeout = "500ms"

    [groups.heavy]
    workers = 2
    concurrency = 1
"""


async def test_groups_have_their_own_workers_and_no_more_than_their_places(start: Start) -> None:
    scene = start({"workflows/where.py": WHERE}, toml=GROUPS)
    light = await tako.enqueue_many("holding", [f"l{n}" for n in range(3)])
    heavy = [await tako.enqueue("heavy", f"h{n}") for n in range(3)]
    ins = ["in h0", "in h1", "in l0", "in l1"]
    taken = lambda: f"four places taken: {scene.notes()}"  # noqa: E731
    await wait_until(lambda: sorted(scene.notes()) == ins, what=taken)
    assert {(await handle.status()).state for handle in (light[2], heavy[2])} == {"pending"}
    what = "two that the heavy group always has, one for the others"
    await wait_until(lambda: len(scene.workers()) == 3, what=what)
    scene.note("open")
    of_light = {await handle.result(timeout=60) for handle in light}
    of_heavy = {await handle.result(timeout=60) for handle in heavy}
    assert len(of_light) == 1
    assert len(of_heavy) == 2
    assert not of_light & of_heavy


async def test_a_workflow_with_a_limit_of_one_never_overlaps(start: Start) -> None:
    scene = start({"workflows/where.py": WHERE})
    handles = await tako.enqueue_many("one-at-a-time", [f"r{n}" for n in range(8)])
    for handle in handles:
        await handle.result(timeout=60)
    notes = scene.notes()
    assert [note.split()[0] for note in notes] == ["in", "out"] * 8
    assert notes == [f"{way} r{n}" for n in range(8) for way in ("in", "out")], "in their order"


async def test_a_higher_priority_goes_first_and_equals_in_order_of_arrival(start: Start) -> None:
    scene = start({"workflows/where.py": WHERE}, toml=GROUPS)
    blockers = await tako.enqueue_many("holding", ["a", "b"])
    await scene.noted("in a")
    await scene.noted("in b")
    names = [("low", -5), ("normal 1", 0), ("high", 7), ("normal 2", 0), ("higher", 9)]
    handles = [await tako.enqueue("order", name, priority=value) for name, value in names]
    scene.note("open")
    for handle in [*blockers, *handles]:
        await handle.result(timeout=60)
    done = [note for note in scene.notes() if note in dict(names)]
    assert done == ["higher", "high", "normal 1", "normal 2", "low"]


async def test_a_flood_of_one_workflow_does_not_starve_another(start: Start) -> None:
    scene = start({"workflows/where.py": WHERE, "workflows/due.py": DUE}, toml=GROUPS)
    flood = await tako.enqueue_many("order", ["flood"] * 500)
    late = await tako.enqueue("quick", "late")
    assert await late.result(timeout=60) == "late"
    assert scene.count("flood") < 400, "it did not wait for all of them"
    await flood[-1].result(timeout=60)


async def test_one_server_serves_several_apps_that_know_nothing_of_one_another(
    start: Start,
) -> None:
    one = start({"workflows/due.py": DUE}, serve=False, name="one")
    two = make_scene(one.app.dir.parent, {"workflows/due.py": DUE}, name="two")
    server = start_server(one.app, two.app)
    one.servers.append(server)
    first = await tako.enqueue("waiting", 30, run_id="same-id")
    two.configure()
    second = await tako.enqueue("quick", "two", run_id="same-id")
    assert await second.result(timeout=60) == "two"
    sent = await tako.signal("never", "from two")
    assert sent.outcome == "buffered", "the other app's waiter is none of ours"
    one.configure()
    await in_state(first, "waiting")
    sent = await tako.signal("never", "from one")
    assert sent.outcome == "delivered"
    assert await first.result(timeout=60) == "from one"
    assert server.terminate() == 0
    two.close()
