"""Everything a client may do, in every state a run can be in, from loops, threads and handlers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import tako
from tako.errors import Conflict, RunCancelled, RunFailed, RunNotFound, StepNotFound, WrongState
from tests.e2e.conftest import Start
from tests.support import in_state, tako_json

FLOWS = """
    import asyncio
    from typing import Any

    import tako
    from note import note, notes
    from tako import Step, SyncStep, workflow


    @workflow("quick", retries=0)
    async def quick(payload: Any, step: Step) -> Any:
        return await step.run("echo", lambda: payload)


    @workflow("waiting", retries=0)
    async def waiting(event: str, step: Step) -> Any:
        await step.run("before", note, f"before {event}")
        return await step.wait_for(event)


    @workflow("failing", retries=0)
    async def failing(payload: str, step: Step) -> str:
        await step.run("one", note, "one")
        await step.run("two", note, "two")
        if "mended" not in notes():
            raise RuntimeError("not yet")
        await step.run("three", note, "three")
        return "mended"


    @workflow("retried", retries=50, backoff=60.0)
    async def retried(payload: str, step: Step) -> str:
        note("tried")
        raise RuntimeError("again and again")


    @workflow("running", retries=0)
    async def running(payload: str, step: Step) -> None:
        try:
            note("runs")
            await asyncio.sleep(60)
        finally:
            note("finally")


    @workflow("parent", retries=0)
    async def parent(count: int, step: Step) -> list[int]:
        ids = []
        for n in range(count):
            ids.append(await step.run(f"start-{n}", start, n, step.run_id))
        return [await step.wait_for(f"{step.run_id}:{n}") for n in range(count)]


    async def start(n: int, parent: str) -> str:
        handle = await child.enqueue([n, f"{parent}:{n}"], run_id=f"{parent}-{n}")
        return handle.id


    @workflow("child", retries=0)
    def child(payload: list[Any], step: SyncStep) -> None:
        number, event = payload
        step.run("tell", lambda: tako.signal_sync(event, number * number, key="told").outcome)
