"""Handlers and steps that are plain functions, in threads."""

import asyncio

import pytest

import tako
from tests.e2e.scene import QUICK, Scene
from tests.support import in_state

TOML = QUICK + "    concurrency = 3\n"

FILES = {
    "workflows/plain.py": """
        import asyncio
        import contextvars
        import threading
        import time
        from concurrent.futures import ThreadPoolExecutor
        from note import note, notes
        from tako import Step, SyncStep, workflow

        async def double(n: int) -> int:
            await asyncio.sleep(0)
            return 2 * n

        def plus_one(n: int) -> int:
            return n + 1

        @workflow("story")
        def story(key: str, step: SyncStep) -> list[int]:
            note(f"{key} pass")
            one = step.run("double", double, 1)
            two = step.run("plus", plus_one, one)
            step.sleep("nap", "20ms")
            three = step.wait_for(f"go:{key}", int)
            again = [step.run("double", double, n) for n in (3, 4)]
            return [one, two, three, *again]

        @workflow("cleans-up")
        def cleans_up(key: str, step: SyncStep) -> str:
            note(f"{key} pass")
            try:
                return step.wait_for(f"go:{key}", str)
            except Exception:
                note(f"{key} exception")
            finally:
                note(f"{key} closed")
                step.run("clean", lambda: note(f"{key} cleaned"))

        @workflow("times-out")
        def times_out(key: str, step: SyncStep) -> str | None:
            return step.wait_for(f"never:{key}", str, timeout=0.05, default="nobody came")

        @workflow("threads")
        def threads(key: str, step: SyncStep) -> list[int]:
            note(f"{key} pass")
            with ThreadPoolExecutor(3) as pool:
                found = list(pool.map(lambda n: step.run(f"double:{n}", double, n), range(3)))
            step.wait_for(f"go:{key}")
            return found

        async def number_of(n: int) -> int:
            return n

        @workflow("many-steps")
        def many_steps(key: str, step: SyncStep) -> int:
            total = sum(step.run("s", number_of, n) for n in range(500))
            step.wait_for(f"go:{key}")
            return total

        @workflow("busy-thread")
        def busy_thread(key: str, step: SyncStep) -> str:
            note(f"{key} pass")
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(step.wait_for, f"go:{key}", str)
                note(f"{key} busy")
                while f"{key} enough" not in notes():
                    time.sleep(0.01)
                return waiting.result()

        @workflow("all-at-once")
        def all_at_once(key: str, step: SyncStep) -> int:
            return step.run("in a thread too", lambda: (note(f"{key} in"), time.sleep(0.05), 1)[2])

        var = contextvars.ContextVar("var", default="unset")

        @workflow("context")
        async def context(payload: None, step: Step) -> list[str]:
            var.set("set")
            return [await step.run("thread", lambda: var.get()),
                    await step.run("name", lambda: threading.current_thread().name)]

        @workflow("fails", retries=0)
        def fails(payload: None, step: SyncStep) -> None:
            raise ValueError("plainly")

        @workflow("forgets-await", retries=0)
        def forgets_await(payload: None, step: SyncStep) -> object:
            return double(1)
    """,
}


async def test_a_plain_handler_has_the_same_steps_and_parks_too(scene: Scene, key: str) -> None:
    run = await tako.enqueue("story", key)
    await scene.noted(f"{key} pass", 2)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}", 3)
    assert await run.result(timeout=60) == [2, 3, 3, 6, 8]


async def test_a_plain_handler_that_leaves_cleans_up_but_takes_no_step(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("cleans-up", key)
    await in_state(run, "waiting")
    await scene.noted(f"{key} closed")
    assert scene.count(f"{key} cleaned") == 0
    await tako.signal(f"go:{key}", "yes")
    assert await run.result(timeout=60) == "yes"
    assert scene.count(f"{key} cleaned") == 1
    assert scene.count(f"{key} exception") == 0


async def test_a_timeout_gives_the_default(scene: Scene, key: str) -> None:
    run = await tako.enqueue("times-out", key)
    assert await run.result(timeout=60) == "nobody came"


async def test_threads_of_a_handler_may_take_steps_of_their_own_names(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("threads", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) == [0, 2, 4]


async def test_a_plain_handler_is_resumed_with_all_its_steps(scene: Scene, key: str) -> None:
    run = await tako.enqueue("many-steps", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    assert await run.result(timeout=60) == sum(range(500))


async def test_a_handler_whose_own_thread_is_busy_stays(scene: Scene, key: str) -> None:
    run = await tako.enqueue("busy-thread", key)
    await scene.noted(f"{key} busy")
    await asyncio.sleep(0.3)  # time enough to be parked by mistake
    assert (await run.status()).state == "running"
    assert (await tako.signal(f"go:{key}", "x")).outcome == "delivered"
    with (scene.app.dir / "notes.log").open("a") as notes:
        notes.write(f"{key} enough\n")
    assert await run.result(timeout=60) == "x"
    assert scene.count(f"{key} pass") == 1


async def test_handlers_in_all_threads_do_not_starve_their_steps(scene: Scene, key: str) -> None:
    runs = await tako.enqueue_many("all-at-once", [key] * 9)
    assert await asyncio.gather(*[run.result(timeout=60) for run in runs]) == [1] * 9


async def test_context_variables_reach_the_thread_of_a_step(scene: Scene) -> None:
    run = await tako.enqueue("context", None)
    value, name = await run.result(timeout=60)
    assert value == "set"
    assert name.startswith("tako-step")


@pytest.mark.parametrize(
    ("workflow", "says"), [("fails", "plainly"), ("forgets-await", "was an `await` forgotten")]
)
async def test_a_plain_handler_fails_like_any_other(scene: Scene, workflow: str, says: str) -> None:
    run = await tako.enqueue(workflow, None)
    with pytest.raises(tako.RunFailed, match=says):
        await run.result(timeout=60)


async def test_nothing_of_this_is_an_error_of_the_worker(scene: Scene) -> None:
    """The last of this module: what the others left behind in the log."""
    assert "Traceback" not in scene.server.log
    assert "never retrieved" not in scene.server.log
