"""When a run leaves its worker: all of it waits; and when it does not: part of it is busy."""

import asyncio

import pytest

import tako
from tests.e2e.scene import Scene
from tests.support import in_state, tako_json, wait_until

FILES = {
    "workflows/waits.py": """
        import asyncio
        import contextlib
        from note import note
        from tako import Step, workflow

        async def both_in_gather(key, step):
            return await asyncio.gather(
                step.wait_for(f"a:{key}", int), step.wait_for(f"b:{key}", int))

        async def both_in_a_group(key, step):
            async with asyncio.TaskGroup() as group:
                one = group.create_task(step.wait_for(f"a:{key}", int))
                two = group.create_task(step.wait_for(f"b:{key}", int))
            return [one.result(), two.result()]

        async def both_in_wait(key, step):
            tasks = [asyncio.create_task(step.wait_for(f"{n}:{key}", int)) for n in "ab"]
            await asyncio.wait(tasks)
            return [task.result() for task in tasks]

        async def both_as_completed(key, step):
            waits = [step.wait_for(f"{n}:{key}", int) for n in "ab"]
            return sorted([await done for done in asyncio.as_completed(waits)])

        async def behind_a_lock(key, step):
            lock = asyncio.Lock()
            async def locked(name):
                async with lock:
                    return await step.wait_for(f"{name}:{key}", int)
            return await asyncio.gather(locked("a"), locked("b"))

        async def through_a_queue(key, step):
            queue = asyncio.Queue()
            async def producer():
                for name in "ab":
                    await queue.put(await step.wait_for(f"{name}:{key}", int))
            task = asyncio.create_task(producer())
            got = [await queue.get(), await queue.get()]
            await task
            return got

        async def behind_an_event(key, step):
            event = asyncio.Event()
            async def first():
                try:
                    return await step.wait_for(f"a:{key}", int)
                finally:
                    event.set()
            async def second():
                await event.wait()
                return await step.wait_for(f"b:{key}", int)
            return await asyncio.gather(first(), second())

        async def behind_a_condition(key, step):
            condition, have = asyncio.Condition(), []
            async def producer():
                for name in "ab":
                    value = await step.wait_for(f"{name}:{key}", int)
                    async with condition:
                        have.append(value)
                        condition.notify_all()
            task = asyncio.create_task(producer())
            async with condition:
                await condition.wait_for(lambda: len(have) == 2)
            await task
            return have

        async def behind_a_semaphore(key, step):
            places = asyncio.Semaphore(1)
            async def placed(name):
                async with places:
                    return await step.wait_for(f"{name}:{key}", int)
            return await asyncio.gather(placed("a"), placed("b"))

        async def on_another_task(key, step):
            async def inner():
                return await step.wait_for(f"a:{key}", int)
            task = asyncio.create_task(inner())
            return [await task, await step.wait_for(f"b:{key}", int)]

        async def in_an_async_generator(key, step):
            async def values():
                for name in "ab":
                    yield await step.wait_for(f"{name}:{key}", int)
            return [value async for value in values()]

        async def in_an_exit_stack(key, step):
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(asyncio.sleep, 0)
                return [await step.wait_for(f"{n}:{key}", int) for n in "ab"]

        SHAPES = {name: shape for name, shape in globals().items()
                  if name.split("_")[0] in ("both", "behind", "through", "on", "in")}

        @workflow("shape")
        async def shape(payload: dict, step: Step) -> list[int]:
            note(f"{payload['key']} pass")
            return await SHAPES[payload["shape"]](payload["key"], step)

        async def plain_io(key, step):
            async def io():
                while not note_was_made(key):
                    await asyncio.sleep(0.01)
                return "io"
            return await asyncio.gather(step.wait_for(f"a:{key}", str), io())

        async def a_deadline_of_asyncio(key, step):
            try:
                async with asyncio.timeout(0.5):
                    return [await step.wait_for(f"a:{key}", str)]
            except TimeoutError:
                return ["timed out"]

        async def a_wait_with_a_timeout(key, step):
            task = asyncio.create_task(step.wait_for(f"a:{key}", str))
            done, pending = await asyncio.wait([task], timeout=0.5)
            for task in pending:
                task.cancel()
            return ["timed out"] if pending else [task.result()]

        async def a_timer_of_its_own(key, step):
            event = asyncio.Event()
            asyncio.get_running_loop().call_later(0.5, event.set)
            task = asyncio.create_task(step.wait_for(f"a:{key}", str))
            await event.wait()
            task.cancel()
            return ["timed out"]

        async def a_thread(key, step):
            import time
            def work():
                while not note_was_made(key):
                    time.sleep(0.01)
                return "thread"
            return await asyncio.gather(
                step.wait_for(f"a:{key}", str), asyncio.to_thread(work))

        GLOBAL = {}

        async def a_lock_of_the_whole_worker(key, step):
            async def locked():
                async with GLOBAL["lock"]:
                    return "locked"
            return await asyncio.gather(step.wait_for(f"a:{key}", str), locked())

        def note_was_made(key):
            from note import notes
            return f"{key} go on" in notes()

        BUSY = {name: shape for name, shape in globals().items()
                if name in ("plain_io", "a_timer_of_its_own",
                            "a_deadline_of_asyncio", "a_wait_with_a_timeout",
                            "a_thread", "a_lock_of_the_whole_worker")}

        @workflow("busy")
        async def busy(payload: dict, step: Step) -> list[str]:
            note(f"{payload['key']} pass")
            return await BUSY[payload["shape"]](payload["key"], step)

        @workflow("holds-the-lock")
        async def holds(key: str, step: Step) -> None:
            lock = GLOBAL["lock"] = GLOBAL.get("lock") or asyncio.Lock()
            async with lock:
                note(f"{key} holds")
                while not note_was_made(key):
                    await asyncio.sleep(0.01)

        @workflow("race")
        async def race(key: str, step: Step) -> str:
            tasks = {n: asyncio.create_task(step.wait_for(f"{n}:{key}", str)) for n in "ab"}
            done, pending = await asyncio.wait(
                tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await step.wait_for(f"end:{key}")
            return done.pop().result()

        @workflow("cleans-up")
        async def cleans_up(key: str, step: Step) -> str:
            note(f"{key} pass")
            try:
                async with resource(key):
                    answer = await step.wait_for(f"a:{key}", str)
                    note(f"{key} answered")
                    return answer
            except Exception:
                note(f"{key} exception")
                raise
            finally:
                await step.run("clean", cleaned, key)

        @contextlib.asynccontextmanager
        async def resource(key):
            try:
                yield
            finally:
                await asyncio.sleep(0.01)
                note(f"{key} closed")

        async def cleaned(key):
            note(f"{key} cleaned")

        @workflow("swallows")
        async def swallows(key: str, step: Step) -> str:
            note(f"{key} pass")
            while True:
                try:
                    return await step.wait_for(f"a:{key}", str)
                except BaseException:
                    note(f"{key} swallowed")

        @workflow("loops")
        async def loops(key: str, step: Step) -> list[int]:
            note(f"{key} pass")
            return [await step.wait_for(f"a:{key}", int) for _ in range(3)]

        @workflow("sleeps")
        async def sleeps(key: str, step: Step) -> str:
            note(f"{key} pass")
            await step.sleep("nap", 0.05)
            await asyncio.gather(step.sleep("one", 0.05), step.sleep("two", "80ms"))
            return "rested"

        @workflow("fails-beside", retries=1, backoff=0.01)
        async def fails_beside(key: str, step: Step) -> str | None:
            from note import notes
            async def fail():
                while f"{key} fail" not in notes():
                    await asyncio.sleep(0.01)
                raise RuntimeError("beside")
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(step.wait_for(f"a:{key}", str, timeout="1h"))
                if step.attempt == 1:
                    group.create_task(fail())
            return waiting.result()

        @workflow("asks-less")
        async def asks_less(key: str, step: Step) -> str:
            waits = [step.wait_for(f"a:{key}", str)]
            from note import notes
            if f"{key} changed" not in notes():
                waits.append(step.wait_for(f"b:{key}", str))
            note(f"{key} pass")
            first, *_ = await asyncio.gather(*waits)
            await step.wait_for(f"end:{key}")
            return first
    """,
}

