"""Workers that die of what they execute: strikes for the culprit, none for its neighbours."""

import json

import pytest

import tako
from tako.errors import RunFailed
from tests.e2e.conftest import Start
from tests.support import tako as command

DEADLY = """
    import ctypes
    import os
    import signal

    from note import note, notes
    from tako import Step, workflow


    def exits() -> None:
        note("boom")
        os._exit(0)


    async def segfaults() -> None:
        note("boom")
        ctypes.string_at(0)


    async def is_killed() -> None:
        note("boom")
        os.kill(os.getpid(), signal.SIGKILL)


    async def dies_once() -> str:
        note("boom")
        if notes().count("boom") == 1:
            os._exit(3)
        return "alive"


    BODIES = {"exit": exits, "segfault": segfaults, "kill": is_killed, "once": dies_once}


    @workflow("deadly", retries=0)
    async def deadly(how: str, step: Step) -> str:
        await step.run("safe", note, "safe")
        return await step.run("deadly-step", BODIES[how])
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exit", "exited with status 0"),
        ("segfault", "killed by SIGSEGV"),
        ("kill", "killed by SIGKILL"),
    ],
)
async def test_a_step_that_kills_its_worker_is_tried_three_times_and_named(
    how: str, told: str, start: Start
) -> None:
    scene = start({"workflows/deadly.py": DEADLY})
    handle = await tako.enqueue("deadly", how)
    with pytest.raises(RunFailed) as failure:
        await handle.result(timeout=60)
    assert "deadly-step" in str(failure.value)
    assert told in str(failure.value)
    assert scene.count("boom") == 3
    assert scene.count("safe") == 1
    run = await handle.status()
    assert (run.state, run.strikes) == ("failed", 3)

    shown = command(scene.app, "runs", "show", handle.id)
    assert shown.returncode == 0
    assert "deadly-step" in shown.stdout
    assert told in shown.stdout


async def test_a_run_whose_worker_died_once_goes_on_and_needs_no_retry_for_it(start: Start) -> None:
    scene = start({"workflows/deadly.py": DEADLY})
    handle = await tako.enqueue("deadly", "once")
    assert await handle.result(timeout=60) == "alive"
    assert scene.notes() == ["safe", "boom", "boom"]
    run = await handle.status()
    assert (run.attempt, run.strikes) == (2, 1)


NEIGHBOURS = """
    import asyncio
    import os

    from note import note, notes
    from tako import Step, workflow


    async def hold(name: str) -> str:
        note(f"hold {name}")
        while "open" not in notes():
            await asyncio.sleep(0.01)
        return name


    @workflow("good", retries=0)
    async def good(name: str, step: Step) -> str:
        await step.run("first", note, f"first {name}")
        return await step.run("hold", hold, name)


    async def explode() -> None:
        while sum(line.startswith("hold") for line in notes()) < 5:
            await asyncio.sleep(0.01)
        note("boom")
        os._exit(0)


    @workflow("poison", retries=0)
    async def poison(payload: object, step: Step) -> None:
        await step.run("explode", explode)
"""


async def test_poison_ends_at_its_third_strike_and_takes_no_neighbour_along(start: Start) -> None:
    scene = start({"workflows/both.py": NEIGHBOURS})
    good = await tako.enqueue_many("good", [f"g{n}" for n in range(5)])
    poison = await tako.enqueue("poison")
    await scene.noted("boom")
    scene.note("open")
    with pytest.raises(RunFailed, match="explode"):
        await poison.result(timeout=60)
    assert scene.count("boom") == 4, "once with the others, where it cannot be told, and 3 strikes"
    assert [await handle.result(timeout=60) for handle in good] == [f"g{n}" for n in range(5)]
    for handle in good:
        run = await handle.status()
        assert (run.attempt, run.strikes) == (1, 0)
        assert scene.count(f"first {json.loads(run.payload)}") == 1
        assert run.error is None


async def test_an_app_goes_on_after_its_poison_has_failed(start: Start) -> None:
    scene = start({"workflows/deadly.py": DEADLY, "workflows/both.py": NEIGHBOURS})
    poison = await tako.enqueue("deadly", "exit")
    with pytest.raises(RunFailed):
        await poison.result(timeout=60)
    scene.note("open")
    later = await tako.enqueue("good", "later")
    assert await later.result(timeout=60) == "later"
