"""Kills, stops and restarts at random, under the work of many runs; the seed repeats it."""

import asyncio
import random
import signal

import tako
from tako import Handle
from tako.errors import RunFailed
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene, kill

WORK = """
    import asyncio

    from note import note
    from tako import Step, SyncStep, workflow


    async def body(name: str) -> str:
        await asyncio.sleep(0.02)
        note(name)
        return name


    @workflow("night", retries=0)
    async def night(name: str, step: Step) -> list[str]:
        one = await step.run("one", body, f"{name} one")
        first, second = await asyncio.gather(
            step.wait_for(f"{name}:first", str), step.wait_for(f"{name}:second", str)
        )
        await step.sleep("nap", 0.1)
        return [one, first, second, await step.run("two", body, f"{name} two")]


    @workflow("plain", retries=0)
    def plain(name: str, step: SyncStep) -> list[str]:
        one = step.run("one", body, f"{name} one")
        first = step.wait_for(f"{name}:first", str)
        second = step.wait_for(f"{name}:second", str)
        return [one, first, second, step.run("two", body, f"{name} two")]
"""
ROUGH = """
    [defaults]
    lease = "1s"
    drain = "1s"

    [groups.default]
    concurrency = 5
    idle_timeout = "200ms"
"""
RUNS = 40
BLOWS = 12


async def test_a_night_of_random_kills_ends_with_every_run_right(
    start: Start, rng: random.Random
) -> None:
    scene = start({"workflows/night.py": WORK}, toml=ROUGH)
    warm = await tako.enqueue("night", "warm")  # from now on the names are known
    handles = {"warm": warm}
    told: dict[str, str] = {}

    async def one(name: str) -> None:
        await asyncio.sleep(rng.uniform(0, 4))
        kind = rng.choice(["night", "plain"])
        handles[name] = await tako.enqueue(kind, name, run_id=name)

    async def click(event: str) -> None:
        await asyncio.sleep(rng.uniform(0, 5))
        payload = f"{event}!"
        sent = await tako.signal(event, payload, key="click")
        assert sent.outcome in ("delivered", "buffered", "duplicate")
        told[event] = payload

    names = [f"r{n}" for n in range(RUNS)]
    events = [f"{name}:{which}" for name in ["warm", *names] for which in ("first", "second")]
    work = asyncio.gather(*map(one, names), *map(click, events), *map(click, events[::5]))
    killed = 0
    for _ in range(BLOWS):
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        killed += await blow(scene, rng)
    await work
    for name, handle in handles.items():
        await check(scene, name, handle, told, killed)


async def blow(scene: Scene, rng: random.Random) -> int:
    """Something bad; how many workers it ended."""
    workers = scene.workers()
    what = rng.choice(["worker", "worker", "stop", "server", "both", "term"])
    if what in ("worker", "both"):
        for pid in workers:
            end(pid, signal.SIGKILL)
    if what == "stop" and workers:
        end(rng.choice(workers), signal.SIGSTOP)
    if what in ("server", "both"):
        scene.server.kill()
    if what == "term":
        assert await asyncio.to_thread(scene.server.terminate) == 0
    if what in ("server", "both", "term"):
        await asyncio.to_thread(scene.serve)
    return len(workers)


def end(pid: int, number: int) -> None:
    try:
        kill(pid, number)
    except ProcessLookupError:
        return  # it went home by itself


async def check(
    scene: Scene, name: str, handle: Handle[object], told: dict[str, str], killed: int
) -> None:
    first, second = told[f"{name}:first"], told[f"{name}:second"]
    (result,) = await asyncio.gather(handle.result(timeout=60), return_exceptions=True)
    if isinstance(result, RunFailed):  # it was alone in a worker that died, three times
        assert result.type == "tako.WorkerLost"
        assert (await handle.status()).strikes == 3
        return
    assert result == [f"{name} one", first, second, f"{name} two"]
    for step in ("one", "two"):
        assert 1 <= scene.count(f"{name} {step}") <= 1 + killed
