"""What fails: in a step, in a handler, for now, for this attempt, or for good."""

import msgspec
import pytest

import tako
from tests.e2e.scene import Scene
from tests.support import in_state

FILES = {
    "shop_errors.py": """
        class CardDeclined(Exception):
            def __init__(self, code, text):
                super().__init__(f"declined: {text}")
                self.code = code
        """,
    "workflows/fails.py": """
        import asyncio
        import sys
        import time
        from datetime import timedelta
        from note import note, notes
        from shop_errors import CardDeclined
        from tako import Step, StepFailed, SyncStep, workflow
        from tako.errors import Bailed
        from tako.retry import Backoff

        SOON = 0.01

        @workflow("fails-thrice", retries=2, backoff=SOON)
        async def fails_thrice(key: str, step: Step) -> int:
            note(f"{key} attempt {step.attempt}")
            if step.attempt < 3:
                raise RuntimeError(f"no {step.attempt}")
            return step.attempt

        @workflow("always-fails", retries=2, backoff=SOON)
        async def always_fails(key: str, step: Step) -> None:
            note(f"{key} attempt")
            raise RuntimeError("never any good")

        @workflow("step-retries", retries=0)
        async def step_retries(key: str, step: Step) -> int:
            async def flaky() -> int:
                note(f"{key} try")
                if notes().count(f"{key} try") < 3:
                    raise OSError(5, "flaky")
                return 7
            return await step.run("flaky", flaky, retries=2, backoff=SOON)

        @workflow("final-step", retries=5, backoff=SOON)
        async def final_step(key: str, step: Step) -> None:
            async def bad() -> None:
                note(f"{key} try")
                raise ValueError("final")
            try:
                await step.run("bad", bad, retry=False)
            except ValueError as error:
                raise RuntimeError("wrapped") from error

        async def declined() -> None:
            note("declined")
            raise CardDeclined(51, "no money")

        def local_error():
            class Local(Exception):
                pass
            async def body():
                raise Local("only here")
            return body

        @workflow("remembers", retries=1, backoff=SOON)
        async def remembers(key: str, step: Step) -> str:
            async def decline() -> None:
                note(f"{key} body")
                raise CardDeclined(51, "no money")
            try:
                await step.run("charge", decline)
            except CardDeclined as error:
                seen = f"{type(error).__name__} {error.code} {error}"
            note(f"{key} saw {seen}")
            await step.wait_for(f"go:{key}")
            if step.attempt == 1:
                raise RuntimeError("again")
            return seen

        @workflow("remembers-local")
        async def remembers_local(key: str, step: Step) -> str:
            try:
                await step.run("it", local_error())
            except StepFailed as error:
                return str(error)
            except Exception as error:
                seen = type(error).__name__
            await step.wait_for(f"go:{key}")
            return seen

        @workflow("exits", retries=1, backoff=SOON)
        async def exits(how: str, step: Step) -> str:
            if step.attempt == 2:
                return "lived"
            def leave():
                sys.exit("bye")
            if how == "handler":
                sys.exit("bye")
            if how == "task":
                async def inner():
                    sys.exit("bye")
                await asyncio.create_task(inner())
            if how == "interrupt":
                raise KeyboardInterrupt
            if how == "stop iteration":
                await step.run("next", next, iter(()))
            await step.run("leave", leave)

        @workflow("cancels-itself", retries=0)
        async def cancels_itself(payload: None, step: Step) -> None:
            raise asyncio.CancelledError

        @workflow("slow-step", retries=0)
        async def slow_step(how: str, step: Step) -> str:
            async def slow():
                await asyncio.sleep(30)
            def slow_thread():
                time.sleep(0.4)
            try:
                await step.run("slow", slow if how == "async" else slow_thread, timeout=0.05)
            except TimeoutError as error:
                return str(error)
            return "not reached"

        @workflow("bails")
        async def bails(how: str, step: Step) -> str:
            try:
                if how == "group":
                    async with asyncio.TaskGroup() as group:
                        group.create_task(bail_soon(step))
                        group.create_task(step.wait_for("never"))
                elif how == "gather":
                    await asyncio.gather(bail_soon(step), step.wait_for("never"))
                elif how == "body":
                    await step.run("body", bail_soon, step)
                elif how == "swallowed":
                    try:
                        step.bail("enough")
                    except BaseException:
                        pass
                else:
                    step.bail("enough")
            except Exception:
                note("a bail was caught as an Exception")
            finally:
                await step.run("clean", clean, how)
            return "not reached"

        async def bail_soon(step):
            step.bail("enough")

        async def clean(how: str) -> None:
            note(f"{how} cleaned")

        @workflow("fails-for-good", retries=5)
        async def fails_for_good(how: str, step: Step) -> None:
            note(f"{how} tried")
            step.fail("out of stock" if how == "text" else ValueError("out of stock"))

        @workflow("fails-for-good-sync", retries=5)
        def fails_for_good_sync(payload: None, step: SyncStep) -> None:
            step.fail("out of stock")

        @workflow("long-error", retries=0)
        async def long_error(payload: None, step: Step) -> None:
            def deep(n):
                return deep(n - 1) if n else 1 / 0
            deep(200)

        @workflow("bad-options", retries=0)
        async def bad_options(payload: None, step: Step) -> None:
            await step.run("x", clean, "x", retries=2, retry=False)
    """,
}


