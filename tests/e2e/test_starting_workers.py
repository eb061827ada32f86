"""How workers come to be: forked, or started as programs, also when the zygote has died."""

import psutil
import pytest

import tako
from tako.errors import RunFailed
from tests.e2e.conftest import Start
from tests.e2e.scene import died, kill

WORK = """
    import asyncio
    import os
    import sys

    from note import note, notes
    from tako import Step, workflow


    @workflow("where", retries=0)
    async def where(payload: object, step: Step) -> list[object]:
        return [os.getcwd(), os.environ["TAKO_APP"], sys.argv[0] != ""]


    async def hold() -> int:
        note("hold")
        while "open" not in notes():
            await asyncio.sleep(0.01)
        return os.getpid()


    @workflow("holding", retries=0)
    async def holding(payload: object, step: Step) -> int:
        await step.run("first", note, "first")
        pid = await step.run("hold", hold)
        await step.wait_for("go")
        return pid


    @workflow("deadly", retries=0)
    async def deadly(payload: object, step: Step) -> None:
        await step.run("die", os._exit, 7)
"""
BY_EXEC = """
    [groups.default]
    start = "exec"
    idle_timeout = "200ms"
"""
BY_FORK = """
    [groups.default]
    idle_timeout = "200ms"
"""


async def test_workers_started_as_programs_do_the_same_work(start: Start) -> None:
    scene = start({"workflows/work.py": WORK}, toml=BY_EXEC)
    handle = await tako.enqueue("where")
    assert await handle.result(timeout=60) == [str(scene.app.dir), str(scene.app.dir), True]
    poison = await tako.enqueue("deadly")
    with pytest.raises(RunFailed, match="exited with status 7 while it ran step 'die'"):
        await poison.result(timeout=60)
    await scene.no_workers()


async def test_a_zygote_that_is_killed_takes_no_worker_along_and_is_replaced(
    start: Start,
) -> None:
    scene = start({"workflows/work.py": WORK}, toml=BY_FORK)
    handle = await tako.enqueue("holding")
    await scene.noted("hold")
    worker = await scene.only_worker()
    zygote = psutil.Process(worker).ppid()
    assert zygote != scene.server.pid
    kill(zygote)
    await died(zygote)
    scene.note("open")
    await tako.signal("go")
    assert await handle.result(timeout=60) == worker, "it goes on where it was"
    assert scene.notes() == ["first", "hold", "open"]

    await died(worker)
    later = await tako.enqueue("where")
    assert (await later.result(timeout=60))[0] == str(scene.app.dir)
    assert (await handle.status()).strikes == 0
