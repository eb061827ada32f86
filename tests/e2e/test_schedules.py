"""Schedules with a real server: workers come by themselves, and it goes on after a kill."""

import signal
from datetime import datetime
from textwrap import dedent

import tako
from tako.cron import moment_of_run
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene, kill, restarted
from tests.support import tako_json, wait_until

TICKING = """
    from note import note
    from tako import Cron, Scheduled, Step, workflow


    @workflow("tick", schedule=Cron("* * * * * *", zone="Europe/Berlin"))
    async def tick(payload: Scheduled, step: Step) -> str:
        note(step.run_id)
        return payload.at.isoformat()
"""
HOURLY = """
    from note import note
    from tako import Cron, Step, workflow

    note("loaded")


    @workflow("report", schedule=Cron("0 * * * *", payload="west"))
    async def report(payload: str, step: Step) -> None:
        note("ran")
"""
HOLDING = """
    import asyncio

    from note import note, notes
    from tako import Step, workflow


    @workflow("holding")
    async def holding(payload: object, step: Step) -> str:
        note("held")
        while "go on" not in notes():
            await asyncio.sleep(0.01)
        return "held"
"""
NOBODY_STAYS = '[groups.default]\nidle_timeout = "50ms"\n'


async def test_a_schedule_that_is_due_starts_workers_and_goes_on_after_a_kill(
    start: Start,
) -> None:
    scene = start({"workflows/tick.py": TICKING}, toml=NOBODY_STAYS)
    await wait_until(lambda: len(scene.notes()) >= 2, what="two moments")
    scene.server.kill()
    before = len(scene.notes())
    scene.serve()
    await wait_until(lambda: len(scene.notes()) >= before + 2, what="two more moments")
    scene.configure()
    for run_id in scene.notes():
        at = await tako.Handle[str](run_id).result(timeout=60)
        moment = moment_of_run(run_id, "tick")
        assert moment == datetime.fromisoformat(at).timestamp() * 1000
        run = await tako.get(run_id)
        assert moment <= run.created_at
    assert len(set(scene.notes())) >= 4


async def test_the_code_of_a_fresh_deploy_is_known_before_anybody_enqueues(
    start: Start,
) -> None:
    scene = start({"workflows/report.py": HOURLY})
    await scene.code_read()
    (known,) = tako_json(scene.app, "workflows")["workflows"]
    assert (known["schedule"]["rule"], known["schedule"]["payload"]) == ("0 * * * *", "west")
    assert scene.notes() == ["loaded"]
    scene.server.terminate()
    scene.write({"workflows/report.py": HOURLY.replace("0 * * * *", "30 * * * *")})
    scene.serve()
    await scene.noted("loaded", times=2)
    await wait_until(lambda: rule_of_report(scene) == "30 * * * *", what="the new rule")
    await scene.no_workers()


async def test_a_worker_of_before_the_deploy_that_comes_again_does_not_bring_its_schedules_back(
    start: Start,
) -> None:
    """It was held up, so that the server had the new code told before it came."""
    scene = start({"workflows/report.py": HOURLY, "workflows/holding.py": HOLDING})
    handle = await tako.enqueue("holding")
    await scene.noted("held")
    old = await scene.only_worker()
    kill(old, signal.SIGSTOP)
    scene.server.kill()
    scene.write({"workflows/report.py": HOURLY.replace("0 * * * *", "30 * * * *")})
    await restarted(scene)
    await wait_until(lambda: rule_of_report(scene) == "30 * * * *", what="the new rule")
    kill(old, signal.SIGCONT)
    scene.note("go on")
    assert await handle.result(timeout=60) == "held"
    assert scene.count("held") == 1, "it was the old worker that came and ended it"
    assert rule_of_report(scene) == "30 * * * *"


async def test_a_worker_that_takes_long_to_load_does_not_bring_back_what_was_edited_meanwhile(
    start: Start,
) -> None:
    slow = (
        "import time\nfrom note import notes\nwhile 'go on' not in notes():\n    time.sleep(0.01)\n"
    )
    report = dedent(HOURLY)
    scene = start({"workflows/report.py": report.replace('note("loaded")', 'note("old")') + slow})
    await scene.noted("old")
    scene.write({"workflows/report.py": report.replace("0 * * * *", "30 * * * *")})
    await tako.enqueue("report", "east")
    await scene.noted("ran")
    assert rule_of_report(scene) == "30 * * * *"
    scene.note("go on")
    await scene.noted("loaded", times=2)
    await wait_until(lambda: rule_of_report(scene) == "30 * * * *", what="the new rule")


def rule_of_report(scene: Scene) -> str:
    found = tako_json(scene.app, "workflows")["workflows"]
    (rule,) = [w["schedule"]["rule"] for w in found if w["name"] == "report"]
    return str(rule)
