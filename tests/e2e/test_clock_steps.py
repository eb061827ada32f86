"""The wall clock steps back and forth: the server and its workers read an offset from a file."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import tako
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene
from tests.support import ServerProcess, in_state, wait_until

HOUR = 3_600_000  # ms

SHIFTED = """

import sys
from pathlib import Path

import tako.clock

real, offset = tako.clock.now_ms, Path(sys.argv[1])
tako.clock.now_ms = lambda: real() + int(offset.read_text())

from tako.server.__main__ import main

sys.exit(main(sys.argv[2:]))
"""

WORK = """
    import asyncio
    from datetime import timedelta

    from note import note, notes
    from tako import Step, workflow


    async def hold() -> str:
        note("hold")
        while "open" not in notes():
            await asyncio.sleep(0.01)
        return "held"


    @workflow("holding", retries=0)
    async def holding(payload: object, step: Step) -> str:
        return await step.run("hold", hold)


    @workflow("sleeping", retries=0)
    async def sleeping(minutes: float, step: Step) -> str:
        await step.sleep("nap", timedelta(minutes=minutes))
        return "awake"


    @workflow("waiting", retries=0)
    async def waiting(minutes: float, step: Step) -> str:
        return await step.wait_for("go", timeout=timedelta(minutes=minutes), default="too late")


    @workflow("quick", retries=0)
    async def quick(payload: str, step: Step) -> str:
        return await step.run("echo", lambda: payload)
"""
DAILY = """
    from note import note
    from tako import Scheduled, Step, workflow


    @workflow("daily", schedule="0 HOUR * * *")
    async def daily(payload: Scheduled, step: Step) -> None:
        note(f"{payload.at.isoformat()}")
"""
SHORT = """
    [defaults]
    lease = "1s"

    [groups.default]
    idle_timeout = "300ms"
"""


class Clock:
    """The offset of a server's wall clock, in ms."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0)

    def set(self, ms: int) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(ms))
        fresh.replace(self.path)


def begin(start: Start, folder: Path, files: dict[str, str] | None = None) -> tuple[Scene, Clock]:
    scene = start({"workflows/work.py": WORK} | (files or {}), toml=SHORT, serve=False)
    clock = Clock(folder / "offset")
    shifted(scene, clock, folder)
    return scene, clock


def shifted(scene: Scene, clock: Clock, folder: Path) -> None:
    """Start a server whose wall clock is ``clock`` off."""
    script = folder / "shifted.py"
    script.write_text(SHIFTED)
    log_path = folder / "server.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(clock.path), str(scene.app.dir)],
            env=scene.app.env | {"TAKO_TEST_MARK": str(scene.app.dir)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = ServerProcess(process, (scene.app,), log_path)
    scene.servers.append(server)
    server.wait_ready()


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
async def test_a_step_of_the_clock_takes_no_lease_and_runs_nothing_twice(
    step: int, start: Start, tmp_path: Path
) -> None:
    scene, clock = begin(start, tmp_path)
    handle = await tako.enqueue("holding")
    await scene.noted("hold")
    clock.set(step)
    for number in range(3):  # work goes on around it, for longer than a lease
        quick = await tako.enqueue("quick", str(number))
        assert await quick.result(timeout=60) == str(number)
        delayed = await tako.enqueue("quick", "delayed", delay=0.5)
        assert await delayed.result(timeout=60) == "delayed"
    scene.note("open")
    assert await handle.result(timeout=60) == "held"
    run = await handle.status()
    assert (run.attempt, run.strikes) == (1, 0)
    assert scene.count("hold") == 1
    assert "the wall clock stepped" in scene.server.log


async def test_what_the_new_time_says_is_due_happens_at_the_next_sign_of_life(
    start: Start, tmp_path: Path
) -> None:
    scene, clock = begin(start, tmp_path)
    nap = await tako.enqueue("sleeping", 30)
    wait = await tako.enqueue("waiting", 90)
    await in_state(nap, "waiting")
    await in_state(wait, "waiting")
    await scene.no_workers()
    clock.set(HOUR)
    await tako.signal("anything", None)  # nothing happens at all for at most 60 s otherwise
    assert await nap.result(timeout=60) == "awake"
    assert (await wait.status()).state == "waiting"
    clock.set(2 * HOUR)
    await tako.signal("anything", None)
    assert await wait.result(timeout=60) == "too late"


async def test_a_clock_that_goes_back_makes_nothing_due_early_and_nothing_stuck(
    start: Start, tmp_path: Path
) -> None:
    scene, clock = begin(start, tmp_path)
    clock.set(HOUR)
    nap = await tako.enqueue("sleeping", 30)
    await in_state(nap, "waiting")
    clock.set(0)
    await tako.signal("anything", None)
    quick = await tako.enqueue("quick", "x", delay=0.2)
    assert await quick.result(timeout=60) == "x"
    assert (await nap.status()).state == "waiting"
    clock.set(2 * HOUR)
    await tako.signal("anything", None)
    assert await nap.result(timeout=60) == "awake"
    assert scene.server.terminate() == 0


async def test_a_clock_set_forward_over_three_moments_of_a_schedule_and_back_runs_the_last(
    start: Start, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    far = (now.hour + 12) % 24  # no moment comes while this is played
    files = {"workflows/daily.py": DAILY.replace("HOUR", str(far))}
    scene, clock = begin(start, tmp_path, files)
    await scene.code_read()
    for days in (3, 0):
        clock.set(days * 24 * HOUR)
        quick = await tako.enqueue("quick", "noticed")
        assert await quick.result(timeout=60) == "noticed"
        await wait_until(scene.notes, what="the run of the schedule")
    (at,) = [datetime.fromisoformat(note) for note in scene.notes()]
    assert now + timedelta(days=2) < at < now + timedelta(days=3, minutes=5)
    assert at.hour == far