async def test_a_failed_attempt_is_tried_again_as_often_as_the_workflow_says(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("fails-thrice", key)
    assert await run.result(timeout=60) == 3
    assert [scene.count(f"{key} attempt {n}") for n in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize(("given", "attempts"), [(None, 3), (0, 1), (4, 5)])
async def test_retries_of_the_run_replace_those_of_the_workflow(
    scene: Scene, key: str, given: int | None, attempts: int
) -> None:
    run = await tako.enqueue("always-fails", key, retries=given)
    with pytest.raises(tako.RunFailed, match="never any good") as caught:
        await run.result(timeout=60)
    assert scene.count(f"{key} attempt") == attempts
    assert "fails.py" in caught.value.traceback
    assert "tako/worker" not in caught.value.traceback


async def test_a_step_is_tried_again_in_place(scene: Scene, key: str) -> None:
    run = await tako.enqueue("step-retries", key)
    assert await run.result(timeout=60) == 7
    assert scene.count(f"{key} try") == 3


async def test_the_failure_of_a_step_with_retry_false_is_final_for_the_run(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("final-step", key)
    with pytest.raises(tako.RunFailed, match="wrapped"):
        await run.result(timeout=60)
    assert scene.count(f"{key} try") == 1


async def test_a_caught_failure_is_remembered_for_its_attempt_with_type_and_attributes(
    scene: Scene, key: str
) -> None:
    saw = f"{key} saw CardDeclined 51 declined: no money"
    run = await tako.enqueue("remembers", key)
    await in_state(run, "waiting")
    assert scene.count(saw) == 1
    await tako.signal(f"go:{key}")  # the second pass remembers, then its attempt fails
    await scene.noted(f"{key} body", 2)  # the second attempt tries it again
    assert await run.result(timeout=60) == "CardDeclined 51 declined: no money"
    assert scene.count(f"{key} body") == 2
    assert scene.count(saw) == 3


async def test_a_remembered_failure_whose_type_is_gone_is_a_step_failed(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("remembers-local", key)
    await in_state(run, "waiting")
    await tako.signal(f"go:{key}")
    told = await run.result(timeout=60)
    assert told.startswith("step 'it' failed before: workflows.fails.local_error.<locals>.Local")
    assert told.endswith("only here")


@pytest.mark.parametrize("how", ["handler", "step", "task", "interrupt", "stop iteration"])
async def test_an_exit_of_the_user_s_code_fails_its_attempt_and_not_the_worker(
    scene: Scene, how: str
) -> None:
    before = scene.workers()
    run = await tako.enqueue("exits", how)
    assert await run.result(timeout=60) == "lived"
    after = await run.status()
    assert (after.attempt, after.strikes) == (2, 0)
    assert not before or scene.workers() == before


async def test_a_handler_that_cancels_itself_has_failed(scene: Scene) -> None:
    run = await tako.enqueue("cancels-itself", None)
    with pytest.raises(tako.RunFailed, match="cancelled by its own code"):
        await run.result(timeout=60)


@pytest.mark.parametrize("how", ["async", "thread"])
async def test_a_step_over_its_timeout_raises_a_timeout_error_that_names_it(
    scene: Scene, how: str
) -> None:
    run = await tako.enqueue("slow-step", how)
    assert await run.result(timeout=60) == "step 'slow' took longer than 0.05 s"


@pytest.mark.parametrize("how", ["plain", "group", "gather", "body", "swallowed"])
async def test_a_bail_ends_the_run_cancelled_from_anywhere_after_its_clean_up(
    scene: Scene, how: str
) -> None:
    run = await tako.enqueue("bails", how)
    with pytest.raises(tako.RunCancelled, match="enough"):
        await run.result(timeout=60)
    assert scene.count(f"{how} cleaned") == 1
    assert scene.count("a bail was caught as an Exception") == 0


@pytest.mark.parametrize(
    ("workflow", "payload", "type_"),
    [
        ("fails-for-good", "text", "Failed"),
        ("fails-for-good", "exception", "ValueError"),
        ("fails-for-good-sync", None, "Failed"),
    ],
)
async def test_fail_ends_the_run_without_another_attempt(
    scene: Scene, workflow: str, payload: object, type_: str
) -> None:
    run = await tako.enqueue(workflow, payload)
    with pytest.raises(tako.RunFailed, match="out of stock") as caught:
        await run.result(timeout=60)
    assert caught.value.type == type_
    assert (await run.status()).attempt == 1


async def test_the_traceback_of_an_error_is_cut_to_its_end(scene: Scene) -> None:
    run = await tako.enqueue("long-error", None)
    with pytest.raises(tako.RunFailed, match="division by zero") as caught:
        await run.result(timeout=60)
    assert len(caught.value.traceback) <= 8192
    assert caught.value.traceback.rstrip().endswith("ZeroDivisionError: division by zero")


async def test_options_that_contradict_one_another_are_refused(scene: Scene) -> None:
    run = await tako.enqueue("bad-options", None)
    with pytest.raises(tako.RunFailed, match="contradict"):
        await run.result(timeout=60)
    error = msgspec.json.decode((await run.status()).error or "")
    assert error["type"] == "tako.errors.StepError"
