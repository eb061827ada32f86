"""How a worker lets go: of a cancelled run, of all its runs, and of its own life."""

import asyncio
import os
import signal

import pytest

import tako
from tests.e2e.scene import Scene, died
from tests.support import in_state, wait_until

TOML = """
    [defaults]
    cancel_grace = "300ms"

    [groups.default]
    idle_timeout = "300ms"
    concurrency = 5
"""

FILES = {
    "workflows/stops.py": """
        import asyncio
        import os
        import threading
        import time
        from note import note, notes
        from tako import Step, SyncStep, workflow

        @workflow("long")
        async def long(key: str, step: Step) -> str:
            note(f"{key} pass")
            try:
                await step.run("long", asyncio.sleep, 30)
            except asyncio.CancelledError:
                note(f"{key} cancelled")
                raise
            finally:
                try:
                    await step.run("clean", note_it, f"{key} cleaned")
                except BaseException as error:
                    note(f"{key} step raised {type(error).__name__}")
                    raise
            return "done"

        async def note_it(line):
            note(line)

        @workflow("long-thread")
        def long_thread(key: str, step: SyncStep) -> None:
            note(f"{key} pass")
            while f"{key} enough" not in notes():
                time.sleep(0.01)
            try:
                step.run("next", note_it, f"{key} next")
            except BaseException as error:
                note(f"{key} step raised {type(error).__name__}")
                raise

        @workflow("stubborn")
        async def stubborn(key: str, step: Step) -> None:
            note(f"{key} pass")
            while f"{key} enough" not in notes():
                try:
                    await asyncio.sleep(0.01)
                except BaseException:
                    note(f"{key} swallowed")

        @workflow("short")
        async def short(key: str, step: Step) -> str:
            return key

        @workflow("pid")
        async def pid(payload: None, step: Step) -> int:
            return os.getpid()

        @workflow("steps")
        async def steps(key: str, step: Step) -> str:
            note(f"{key} pass")
            await asyncio.gather(
                step.run("quick", note_it, f"{key} quick"), step.run("one", wait_for_word, key))
            await step.run("two", note_it, f"{key} two")
            return "done"

        async def wait_for_word(key):
            note(f"{key} one")
            while f"{key} go on" not in notes():
                await asyncio.sleep(0.005)
            note(f"{key} one done")

        @workflow("retry-pause", retries=0)
        async def retry_pause(key: str, step: Step) -> str:
            wait = 0.01 if f"{key} try" in notes() else 60
            async def once():
                note(f"{key} try")
                if notes().count(f"{key} try") == 1:
                    raise OSError("flaky")
                return "ok"
            return await step.run("once", once, retries=3, backoff=wait)
    """,
}


def tell(scene: Scene, line: str) -> None:
    """What a handler under test looks for in the notes."""
    with (scene.app.dir / "notes.log").open("a") as notes:
        notes.write(f"{line}\n")


async def test_a_cancelled_run_gets_a_cancelled_error_and_takes_no_step(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("long", key)
    await scene.noted(f"{key} pass")
    await run.cancel("enough")
    await scene.noted(f"{key} cancelled")
    await scene.noted(f"{key} step raised Parked")
    assert scene.count(f"{key} cleaned") == 0
    assert (await run.status()).reason == "enough"


async def test_a_cancelled_plain_handler_is_unwound_by_its_next_step(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("long-thread", key)
    await scene.noted(f"{key} pass")
    await run.cancel("enough")
    tell(scene, f"{key} enough")
    await scene.noted(f"{key} step raised Parked")
    assert scene.count(f"{key} next") == 0


async def test_a_handler_that_ignores_its_cancellation_is_let_go_after_the_grace(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("stubborn", key)
    await scene.noted(f"{key} pass")
    await run.cancel("enough")
    await scene.noted(f"{key} swallowed")
    scene.server.wait_log("does not end its handler (")
    assert await (await tako.enqueue("short", key)).result(timeout=60) == key
    tell(scene, f"{key} enough")


async def test_a_worker_with_a_thread_that_never_ends_gives_way_to_another(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("long-thread", key)
    await scene.noted(f"{key} pass")
    stuck = await scene.only_worker()
    await run.cancel("enough")
    scene.server.wait_log("a thread is stuck")
    await died(stuck)
    assert await (await tako.enqueue("short", key)).result(timeout=60) == key
    tell(scene, f"{key} enough")


async def works_elsewhere(worker: int) -> bool:
    """Whether what comes now goes to another worker, since this one claims nothing more."""
    return bool(await (await tako.enqueue("pid")).result(timeout=60) != worker)


async def test_sigterm_lets_the_current_step_finish_and_gives_the_run_back_before_the_next(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("steps", key)
    await scene.noted(f"{key} one")
    worker = await scene.only_worker()
    os.kill(worker, signal.SIGTERM)
    await wait_until(lambda: works_elsewhere(worker), what="a worker beside the one that leaves")
    tell(scene, f"{key} go on")
    await died(worker)
    assert await run.result(timeout=60) == "done"
    after = await run.status()
    assert (after.attempt, after.strikes) == (1, 0)
    assert [scene.count(f"{key} {what}") for what in ("pass", "one", "two")] == [2, 1, 1]


async def test_sigterm_does_not_wait_for_the_pause_between_two_tries_of_a_step(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("retry-pause", key)
    await scene.noted(f"{key} try")
    worker = await scene.only_worker()
    os.kill(worker, signal.SIGTERM)
    assert await run.result(timeout=60) == "ok"
    assert (await run.status()).attempt == 1
    await died(worker)


async def test_a_worker_that_goes_home_hears_a_slow_server_out(scene: Scene, key: str) -> None:
    """It is given work while it leaves, and that work is not struck for it."""
    await (await tako.enqueue("short", key)).result(timeout=60)
    os.kill(scene.server.pid, signal.SIGSTOP)
    coming = asyncio.create_task(tako.enqueue("short", key))
    await asyncio.sleep(2.5)  # longer than it waits for a server that is away
    os.kill(scene.server.pid, signal.SIGCONT)
    handle = await coming
    assert await handle.result(timeout=60) == key
    run = await handle.status()
    assert (run.attempt, run.strikes) == (1, 0)


async def test_a_cancelled_waiting_run_needs_no_worker(scene: Scene, key: str) -> None:
    run = await tako.enqueue("short", key, delay=60)
    await run.cancel("enough")
    await in_state(run, "cancelled")


@pytest.mark.parametrize("word", ["never retrieved", "Traceback"])
async def test_nothing_of_this_is_an_error_of_the_worker(scene: Scene, word: str) -> None:
    """The last of this module: what the others left behind in the log."""
    await wait_until(lambda: not scene.workers(), what="no worker left")
    lines = [line for line in scene.server.log.splitlines() if "[worker" in line]
    assert [line for line in lines if word in line] == []
