"""Leases: kept by a busy process, lost by a stopped one."""

import signal

import tako
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene, died, kill, restarted
from tests.support import in_state, wait_until

SHORT = """
    [defaults]
    lease = "1s"

    [groups.default]
    idle_timeout = "500ms"
"""

BLOCKING = """
    import os
    import time

    from note import note
    from tako import Step, workflow


    async def block(seconds: float) -> int:
        note("block")
        time.sleep(seconds)  # the worst manners: nothing else of this worker goes on
        return os.getpid()


    @workflow("blocking", retries=0)
    async def blocking(seconds: float, step: Step) -> int:
        time.sleep(0.2)
        return await step.run("block", block, seconds)
"""


async def test_a_handler_that_blocks_the_loop_for_three_leases_keeps_its_run(start: Start) -> None:
    scene = start({"workflows/blocking.py": BLOCKING}, toml=SHORT)
    handle = await tako.enqueue("blocking", 3.0)
    pid = await handle.result(timeout=60)
    assert isinstance(pid, int)
    assert scene.notes() == ["block"]
    run = await handle.status()
    assert (run.attempt, run.strikes) == (1, 0)


HOLDING = """
    import os
    import time

    from note import note, notes
    from tako import Step, workflow


    def hold() -> int:
        note(f"hold {os.getpid()}")
        while "open" not in notes():
            time.sleep(0.01)
        return os.getpid()


    @workflow("holding", retries=0)
    async def holding(payload: object, step: Step) -> list[int]:
        await step.run("first", note, "first")
        pid = await step.run("hold", hold)
        await step.run("last", note, f"last {os.getpid()}")
        return [pid, os.getpid()]
"""


async def test_the_runs_of_a_stopped_worker_go_on_elsewhere_and_it_is_ended(start: Start) -> None:
    scene = start({"workflows/holding.py": HOLDING}, toml=SHORT)
    handle = await tako.enqueue("holding")
    await scene.noted("first")
    stopped = await scene.only_worker()
    await scene.noted(f"hold {stopped}")
    kill(stopped, signal.SIGSTOP)
    await died(stopped)
    other = await other_holder(scene, stopped)
    scene.note("open")
    assert await handle.result(timeout=60) == [other, other]
    assert scene.count("first") == 1


async def test_what_a_stopped_worker_writes_after_it_has_lost_its_lease_is_refused(
    start: Start,
) -> None:
    """It belongs to an earlier server, so that nobody is its parent and may end it."""
    scene = start({"workflows/holding.py": HOLDING}, toml=SHORT)
    handle = await tako.enqueue("holding")
    await scene.noted("first")
    stopped = await scene.only_worker()
    await scene.noted(f"hold {stopped}")
    kill(stopped, signal.SIGSTOP)
    scene.server.kill()
    await restarted(scene)
    await in_state(handle, "running")

    other = await other_holder(scene, stopped)
    scene.note("open")
    kill(stopped, signal.SIGCONT)
    assert await handle.result(timeout=60) == [other, other]
    await died(stopped)
    assert scene.count("first") == 1
    assert [line for line in scene.notes() if line.startswith("last")] == [f"last {other}"]


async def other_holder(scene: Scene, stopped: int) -> int:
    """The process that executes the step once the stopped one has lost it."""

    def others() -> list[str]:
        holds = [line for line in scene.notes() if line.startswith("hold")]
        return [line for line in holds if line != f"hold {stopped}"]

    (line,) = await wait_until(others, what="another worker")
    return int(line.split()[1])


NAPPING = """
    import asyncio

    from note import note
    from tako import Step, workflow


    @workflow("napping", retries=0)
    async def napping(payload: object, step: Step) -> None:
        note("pass")
        try:
            await step.run("nap", asyncio.sleep, 3600)
        except asyncio.CancelledError:
            note("cancelled")
            raise
"""


async def test_a_worker_whose_server_stays_away_for_a_lease_lets_go_and_ends(start: Start) -> None:
    scene = start({"workflows/napping.py": NAPPING}, toml=SHORT)
    await tako.enqueue("napping")
    await scene.noted("pass")
    worker = await scene.only_worker()
    scene.server.kill()
    await died(worker)
    assert "letting go of 1 runs" in scene.server.log
    assert scene.count("cancelled") == 1
    await restarted(scene)
    await scene.noted("pass", 2)
