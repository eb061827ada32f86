"""`step.log`: what a handler logs is kept with its run, in order, once, and not without end."""

import asyncio

import pytest

import tako
from tako.commands import ListLogs, LogPage
from tako.config import load_app
from tako.errors import RunFailed
from tako.model import LogLine
from tako.reach import ask
from tests.e2e.scene import Scene
from tests.support import in_state, wait_until
from tests.support import tako as command

FILES = {
    "workflows/logs.py": """
        import asyncio
        import logging
        from typing import Any
        from note import note, notes
        from tako import Step, SyncStep, workflow

        @workflow("talks")
        async def talks(payload: str, step: Step) -> str:
            step.log.debug("not kept")
            step.log.info("first of %s", payload)
            logging.getLogger("tako.run.talks").warning("of another logger")
            await step.run("work", lambda: step.log.warning("from a thread"))
            await step.wait_for(payload)
            step.log.error("after the wait")
            return "done"

        @workflow("plain")
        def plain(payload: str, step: SyncStep) -> None:
            step.log.info("in a plain handler")
            step.run("work", str, 1)
            step.log.info("at its end")

        @workflow("breaks", retries=1, backoff=0)
        async def breaks(payload: str, step: Step) -> None:
            try:
                raise ValueError("the cause")
            except ValueError:
                step.log.exception("it broke")
            step.log.info("%d is no number", "this")
            raise RuntimeError

        @workflow("calls", retries=0, backoff="1s")
        async def calls(payload: str, step: Step) -> None:
            step.log("as a function")

        @workflow("long")
        async def long(payload: dict[str, Any], step: Step) -> None:
            for number in range(payload["lines"]):
                step.log.info(f"{number} " + "x" * payload["size"])

        @workflow("slow")
        async def slow(payload: str, step: Step) -> None:
            async def body() -> None:
                step.log.info("begun")
                while payload not in notes():
                    await asyncio.sleep(0.02)
            await step.run("body", body)
    """
}


async def logged(scene: Scene, run_id: str) -> list[LogLine]:
    return (await ask(load_app(scene.app.dir), ListLogs(run_id, limit=2000), LogPage)).lines


async def said(scene: Scene, run_id: str) -> list[tuple[str, str]]:
    return [(line.level, line.message) for line in await logged(scene, run_id)]


async def test_who_calls_it_as_a_function_is_told_what_to_write(scene: Scene) -> None:
    with pytest.raises(RunFailed, match=r"TypeError: .*write step\.log\.info\(\.\.\.\)"):
        await (await tako.enqueue("calls", "x")).result(timeout=30)


async def test_lines_from_info_on_are_kept_over_a_wait(scene: Scene, key: str) -> None:
    handle = await tako.enqueue("talks", key)
    await in_state(handle, "waiting")
    before = [("INFO", f"first of {key}"), ("WARNING", "from a thread")]
    assert await said(scene, handle.id) == before
    await tako.signal(key)
    await handle.result(timeout=60)
    assert await said(scene, handle.id) == [
        *before,
        ("INFO", f"first of {key}"),
        ("ERROR", "after the wait"),
    ]


async def test_a_plain_handler_logs_too_up_to_its_end(scene: Scene, key: str) -> None:
    handle = await tako.enqueue("plain", key)
    await handle.result(timeout=60)
    assert await said(scene, handle.id) == [("INFO", "in a plain handler"), ("INFO", "at its end")]


async def test_an_exception_is_kept_with_its_text_and_a_bad_format_breaks_nothing(
    scene: Scene, key: str
) -> None:
    handle = await tako.enqueue("breaks", key)
    try:
        await handle.result(timeout=60)
    except RunFailed:
        lines = await logged(scene, handle.id)
    assert [line.attempt for line in lines] == [1, 1, 2, 2]
    assert lines[0].message.startswith("it broke\nTraceback")
    assert lines[0].message.endswith("ValueError: the cause")
    assert lines[1].message == "'%d is no number' ('this',)"


async def test_over_a_thousand_lines_one_says_that_there_were_more(scene: Scene, key: str) -> None:
    handle = await tako.enqueue("long", {"lines": 5_000, "size": 1})
    await handle.result(timeout=60)
    lines = await said(scene, handle.id)
    assert len(lines) == 1_001
    assert lines[-1] == ("WARNING", "More was logged: of one run 1,000 lines and 256 KiB are kept.")


async def test_a_long_line_loses_its_middle_and_all_together_are_256_kib(
    scene: Scene, key: str
) -> None:
    handle = await tako.enqueue("long", {"lines": 200, "size": 20_000})
    await handle.result(timeout=60)
    lines = await said(scene, handle.id)
    assert all(len(text) <= 4096 for _, text in lines)
    assert " [...] " in lines[0][1]
    assert len(lines) == 65
    assert lines[-1][1].startswith("More was logged")


async def test_a_line_is_there_soon_while_its_step_goes_on(scene: Scene, key: str) -> None:
    handle = await tako.enqueue("slow", key)

    async def there() -> bool:
        return await said(scene, handle.id) == [("INFO", "begun")]

    await wait_until(there, what="the line")
    scene.note(key)
    await handle.result(timeout=60)


async def test_the_command_line_shows_the_lines_of_a_run(scene: Scene, key: str) -> None:
    handle = await tako.enqueue("plain", key)
    await handle.result(timeout=60)
    done = await asyncio.to_thread(command, scene.app, "runs", "logs", handle.id)
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert len(said) == 2
    assert said[0].endswith("INFO in a plain handler")
    assert said[1].endswith("INFO at its end")
    missing = await asyncio.to_thread(command, scene.app, "runs", "logs", "nonesuch")
    assert missing.returncode == 3