SHAPES = [
    "both_in_gather",
    "both_in_a_group",
    "both_in_wait",
    "both_as_completed",
    "behind_a_lock",
    "through_a_queue",
    "behind_an_event",
    "behind_a_condition",
    "behind_a_semaphore",
    "on_another_task",
    "in_an_async_generator",
    "in_an_exit_stack",
]


def tell(scene: Scene, line: str) -> None:
    """What a handler under test looks for in the notes."""
    with (scene.app.dir / "notes.log").open("a") as notes:
        notes.write(f"{line}\n")


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_run_whose_tasks_all_wait_is_parked_and_goes_on(
    scene: Scene, key: str, shape: str
) -> None:
    run = await tako.enqueue("shape", {"shape": shape, "key": key})
    await in_state(run, "waiting")
    await tako.signal(f"a:{key}", 1)
    await scene.noted(f"{key} pass", 2)
    await in_state(run, "waiting")
    await tako.signal(f"b:{key}", 2)
    assert await run.result(timeout=60) == [1, 2]
    assert scene.count(f"{key} pass") == 3


@pytest.mark.parametrize("shape", ["plain_io", "a_thread"])
async def test_a_run_that_is_busy_in_a_branch_stays_and_takes_the_signal_in_memory(
    scene: Scene, key: str, shape: str
) -> None:
    run = await tako.enqueue("busy", {"shape": shape, "key": key})
    await scene.noted(f"{key} pass")
    await asyncio.sleep(0.3)  # time enough to be parked by mistake
    assert (await run.status()).state == "running"
    sent = await tako.signal(f"a:{key}", "heard")
    assert sent.outcome == "delivered"
    tell(scene, f"{key} go on")
    assert (await run.result(timeout=60))[0] == "heard"
    assert scene.count(f"{key} pass") == 1