"""


async def test_a_run_is_cancelled_in_each_state_and_only_once(start: Start) -> None:
    scene = start({"workflows/flows.py": FLOWS})
    pending = await tako.enqueue("quick", "x", delay=60)
    parked = await tako.enqueue("waiting", "go")
    between = await tako.enqueue("retried", "x")
    running = await tako.enqueue("running", "x")
    await in_state(parked, "waiting")
    await scene.noted("tried")
    await in_state(between, "pending")
    await scene.noted("runs")
    for handle in (pending, parked, between, running):
        result = asyncio.ensure_future(handle.result(timeout=60))
        assert await handle.cancel("enough") is True
        with pytest.raises(RunCancelled, match="enough"):
            await result
        assert await handle.cancel("again") is False
        assert (await handle.status()).reason == "enough"
    await scene.noted("finally")
    sent = await tako.signal("go", "too late")
    assert sent.outcome == "buffered", "a cancelled run waits for nothing"
    assert tako_json(scene.app, "waits")["waits"] == []

    done = await tako.enqueue("quick", 7)
    assert await done.result(timeout=60) == 7
    assert await done.cancel() is False
    with pytest.raises(RunNotFound):
        await tako.cancel("no-such-run")


async def test_a_rerun_keeps_saved_steps_or_forgets_from_the_chosen_one(start: Start) -> None:
    scene = start({"workflows/flows.py": FLOWS})
    handle = await tako.enqueue("failing", "x")
    with pytest.raises(RunFailed, match="not yet"):
        await handle.result(timeout=60)
    with pytest.raises(StepNotFound, match="runs show"):
        await tako.rerun(handle.id, from_step="none")
    again = await tako.rerun(handle.id)
    with pytest.raises(RunFailed):
        await again.result(timeout=60)
    assert scene.notes() == ["one", "two"]
    scene.note("mended")
    await tako.rerun(handle.id, from_step="two")
    assert await handle.result(timeout=60) == "mended"
    assert scene.notes() == ["one", "two", "mended", "two", "three"]
    with pytest.raises(WrongState, match="succeeded"):
        await tako.rerun(handle.id)


async def test_a_unique_key_holds_while_a_run_is_unfinished_and_a_run_id_for_ever(
    start: Start,
) -> None:
    start({"workflows/flows.py": FLOWS})
    first = await tako.enqueue("waiting", "go", unique_key="k")
    second = await tako.enqueue("waiting", "go", unique_key="k")
    other = await tako.enqueue("quick", 1, unique_key="k")
    assert (first.deduplicated, second.deduplicated, other.deduplicated) == (False, True, False)
    assert second.id == first.id
    await in_state(first, "waiting")
    await first.cancel("make room")
    third = await tako.enqueue("waiting", "go", unique_key="k")
    assert (third.deduplicated, third.id != first.id) == (False, True)
    with pytest.raises(Conflict, match=third.id):
        await tako.rerun(first.id)

    one = await tako.enqueue("quick", "one", run_id="order-1")
    assert await one.result(timeout=60) == "one"
    two = await tako.enqueue("quick", "two", run_id="order-1")
    assert two.deduplicated
    assert await two.result(timeout=60) == "one"

    racers = await asyncio.gather(
        *(tako.enqueue("waiting", "race", unique_key="race") for _ in range(20))
    )
    assert len({racer.id for racer in racers}) == 1
    assert sum(not racer.deduplicated for racer in racers) == 1


async def test_workflows_start_others_and_are_told_of_their_end(start: Start) -> None:
    start({"workflows/flows.py": FLOWS})
    parent = await tako.enqueue("parent", 10)
    assert await parent.result(timeout=60) == [n * n for n in range(10)]


async def test_the_sync_client_works_from_many_threads_at_once(start: Start) -> None:
    start({"workflows/flows.py": FLOWS})

    def one(n: int) -> int:
        handle = tako.enqueue_sync("waiting", f"go-{n}")
        sent = tako.signal_sync(f"go-{n}", n)
        assert sent.outcome in ("delivered", "buffered")
        result = handle.result_sync(timeout=60)
        assert isinstance(result, int)
        return result

    def all_of_them() -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, range(24)))

    assert await asyncio.to_thread(all_of_them) == list(range(24))


async def test_fifty_concurrent_runs_with_signals_before_during_and_after_their_wait(
    start: Start,
) -> None:
    scene = start({"workflows/flows.py": FLOWS})
    names = [f"e{n}" for n in range(50)]
    for name in names[:15]:
        assert (await tako.signal(name, name)).outcome == "buffered"
    handles = await tako.enqueue_many("waiting", names)
    await asyncio.gather(*(tako.signal(name, name) for name in names[15:30]))
    for handle in handles[30:]:
        await in_state(handle, "waiting")
    sent = await asyncio.gather(*(tako.signal(name, name) for name in names[30:]))
    assert {(each.outcome, each.delivered) for each in sent} == {("delivered", 1)}
    assert await asyncio.gather(*(handle.result(timeout=60) for handle in handles)) == names
    assert sorted(scene.notes()) == sorted(f"before {name}" for name in names)
    assert tako_json(scene.app, "waits") == {"waits": [], "signals": []}


async def test_one_signal_reaches_all_who_wait_and_a_double_click_counts_once(
    start: Start,
) -> None:
    start({"workflows/flows.py": FLOWS})
    handles = await tako.enqueue_many("waiting", ["all"] * 10)
    for handle in handles:
        await in_state(handle, "waiting")
    clicks = await asyncio.gather(*(tako.signal("all", "yes", key="click") for _ in range(5)))
    assert sorted(click.outcome for click in clicks) == ["delivered"] + ["duplicate"] * 4
    assert {await handle.result(timeout=60) for handle in handles} == {"yes"}


async def test_a_client_that_gives_up_waiting_loses_nothing(start: Start) -> None:
    start({"workflows/flows.py": FLOWS})
    handle = await tako.enqueue("waiting", "go")
    with pytest.raises(tako.ResultTimeout, match=handle.id):
        await handle.result(timeout=0.05)
    await tako.signal("go", "in the end")
    assert await handle.result(timeout=60) == "in the end"
    with pytest.raises(RunNotFound):
        await tako.Handle("no-such-run").result(timeout=5)


async def test_without_a_server_every_call_says_what_to_start(start: Start) -> None:
    scene = start({"workflows/flows.py": FLOWS}, serve=False)
    scene.configure(patience=0.1)
    for call in (tako.enqueue("quick", 1), tako.signal("x"), tako.get("x"), tako.cancel("x")):
        with pytest.raises(tako.Unavailable, match="tako server"):
            await call
