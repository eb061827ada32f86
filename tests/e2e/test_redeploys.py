"""The code changes while runs are parked: `deploy` rewrites it when no worker is up."""

import pytest

import tako
from tako import Handle
from tako.errors import RunFailed
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene
from tests.support import in_state, tako_json
from tests.support import tako as command

SOON_IDLE = """
    [groups.default]
    idle_timeout = "200ms"
"""

HEAD = """
    from datetime import timedelta
    from typing import Any

    from note import note
    from tako import Step, workflow


    def noted(name: str, result: str) -> str:
        note(name)
        return result


    @workflow("order", retries=0)
    async def order(payload: str, step: Step) -> list[Any]:
"""
FIRST = """
        one = await step.run("one", noted, "one", "1")
        two = await step.run("two", noted, "two", "2")
        go = await step.wait_for("go")
        three = await step.run("three", noted, "three", "3")
        return [one, two, go, three]
"""


async def parked(start: Start, body: str = FIRST) -> tuple[Scene, Handle[object]]:
    scene = start({"workflows/order.py": HEAD + body}, toml=SOON_IDLE)
    handle = await tako.enqueue("order", "x")
    await in_state(handle, "waiting")
    await scene.no_workers()
    return scene, handle


async def deploy(scene: Scene, body: str) -> None:
    scene.write({"workflows/order.py": HEAD + body})


async def test_steps_that_were_added_run_and_saved_ones_do_not(start: Start) -> None:
    scene, handle = await parked(start)
    await deploy(
        scene,
        """
        zero = await step.run("zero", noted, "zero", "0")
        one = await step.run("one", noted, "one", "other")
        two = await step.run("two", noted, "two", "other")
        go = await step.wait_for("go")
        three = await step.run("three", noted, "three", "3")
        four = await step.run("four", noted, "four", "4")
        return [zero, one, two, go, three, four]
        """,
    )
    await tako.signal("go", "!")
    assert await handle.result(timeout=60) == ["0", "1", "2", "!", "3", "4"]
    assert scene.notes() == ["one", "two", "zero", "three", "four"]


async def test_steps_that_were_removed_or_reordered_change_nothing_that_is_saved(
    start: Start,
) -> None:
    scene, handle = await parked(start)
    await deploy(
        scene,
        """
        three = await step.run("three", noted, "three", "3")
        go = await step.wait_for("go")
        two = await step.run("two", noted, "two", "other")
        return [three, go, two]
        """,
    )
    await tako.signal("go", "!")
    assert await handle.result(timeout=60) == ["3", "!", "2"]
    assert scene.notes() == ["one", "two", "three"]


async def test_a_renamed_step_runs_again_under_its_new_name(start: Start) -> None:
    scene, handle = await parked(start)
    await deploy(scene, FIRST.replace('"one", noted, "one", "1"', '"uno", noted, "uno", "I"'))
    await tako.signal("go", "!")
    assert await handle.result(timeout=60) == ["I", "2", "!", "3"]
    assert scene.notes() == ["one", "two", "uno", "three"]


async def test_a_saved_step_of_another_kind_is_a_clear_error_and_a_rerun_after_the_mend_goes_on(
    start: Start,
) -> None:
    scene, handle = await parked(start)
    await deploy(
        scene,
        """
        one = await step.run("one", noted, "one", "1")
        await step.sleep("two", timedelta(seconds=1))
        go = await step.wait_for("go")
        return [one, go]
        """,
    )
    await tako.signal("go", "!")
    with pytest.raises(RunFailed) as failure:
        await handle.result(timeout=60)
    assert "'two'" in str(failure.value)
    assert "step.run" in str(failure.value)
    assert "step.sleep" in str(failure.value)

    await scene.no_workers()
    await deploy(scene, FIRST)
    await tako.rerun(handle.id)
    assert await handle.result(timeout=60) == ["1", "2", "!", "3"]
    assert scene.notes() == ["one", "two", "three"]


async def test_a_wait_that_became_a_step_is_a_clear_error(start: Start) -> None:
    scene, handle = await parked(start)
    await deploy(
        scene,
        """
        one = await step.run("one", noted, "one", "1")
        go = await step.run("go", noted, "go", "?")
        return [one, go]
        """,
    )
    await tako.signal("go", "!")
    with pytest.raises(RunFailed, match=r"wait_for"):
        await handle.result(timeout=60)
    assert "go" not in scene.notes()


async def test_a_run_that_woke_to_another_wait_leaves_nothing_of_the_old_one(start: Start) -> None:
    scene, handle = await parked(
        start,
        """
        first = await step.wait_for("old", name="answer", timeout=timedelta(days=1))
        go = await step.wait_for("go")
        return [first, go]
        """,
    )
    await deploy(
        scene,
        """
        first = await step.wait_for("new", name="answer", timeout=timedelta(days=9))
        go = await step.wait_for("go")
        return [first, go]
        """,
    )
    (before,) = tako_json(scene.app, "waits")["waits"]
    # Nothing has woken it: the old wait still stands, and its answer counts.
    sent = await tako.signal("old", "old answer")
    assert sent.outcome == "delivered"
    await in_state(handle, "waiting")
    (now,) = tako_json(scene.app, "waits")["waits"]
    assert (before["event"], now["event"]) == ("old", "go")
    await tako.signal("go", "!")
    assert await handle.result(timeout=60) == ["old answer", "!"]


async def test_a_renamed_workflow_keeps_its_runs_until_it_is_put_back(start: Start) -> None:
    scene, handle = await parked(start)
    renamed = (HEAD + FIRST).replace('@workflow("order"', '@workflow("bestellung"')
    scene.write({"workflows/order.py": renamed})
    await tako.signal("go", "!")
    scene.server.wait_log("no loaded module can execute: order")
    assert (await handle.status()).state == "pending"
    shown = command(scene.app, "runs", "show", handle.id).stdout
    assert "renamed or removed" in shown, shown
    other = await tako.enqueue("bestellung", "x")
    await in_state(other, "waiting")
    await scene.no_workers()

    scene.write({"workflows/order.py": HEAD + FIRST})
    assert await handle.result(timeout=60) == ["1", "2", "!", "3"]
    assert scene.count("one") == 2, "once for each of the two runs"


async def test_runs_of_a_removed_workflow_can_be_cancelled(start: Start) -> None:
    scene, handle = await parked(start)
    scene.write(
        {
            "workflows/order.py": "",
            "workflows/other.py": (HEAD + FIRST).replace('@workflow("order"', '@workflow("other"'),
        }
    )
    await tako.signal("go", "!")
    scene.server.wait_log("no loaded module can execute: order")
    done = command(scene.app, "runs", "cancel", handle.id, "--reason", "gone")
    assert done.returncode == 0
    assert (await handle.status()).state == "cancelled"