@pytest.mark.parametrize("shape", ["plain_io", "a_thread"])
async def test_a_run_is_parked_as_soon_as_its_busy_branch_is_done(
    scene: Scene, key: str, shape: str
) -> None:
    run = await tako.enqueue("busy", {"shape": shape, "key": key})
    await scene.noted(f"{key} pass")
    tell(scene, f"{key} go on")
    await in_state(run, "waiting")
    await tako.signal(f"a:{key}", "heard")
    assert (await run.result(timeout=60))[0] == "heard"


@pytest.mark.parametrize(
    "shape", ["a_deadline_of_asyncio", "a_wait_with_a_timeout", "a_timer_of_its_own"]
)
async def test_a_deadline_of_asyncio_around_a_wait_is_kept(
    scene: Scene, key: str, shape: str
) -> None:
    run = await tako.enqueue("busy", {"shape": shape, "key": key})
    assert await run.result(timeout=60) == ["timed out"]
    assert scene.count(f"{key} pass") == 1
    assert (await tako.signal(f"a:{key}", "late")).outcome == "buffered"


async def test_a_lock_that_another_run_holds_does_not_count_as_waiting(
    scene: Scene, key: str
) -> None:
    await tako.enqueue("holds-the-lock", key)
    await scene.noted(f"{key} holds")
    run = await tako.enqueue("busy", {"shape": "a_lock_of_the_whole_worker", "key": key})
    await scene.noted(f"{key} pass")
    await asyncio.sleep(0.3)  # time enough to be parked by mistake
    assert (await run.status()).state == "running"
    tell(scene, f"{key} go on")
    await in_state(run, "waiting")
    await tako.signal(f"a:{key}", "x")
    assert await run.result(timeout=60) == ["x", "locked"]


