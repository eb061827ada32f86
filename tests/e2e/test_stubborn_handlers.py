"""Handlers that catch everything, clean up around a wait, or do not want to end."""

import tako
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene
from tests.support import in_state

SOON = """
    [defaults]
    cancel_grace = "300ms"

    [groups.default]
    idle_timeout = "200ms"
"""


async def parked_at_no_cost(scene: Scene, handle: "tako.Handle[object]") -> None:
    """The run waits in the store, and nothing of it is left in any process."""
    await in_state(handle, "waiting")
    await scene.no_workers()


async def test_a_handler_that_swallows_base_exception_neither_goes_on_nor_ends_early(
    start: Start,
) -> None:
    scene = start(
        {
            "workflows/swallow.py": """
                from note import note
                from tako import Step, workflow


                @workflow("swallow", retries=0)
                async def swallow(payload: object, step: Step) -> str:
                    answer = None
                    try:
                        answer = await step.wait_for("go")
                    except BaseException as error:
                        note(f"caught {type(error).__name__}")
                    await step.run("after", note, f"after {answer}")
                    return f"answered {answer}"
            """
        },
        toml=SOON,
    )
    handle = await tako.enqueue("swallow")
    await parked_at_no_cost(scene, handle)
    assert scene.notes() == ["caught Parked"]
    await tako.signal("go", "yes")
    assert await handle.result(timeout=60) == "answered yes"
    assert scene.notes() == ["caught Parked", "after yes"]


async def test_a_handler_that_swallows_in_an_endless_loop_is_let_go_and_comes_back(
    start: Start,
) -> None:
    scene = start(
        {
            "workflows/loop.py": """
                from note import note
                from tako import Step, workflow


                @workflow("loop", retries=0)
                async def loop(payload: object, step: Step) -> str:
                    await step.run("before", note, "before")
                    while True:
                        try:
                            return await step.wait_for("go", name="go")
                        except BaseException:
                            continue


                @workflow("decent", retries=0)
                async def decent(payload: object, step: Step) -> str:
                    return await step.run("decent", lambda: "decent")
            """
        },
        toml=SOON,
    )
    handle = await tako.enqueue("loop")
    await in_state(handle, "waiting")
    other = await tako.enqueue("decent")
    assert await other.result(timeout=60) == "decent", "its worker serves others"
    await scene.no_workers()
    await tako.signal("go", "out")
    assert await handle.result(timeout=60) == "out"
    assert scene.notes() == ["before"]


async def test_clean_up_around_a_wait_runs_its_steps_once_and_only_at_the_real_end(
    start: Start,
) -> None:
    scene = start(
        {
            "workflows/clean.py": """
                from collections.abc import AsyncIterator
                from contextlib import asynccontextmanager

                from note import note
                from tako import Step, workflow


                @asynccontextmanager
                async def reserved(step: Step) -> AsyncIterator[None]:
                    await step.run("reserve", note, "reserve")
                    try:
                        yield
                    finally:
                        await step.run("release", note, "release")


                class Connection:
                    async def __aenter__(self) -> "Connection":
                        note("open")
                        return self

                    async def __aexit__(self, *error: object) -> None:
                        note("close")


                @workflow("clean", retries=0)
                async def clean(payload: object, step: Step) -> str:
                    async with Connection(), reserved(step):
                        try:
                            answer = await step.wait_for("go")
                        finally:
                            await step.run("tidy", note, "tidy")
                        note("between")
                    return answer
            """
        },
        toml=SOON,
    )
    handle = await tako.enqueue("clean")
    await parked_at_no_cost(scene, handle)
    assert scene.notes() == ["open", "reserve", "close"], "memory is cleaned up, steps are not run"
    await tako.signal("go", "done")
    assert await handle.result(timeout=60) == "done"
    second = ["open", "tidy", "between", "release", "close"]
    assert scene.notes() == ["open", "reserve", "close", *second]


