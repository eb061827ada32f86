"""SIGTERM at any moment, and workers that go home just when work arrives."""

import asyncio
import random
import signal

import tako
from tests.e2e.conftest import Start
from tests.e2e.scene import died, kill

STEPS = 6
WORK = f"""
    import asyncio

    from note import note, notes
    from tako import Step, SyncStep, workflow


    async def body(name: str) -> None:
        await asyncio.sleep(0.01)
        note(name)


    @workflow("work", retries=0)
    async def work(name: str, step: Step) -> str:
        for n in range({STEPS}):
            await step.run(f"step-{{n}}", body, f"{{name}} {{n}}")
            if n == 2:
                await step.sleep("nap", 0.05)
        return name


    @workflow("plain", retries=0)
    def plain(name: str, step: SyncStep) -> str:
        for n in range({STEPS}):
            step.run(f"step-{{n}}", body, f"{{name}} {{n}}")
        return name


    async def hold() -> str:
        note("hold")
        while "open" not in notes():
            await asyncio.sleep(0.01)
        note("held")
        return "held"


    @workflow("holding", retries=0)
    async def holding(payload: object, step: Step) -> str:
        await step.run("first", note, "first")
        return await step.run("hold", hold)


    @workflow("quick", retries=0)
    async def quick(payload: int, step: Step) -> int:
        return await step.run("echo", lambda: payload)
"""


async def test_sigterm_at_random_moments_loses_nothing_and_runs_nothing_twice(
    start: Start, rng: random.Random
) -> None:
    scene = start({"workflows/work.py": WORK})
    enough = asyncio.Event()
    handles: list[tako.Handle[str]] = []

    async def keep_coming() -> None:
        """Also while no server is there: the client waits for the next one."""
        while not enough.is_set():
            kind = rng.choice(["work", "work", "plain"])
            handles.append(await tako.enqueue(kind, f"r{len(handles)}"))
            await asyncio.sleep(rng.uniform(0, 0.05))

    coming = asyncio.create_task(keep_coming())
    for _ in range(5):
        await asyncio.sleep(rng.uniform(0, 0.6))
        assert await asyncio.to_thread(scene.server.terminate) == 0, scene.server.log
        assert scene.workers() == []
        await asyncio.to_thread(scene.serve)
    enough.set()
    await coming
    names = [f"r{n}" for n in range(len(handles))]
    assert [await handle.result(timeout=60) for handle in handles] == names
    wanted = sorted(f"{name} {n}" for name in names for n in range(STEPS))
    assert sorted(scene.notes()) == wanted, "each step of each run once"
    for handle in handles:
        run = await handle.status()
        assert (run.attempt, run.strikes) == (1, 0)


async def test_a_step_that_outlasts_the_drain_is_given_back_and_counts_as_no_death(
    start: Start,
) -> None:
    scene = start({"workflows/work.py": WORK}, toml='[defaults]\ndrain = "200ms"\n')
    handle = await tako.enqueue("holding")
    await scene.noted("hold")
    assert await asyncio.to_thread(scene.server.terminate) == 0
    assert scene.workers() == []
    await asyncio.to_thread(scene.serve)
    await scene.noted("hold", 2)
    scene.note("open")
    assert await handle.result(timeout=60) == "held"
    run = await handle.status()
    assert (run.attempt, run.strikes) == (1, 0)
    assert scene.count("first") == 1


async def test_sigterm_to_a_worker_moves_its_runs_to_another(start: Start) -> None:
    scene = start({"workflows/work.py": WORK})
    handles = await tako.enqueue_many("work", [f"r{n}" for n in range(10)])
    await scene.noted("r0 0")
    for _ in range(3):
        for pid in scene.workers():
            kill(pid, signal.SIGTERM)
            await died(pid)
    assert [await handle.result(timeout=60) for handle in handles] == [f"r{n}" for n in range(10)]
    assert sorted(scene.notes()) == sorted(f"r{r} {n}" for r in range(10) for n in range(STEPS))
    assert {(await handle.status()).strikes for handle in handles} == {0}


async def test_a_server_that_is_killed_leaves_its_workers_at_work(start: Start) -> None:
    scene = start({"workflows/work.py": WORK})
    handle = await tako.enqueue("holding")
    await scene.noted("hold")
    worker = await scene.only_worker()
    scene.server.kill()
    scene.note("open")
    await scene.noted("held")  # its save has nowhere to go yet
    await asyncio.to_thread(scene.serve)
    assert await handle.result(timeout=60) == "held"
    assert scene.notes() == ["first", "hold", "open", "held"]
    assert not (await handle.status()).strikes
    kill(worker, 0)  # it is still there


async def test_work_that_arrives_while_a_worker_goes_home_is_never_stuck(
    start: Start, rng: random.Random
) -> None:
    idle = 0.05
    scene = start({"workflows/work.py": WORK}, toml=f"[groups.default]\nidle_timeout = {idle}\n")
    loop = asyncio.get_running_loop()
    until = loop.time() + 3
    count = 0
    while loop.time() < until:
        count += 1
        handle = await tako.enqueue("quick", count)
        assert await handle.result(timeout=60) == count
        run = await handle.status()
        assert (run.attempt, run.strikes) == (1, 0)
        await asyncio.sleep(max(0.0, rng.gauss(idle, 0.01)))
    assert "Traceback" not in scene.server.log
    assert "ERROR" not in scene.server.log
