"""kill -9 of worker, server and both, and a connection that breaks, at every command of a run.

One representative workflow: two steps, a wait that a signal ends, a step that fails once, a
retry, a result. `COMMANDS` are all commands it takes; the first test holds that list to what
really travels.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tako
from tako import Handle
from tako.errors import UnknownWorkflow
from tako.model import Run
from tests.e2e.proxy import Moment, Proxy
from tests.e2e.scene import Scene, died, kill, make_scene, restarted
from tests.support import in_state

WORKFLOW = """
    from note import note, notes
    from tako import Step, workflow


    async def load(n: int) -> int:
        note("load")
        return n + 1


    def charge(n: int) -> int:
        note("charge")
        return n * 2


    async def ship(n: int, decision: str) -> str:
        note("ship")
        if notes().count("ship") == 1:
            raise RuntimeError("the van is late")
        return f"{decision} {n}"


    @workflow("order", retries=3, backoff=0.01)
    async def order(payload: int, step: Step) -> str:
        n = await step.run("load", load, payload)
        n = await step.run("charge", charge, n)
        decision = await step.wait_for("approval", str)
        return await step.run("ship", ship, n, decision)
"""

COMMANDS = [
    "Enqueue",
    "Await",
    "Register",
    "Claim",
    "SaveStep:load:ok",
    "Claim#2",
    "SaveStep:charge:ok",
    "Wait",
    "Park",
    "Claim#3",
    "Signal",
    "SaveStep:ship:failed",
    "Claim#4",
    "Fail",
    "Claim#5",
    "SaveStep:ship:ok",
    "Succeed",
    "Claim#6",
]
VICTIMS = ["worker", "server", "both", "connection"]
AT_ONCE = 4  # crashes that are played side by side
CALM = "[groups.default]\nidle_timeout = 60\n"  # nobody goes home by itself


async def play(scene: Scene) -> Run:
    """The whole story as its client sees it; the run at its end."""
    scene.configure()
    handle = await enqueued(scene)
    result = asyncio.ensure_future(handle.result(timeout=60))
    await in_state(handle, "waiting")
    scene.configure()  # other stories are played beside this one
    sent = await tako.signal("approval", "yes")
    assert sent.outcome in ("delivered", "buffered"), sent
    assert await result == "yes 42"
    scene.configure()
    return await handle.status()


async def enqueued(scene: Scene, workflow: str = "order", payload: object = 20) -> Handle[Any]:
    """Asks again when it is told that no worker could say what workflows there are."""
    refused: UnknownWorkflow | None = None
    for _ in range(10):
        scene.configure()
        try:
            return await tako.enqueue(workflow, payload)
        except UnknownWorkflow as error:  # its only worker was killed before it had registered
            refused = error
            await asyncio.sleep(0.1)
    raise AssertionError("no worker was tried again") from refused


async def test_these_are_all_commands_of_the_story(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, {"workflows/order.py": WORKFLOW}, toml=CALM)
    try:
        await restarted(scene)
        await scene.code_read()
        async with Proxy(scene.app.socket) as proxy:
            await play(scene)
            assert sorted(proxy.seen) == sorted(COMMANDS), proxy.seen
    finally:
        scene.close()


class Night:
    """One crash: who dies, at which moment."""

    def __init__(self, scene: Scene, victim: str, moment: Moment) -> None:
        self.scene = scene
        self.victim = victim
        self.moment = moment
        self.proxy = Proxy(scene.app.socket, moment, self.strike)
        self.answered: set[str] = set()  # what had been acknowledged when it happened

    async def strike(self) -> None:
        self.answered = set(self.proxy.answered)
        server = self.scene.server
        if self.victim in ("server", "both"):
            server.kill()
        if self.victim in ("worker", "both"):
            for pid in self.proxy.pids:
                await killed(pid)
        if self.victim in ("server", "both"):
            self.proxy.step_aside()
            await restarted(self.scene)

    async def play(self) -> list[str]:
        """What went wrong, in words."""
        await restarted(self.scene)
        await self.scene.code_read()
        async with self.proxy:
            try:
                faults = await self.story()
                await self.proxy.settled()
            except Exception as error:
                return [f"{error!r} after {self.proxy.seen}\n{self.scene.server.log[-2000:]}"]
        return faults

    async def story(self) -> list[str]:
        """Play it, and say what went wrong."""
        run = await play(self.scene)
        return list(self.too_often(run.strikes))

    def too_often(self, strikes: int) -> Iterator[str]:
        """Steps that ran again although their worker was not lost, or knew that they were saved.

        A worker that lives is lost when it takes more than a second to connect again.
        """
        for step, once in (("load", 1), ("charge", 1), ("ship", 2)):
            saved = f"SaveStep:{step}:ok" in self.answered
            allowed = once + (0 if saved else strikes)
            ran = self.scene.count(step)
            if not once <= ran <= allowed:
                yield f"{step} ran {ran} times, allowed are {allowed}: {self.scene.notes()}"


async def killed(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        kill(pid)
    await died(pid)


async def nights(
    folder: Path, files: dict[str, str], kind: type[Night], victim: str, moments: list[Moment]
) -> str:
    """What went wrong in crashes at these moments, some of them played side by side."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def night(number: int, moment: Moment) -> str:
        async with limit:
            scene = make_scene(folder / str(number), files, toml=CALM)
            try:
                faults = await kind(scene, victim, moment).play()
            finally:
                scene.close()
        return "".join(f"\n{victim} {moment}: {fault}" for fault in faults)

    return "".join(await asyncio.gather(*(night(*each) for each in enumerate(moments))))


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_run_survives_a_kill_at_every_command(
    victim: str, when: str, tmp_path: Path
) -> None:
    """ "after": the server has executed the command, and nobody has heard its answer."""
    moments = [Moment(label, when) for label in COMMANDS]
    assert await nights(tmp_path, {"workflows/order.py": WORKFLOW}, Night, victim, moments) == ""