async def test_a_wait_that_lost_a_race_is_given_up(scene: Scene, key: str) -> None:
    run = await tako.enqueue("race", key)
    await in_state(run, "waiting")
    await tako.signal(f"b:{key}", "won")
    await asyncio.sleep(0.05)
    await in_state(run, "waiting")
    assert (await tako.signal(f"a:{key}", "late")).outcome == "buffered"
    await tako.signal(f"end:{key}")
    assert await run.result(timeout=60) == "won"


async def test_clean_up_around_a_wait_runs_on_leaving_and_its_steps_do_not(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("cleans-up", key)
    await in_state(run, "waiting")
    await scene.noted(f"{key} closed")
    assert scene.count(f"{key} cleaned") == 0
    await tako.signal(f"a:{key}", "yes")
    assert await run.result(timeout=60) == "yes"
    assert scene.count(f"{key} cleaned") == 1
    assert scene.count(f"{key} exception") == 0


async def test_a_handler_that_swallows_everything_is_parked_all_the_same(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("swallows", key)
    await in_state(run, "waiting")
    await tako.signal(f"a:{key}", "yes")
    assert await run.result(timeout=60) == "yes"
    assert scene.count(f"{key} pass") == 2


async def test_an_event_in_a_loop_is_waited_for_anew_each_time(scene: Scene, key: str) -> None:
    run = await tako.enqueue("loops", key)
    for number in range(3):
        await in_state(run, "waiting")
        await scene.noted(f"{key} pass", number + 1)
        await tako.signal(f"a:{key}", number)
    assert await run.result(timeout=60) == [0, 1, 2]


async def test_early_signals_are_taken_in_order_by_a_loop(scene: Scene, key: str) -> None:
    for number in range(3):
        assert (await tako.signal(f"a:{key}", number)).outcome == "buffered"
    run = await tako.enqueue("loops", key)
    assert await run.result(timeout=60) == [0, 1, 2]


async def test_a_run_sleeps_without_a_worker_and_each_sleep_once(scene: Scene, key: str) -> None:
    run = await tako.enqueue("sleeps", key)
    assert await run.result(timeout=60) == "rested"
    assert scene.count(f"{key} pass") >= 3


async def test_a_deadline_counts_on_through_an_attempt_that_fails(scene: Scene, key: str) -> None:
    run = await tako.enqueue("fails-beside", key)

    async def waits() -> list[dict[str, object]]:
        listed = (await asyncio.to_thread(tako_json, scene.app, "waits"))["waits"]
        return [wait for wait in listed if wait["run_id"] == run.id]

    (before,) = await wait_until(waits)
    tell(scene, f"{key} fail")
    await in_state(run, "waiting")
    assert (await run.status()).attempt == 2
    (after,) = await waits()
    assert after["deadline"] == before["deadline"]
    await tako.signal(f"a:{key}", "in time")
    assert await run.result(timeout=60) == "in time"


async def test_a_wait_the_code_no_longer_asks_for_is_given_up(scene: Scene, key: str) -> None:
    run = await tako.enqueue("asks-less", key)
    await in_state(run, "waiting")
    tell(scene, f"{key} changed")
    await tako.signal(f"a:{key}", "x")
    await scene.noted(f"{key} pass", 2)
    await in_state(run, "waiting")
    assert (await tako.signal(f"b:{key}", "nobody")).outcome == "buffered"
    await tako.signal(f"end:{key}")
    assert await run.result(timeout=60) == "x"


async def test_no_unwinding_is_reported_as_an_error_that_nobody_has_seen(scene: Scene) -> None:
    """The last of this module: what the others left behind in the log."""
    assert "never retrieved" not in scene.server.log
    assert "Traceback" not in scene.server.log
