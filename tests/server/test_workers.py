"""Workers as processes: started for work, gone without it, replaced when they die."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tako.commands import Await, Enqueued, Error, ListWorkflows
from tako.model import Run
from tests.server.peers import Served, enqueue, served
from tests.support import wait_until

PIDS = {
    "workflows/pids.py": """
        import asyncio
        import os
        import signal
        import threading
        from pathlib import Path

        from tako import Step, workflow

        FILE = Path(__file__).parent / "tries"

        def tries() -> int:
            with FILE.open("a") as file:
                file.write("x")
            return FILE.stat().st_size

        @workflow("pid")
        async def pid(payload: float, step: Step) -> int:
            await asyncio.sleep(payload)
            return os.getpid()

        @workflow("die-once")
        async def die_once(payload: int, step: Step) -> int:
            async def charge() -> int:
                if tries() == 1:
                    os.kill(os.getpid(), payload) if payload else os._exit(0)
                    threading.Event().wait()
                return os.getpid()
            return await step.run("charge", charge)

        @workflow("poison")
        async def poison(payload: None, step: Step) -> None:
            os._exit(7)
    """
}
QUICK = '[groups.default]\nidle_timeout = "300ms"\n[defaults]\ndrain = "2s"\n'


async def end_of(app: Served, workflow: str, payload: object = None, **changes: Any) -> Run:
    """Enqueue, and the run once it has ended."""
    peer = await app.peer()
    text = msgspec.json.encode(payload).decode()
    command = enqueue(text, workflow=workflow, **changes)
    enqueued = await peer.ask(command)
    assert isinstance(enqueued, Enqueued), enqueued
    run: Run = (await peer.ask(Await(enqueued.run_id))).run
    return run


def workers(app: Served) -> list[int]:
    return sorted(p.pid for p in app.server.apps[0].supervisor.fleet.processes.values())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def gone(app: Served) -> None:
    await wait_until(lambda: not workers(app), what="no worker")


async def test_there_is_no_worker_until_there_is_work(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        await (await app.peer()).quiet()
        assert workers(app) == []
        run = await end_of(app, "pid", 0)
        assert run.result == str(workers(app)[0])


async def test_without_work_the_worker_goes_and_the_next_work_starts_another(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        first = await end_of(app, "pid", 0)
        await gone(app)
        second = await end_of(app, "pid", 0)
        assert first.result != second.result


async def test_one_worker_serves_what_comes_while_it_lives(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        runs = await asyncio.gather(*(end_of(app, "pid", 0.05) for _ in range(10)))
        assert len({run.result for run in runs}) == 1


async def test_work_that_arrives_as_the_last_worker_leaves_is_done_all_the_same(
    tmp_path: Path,
) -> None:
    quick = QUICK.replace("300ms", "20ms")
    async with served(tmp_path, PIDS, toml=quick) as app:
        for pause in range(12):
            assert (await end_of(app, "pid", 0)).state == "succeeded"
            await asyncio.sleep(0.015 + pause * 0.001)


async def test_a_group_keeps_the_number_of_workers_it_is_to_have(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml="[groups.default]\nworkers = 2\n") as app:
        await wait_until(lambda: len(workers(app)) == 2)
        await end_of(app, "pid", 0)
        before = workers(app)
        os.kill(before[0], signal.SIGKILL)
        await wait_until(lambda: len(workers(app)) == 2 and before[0] not in workers(app))
        assert before[1] in workers(app)


async def test_workers_of_a_group_with_a_number_stay_without_work(tmp_path: Path) -> None:
    toml = '[groups.default]\nworkers = 1\nidle_timeout = "50ms"\n'
    async with served(tmp_path, PIDS, toml=toml) as app:
        run = await end_of(app, "pid", 0)
        await asyncio.sleep(0.3)  # six times the idle timeout that does not count here
        assert workers(app) == [int(run.result or "0")]


async def test_each_group_has_workers_of_its_own(tmp_path: Path) -> None:
    files = {
        "workflows/two.py": """
            import os
            from tako import Step, workflow

            @workflow("here")
            async def here(payload: None, step: Step) -> int:
                return os.getpid()

            @workflow("there", group="gpu")
            async def there(payload: None, step: Step) -> int:
                return os.getpid()
        """
    }
    async with served(tmp_path, files) as app:
        here, there = await asyncio.gather(end_of(app, "here"), end_of(app, "there", group="gpu"))
        assert here.result != there.result


@pytest.mark.parametrize(
    ("payload", "how"), [(9, "killed by SIGKILL"), (0, "exited with status 0")]
)
async def test_the_death_of_a_worker_names_its_cause_and_its_step_and_the_run_goes_on(
    tmp_path: Path, payload: int, how: str
) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        peer = await app.peer()
        command = enqueue(str(payload), workflow="die-once")
        await peer.ask(command)
        lost = await wait_until(
            lambda: app.rows("SELECT error, strikes FROM runs WHERE error IS NOT NULL")
        )
        error = msgspec.json.decode(lost[0][0])
        assert how in error["message"]
        assert error["step"] == "charge"
        assert lost[0][1] == 1
        run = (await peer.ask(Await(command.run_id))).run
        assert run.state == "succeeded"


async def test_a_run_that_kills_every_worker_ends_failed_at_the_third(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        run = await end_of(app, "poison")
        assert (run.state, run.strikes) == ("failed", 3)
        assert "exited with status 7" in msgspec.json.decode(run.error or "")["message"]
        assert (await end_of(app, "pid", 0)).state == "succeeded"


async def test_poison_does_not_take_its_neighbours_along(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        *good, bad = await asyncio.gather(
            *(end_of(app, "pid", 0.3) for _ in range(6)), end_of(app, "poison")
        )
        assert [run.state for run in good] == ["succeeded"] * 6
        assert [(run.attempt, run.strikes) for run in good] == [(1, 0)] * 6
        assert bad.state == "failed"


async def test_a_worker_that_is_stopped_loses_its_run_and_is_killed(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK + 'lease = "1s"\n') as app:
        waiting = asyncio.create_task(end_of(app, "pid", 0.5))
        pid = (await wait_until(lambda: _running_in(app)))[0]
        os.kill(pid, signal.SIGSTOP)
        run = await waiting
        assert run.state == "succeeded"
        assert run.result != str(pid)
        await wait_until(lambda: not is_alive(pid))


def _running_in(app: Served) -> list[int]:
    rows = app.rows("SELECT worker_id FROM runs WHERE state = 'running'")
    return [int(worker_id.partition("-")[0]) for (worker_id,) in rows]


async def test_a_worker_may_be_started_by_exec(tmp_path: Path) -> None:
    toml = QUICK.replace("[groups.default]", '[groups.default]\nstart = "exec"')
    async with served(tmp_path, PIDS, toml=toml) as app:
        run = await end_of(app, "pid", 0)
        pid = int(run.result or "0")
        assert "tako.worker" in proc(pid, "cmdline")
        died = await end_of(app, "die-once", 9)
        assert died.state == "succeeded"
        assert (died.attempt, died.strikes) == (2, 1)


async def test_an_app_may_name_its_interpreter(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml='python = "no-such-python"\n') as app:
        peer = await app.peer()
        command = enqueue("0", workflow="pid")
        await peer.ask(command)
        reply = await wait_until(lambda: _with_problems(app))
        assert "no-such-python cannot be started" in reply.broken[0].error
        assert "no-such-python" in (await peer.ask(enqueue(workflow="pid"))).warning


async def _with_problems(app: Served) -> Any:
    reply = await (await app.peer()).ask(ListWorkflows())
    return reply if reply.broken else None


async def test_workers_inherit_nothing_that_the_server_has_open(tmp_path: Path) -> None:
    files = {
        "workflows/open.py": """
            import os
            from tako import Step, workflow

            @workflow("open")
            async def open_(payload: None, step: Step) -> list[str]:
                fds = os.listdir("/proc/self/fd")
                return [os.readlink(f"/proc/self/fd/{fd}") for fd in fds
                        if os.path.exists(f"/proc/self/fd/{fd}")]
        """
    }
    async with served(tmp_path, files) as app:
        opened = msgspec.json.decode((await end_of(app, "open")).result or "")
        assert not [name for name in opened if "runs.db" in name or "server.lock" in name]


async def test_when_the_zygote_dies_its_workers_live_and_the_next_come_from_another(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        slow = asyncio.create_task(end_of(app, "pid", 0.8))
        pid = (await wait_until(lambda: _running_in(app)))[0]
        zygote = int(proc(pid, "status").partition("PPid:")[2].split()[0])
        os.kill(zygote, signal.SIGKILL)
        assert (await slow).result == str(pid)
        await gone(app)
        assert (await end_of(app, "pid", 0)).state == "succeeded"


async def test_a_name_that_nobody_knows_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        reply = await (await app.peer()).ask(enqueue(workflow="poisson", group=None))
        assert isinstance(reply, Error)
        assert reply.code == "unknown_workflow"
        assert "did you mean 'poison'?" in reply.message
        assert "known are die-once, pid, poison" in reply.message


async def test_a_name_is_known_once_a_worker_has_looked_at_the_code(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        run = await end_of(app, "pid", 0, group=None)
        assert run.state == "succeeded"


async def test_a_workflow_written_while_the_server_runs_is_found(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        await end_of(app, "pid", 0)
        code = PIDS["workflows/pids.py"].replace('"pid"', '"new"').replace('"die', '"2')
        app.app.write({"workflows/new.py": code.replace('"poison"', '"venom"')})
        assert (await end_of(app, "new", 0, group=None)).state == "succeeded"


async def test_work_that_comes_while_the_code_is_being_told_is_done(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK, told=False) as app:
        assert (await end_of(app, "pid", 0)).state == "succeeded"


async def test_the_same_unknown_name_again_starts_no_worker(tmp_path: Path) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        peer = await app.peer()
        await peer.ask(enqueue(workflow="nobody", group=None))
        await gone(app)
        assert isinstance(await peer.ask(enqueue(workflow="nobody", group=None)), Error)
        assert workers(app) == []


async def test_a_module_that_does_not_load_is_named_and_its_fix_is_picked_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {**PIDS, "workflows/bad.py": "import nothing_of_that_name\n"}
    async with served(tmp_path, files, toml=QUICK) as app:
        peer = await app.peer()
        reply = await peer.ask(enqueue(workflow="fixed", group=None))
        assert "nothing_of_that_name" in reply.message
        assert (await end_of(app, "pid", 0)).state == "succeeded"
        kept = await peer.ask(enqueue("null", workflow="fixed"))
        assert "nothing_of_that_name" in kept.warning
        app.app.write(
            {
                "workflows/bad.py": """
                    from tako import Step, workflow

                    @workflow("fixed")
                    async def fixed(payload: None, step: Step) -> str:
                        return "at last"
                """
            }
        )
        assert (await end_of(app, "fixed")).result == '"at last"'
        assert (await peer.ask(Await(kept.run_id))).run.result == '"at last"'
    assert "does not load" in caplog.text


async def test_an_app_without_workflows_says_so_and_does_not_spin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "tako.server"):
        async with served(tmp_path, {}, toml=QUICK) as app:
            peer = await app.peer()
            assert isinstance(await peer.ask(enqueue(workflow="none", group=None)), Error)
            await peer.ask(enqueue())
            await asyncio.sleep(1.0)  # time to spin in, if it would
    tries = [r for r in caplog.records if "next try" in r.getMessage()]
    assert len(tries) <= 5


async def test_runs_that_no_module_can_execute_are_kept_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path, PIDS, toml=QUICK) as app:
        await end_of(app, "pid", 0)
        reply = await (await app.peer()).ask(enqueue(workflow="removed"))
        assert "no loaded module has a workflow 'removed'" in reply.warning
        await gone(app)
        assert (await end_of(app, "pid", 0)).state == "succeeded"
        await gone(app)
        await wait_until(lambda: "no loaded module can execute: removed" in caplog.text)
        assert caplog.text.count("no loaded module can execute") == 1
        assert app.rows("SELECT state FROM runs WHERE workflow = 'removed'") == [("pending",)]
