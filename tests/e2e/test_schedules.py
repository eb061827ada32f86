"""Schedules with a real server: workers come by themselves, and it goes on after a kill."""

from datetime import datetime

import tako
from tako.cron import moment_of_run
from tests.e2e.conftest import Start
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
    await wait_until(
        lambda: (
            tako_json(scene.app, "workflows")["workflows"][0]["schedule"]["rule"] == "30 * * * *"
        ),
        what="the new rule",
    )
    await scene.no_workers()