CANCELLED = """
    import asyncio
    import time

    from note import note, notes
    from tako import Step, SyncStep, workflow


    @workflow("decent", retries=0)
    async def decent(payload: object, step: Step) -> str:
        try:
            note("started")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("cancelled")
            raise
        finally:
            note("finally")
            await step.run("too-late", note, "too-late")
        return "never"


    @workflow("stubborn", retries=0)
    async def stubborn(payload: object, step: Step) -> str:
        note("started")
        while "open" not in notes():
            try:
                await asyncio.sleep(0.02)
            except BaseException:
                note("ignored")
        await step.run("too-late", note, "too-late")
        return "never"


    @workflow("in-step", retries=0)
    async def in_step(payload: object, step: Step) -> str:
        return await step.run("body", body)


    async def body() -> str:
        note("started")
        try:
            await asyncio.sleep(60)
        finally:
            note("finally")
        return "never"


    @workflow("plain", retries=0)
    def plain(payload: object, step: SyncStep) -> str:
        note("started")
        while "open" not in notes():
            time.sleep(0.01)
        step.run("too-late", note, "too-late")
        return "never"


    @workflow("quick", retries=0)
    async def quick(payload: str, step: Step) -> str:
        return await step.run("quick", lambda: payload)
"""


async def cancelled(start: Start, name: str) -> Scene:
    scene = start({"workflows/cancelled.py": CANCELLED}, toml=SOON)
    handle = await tako.enqueue(name)
    await scene.noted("started")
    assert await handle.cancel("not wanted")
    run = await handle.status()
    assert (run.state, run.reason) == ("cancelled", "not wanted"), "durable at once"
    return scene


async def test_a_running_handler_gets_cancelled_error_and_its_finally_runs(start: Start) -> None:
    scene = await cancelled(start, "decent")
    await scene.noted("finally")
    await scene.no_workers()
    assert scene.notes() == ["started", "cancelled", "finally"]


async def test_the_body_of_a_running_step_is_cancelled_with_its_run(start: Start) -> None:
    scene = await cancelled(start, "in-step")
    await scene.noted("finally")
    await scene.no_workers()
    assert scene.notes() == ["started", "finally"]


async def test_a_handler_that_ignores_its_cancel_is_let_go_after_the_grace(start: Start) -> None:
    scene = await cancelled(start, "stubborn")
    await scene.noted("ignored")
    scene.server.wait_log("it is let go")
    handle = await tako.enqueue("quick", "x")
    assert await handle.result(timeout=60) == "x"
    scene.note("open")
    await scene.no_workers()
    assert "too-late" not in scene.notes()


async def test_a_plain_handler_that_never_looks_up_holds_up_nobody_when_it_is_cancelled(
    start: Start,
) -> None:
    scene = await cancelled(start, "plain")
    handle = await tako.enqueue("quick", "x")
    assert await handle.result(timeout=60) == "x"
    scene.note("open")
    await scene.no_workers()
    assert "too-late" not in scene.notes()


async def test_a_step_that_raises_base_exceptions_fails_its_run_and_not_its_worker(
    start: Start,
) -> None:
    scene = start(
        {
            "workflows/rude.py": """
                import sys

                from tako import Step, workflow


                class Rude(BaseException):
                    pass


                def leave() -> None:
                    sys.exit(3)


                async def interrupt() -> None:
                    raise KeyboardInterrupt


                async def rude() -> None:
                    raise Rude("no manners")


                BODIES = {"exit": leave, "interrupt": interrupt, "rude": rude}


                @workflow("rude", retries=0)
                async def handler(how: str, step: Step) -> None:
                    if how == "handler":
                        raise Rude("from the handler")
                    await step.run("body", BODIES[how])
            """
        },
        toml=SOON,
    )
    told = {}
    for how in ("exit", "interrupt", "rude", "handler"):
        handle = await tako.enqueue("rude", how)
        try:
            await handle.result(timeout=60)
        except tako.RunFailed as failure:
            told[how] = failure.type
        assert (await handle.status()).strikes == 0
    assert told == {
        "exit": "SystemExit",
        "interrupt": "KeyboardInterrupt",
        "rude": "workflows.rude.Rude",
        "handler": "workflows.rude.Rude",
    }
    assert "killed" not in scene.server.log
