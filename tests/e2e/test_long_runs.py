"""A run of very many steps, parked in between."""

import tako
from tests.e2e.conftest import Start
from tests.support import in_state

LONG = """
    import asyncio

    from note import note
    from tako import Step, workflow


    async def one(n: int) -> int:
        return n


    @workflow("wide", retries=0)
    async def wide(steps: int, step: Step) -> int:
        total = 0
        for start in range(0, steps, 100):
            part = [step.run(f"step-{n}", one, n) for n in range(start, start + 100)]
            total += sum(await asyncio.gather(*part))
        note("waits")
        total += await step.wait_for("more")
        note("goes on")
        return total + await step.run("last", one, 1)


    @workflow("loop", retries=0)
    async def loop(steps: int, step: Step) -> int:
        total = 0
        for n in range(steps):
            total += await step.run("again", one, n)
        total += await step.wait_for("more")
        return total + await step.run("again", one, 1)
"""
SOON_IDLE = """
    [groups.default]
    idle_timeout = "200ms"
"""


async def test_ten_thousand_steps_are_saved_parked_and_resumed_by_a_fresh_worker(
    start: Start,
) -> None:
    scene = start({"workflows/long.py": LONG}, toml=SOON_IDLE)
    handle = await tako.enqueue("wide", 10_000)
    await in_state(handle, "waiting")
    await scene.no_workers()
    await tako.signal("more", 5)
    assert await handle.result(timeout=60) == sum(range(10_000)) + 5 + 1
    assert scene.notes() == ["waits", "waits", "goes on"]


async def test_a_name_used_again_and_again_is_numbered_the_same_on_every_pass(
    start: Start,
) -> None:
    """More than one page of saved steps: their order in the store is not that of the calls."""
    scene = start({"workflows/long.py": LONG}, toml=SOON_IDLE)
    handle = await tako.enqueue("loop", 700)
    await in_state(handle, "waiting")
    await scene.no_workers()
    await tako.signal("more", 5)
    assert await handle.result(timeout=60) == sum(range(700)) + 5 + 1
