"""The server as a process: how it starts, restarts, drains and ends, and what it costs at rest."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import msgspec
import psutil
import pytest

from tako.commands import Await, Get, Signal
from tako.ids import new_id
from tako.store import open_store
from tests.server.peers import Peer, enqueue
from tests.support import (
    AppFixture,
    ServerProcess,
    has_read_code,
    make_app,
    marked,
    start_server,
    until,
    wait_until,
    worker_pids,
)

SLOW = {
    "workflows/slow.py": """
        import asyncio
        import os
        from tako import Step, workflow

        @workflow("slow")
        async def slow(payload: float, step: Step) -> list[int]:
            async def nap() -> int:
                await asyncio.sleep(payload)
                return os.getpid()
            first = await step.run("nap", nap)
            second = await step.run("nap again", nap)
            return [first, second]

        @workflow("wait")
        async def wait(payload: str, step: Step) -> object:
            return await step.wait_for(payload)

        @workflow("stubborn")
        async def stubborn(payload: None, step: Step) -> None:
            async def never() -> None:
                while True:
                    try:
                        await asyncio.sleep(60)
                    except BaseException:
                        pass
            await step.run("never", never)
    """
}
TOML = '[groups.default]\nidle_timeout = "500ms"\n[defaults]\ndrain = "1s"\n'


class Starter:
    def __init__(self, folder: Path) -> None:
        self.app = make_app(folder, SLOW, toml=TOML)
        self._servers: list[ServerProcess] = []

    def shorten_the_lease(self) -> None:
        with (self.app.dir / "tako.toml").open("a") as toml:
            toml.write('lease = "1s"\n')

    def start(self, *others: AppFixture) -> ServerProcess:
        server = start_server(self.app, *others)
        self._servers.append(server)
        if len(self._servers) == 1:
            until(lambda: has_read_code(server), "that the code is known")
        return server

    def end(self) -> None:
        for server in self._servers:
            server.clean_up()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    starter.end()


async def begin(app: AppFixture, workflow: str, payload: object) -> tuple[Peer, str]:
    """Enqueue, on a connection of its own."""
    peer = await Peer.connect(app.socket)
    command = enqueue(msgspec.json.encode(payload).decode(), workflow=workflow)
    await peer.ask(command)
    return peer, command.run_id


async def in_state(peer: Peer, run_id: str, state: str) -> None:
    async def there() -> bool:
        return (await peer.run(run_id)).state == state

    await wait_until(there, what=f"run {run_id} {state}")


async def test_on_sigterm_the_server_ends_with_0_and_leaves_nothing_behind(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 0.01)
    await peer.ask(Await(run_id))
    assert server.terminate() == 0
    assert await wait_until(lambda: not marked(shop.app))
    assert not shop.app.socket.exists()


async def test_on_sigterm_a_running_step_is_finished_and_the_run_given_back(
    shop: Starter,
) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 0.4)
    await in_state(peer, run_id, "running")
    assert server.terminate() == 0
    server = shop.start()
    peer = await Peer.connect(shop.app.socket)
    run = (await peer.ask(Await(run_id))).run
    assert (run.state, run.attempt, run.strikes) == ("succeeded", 1, 0)


async def test_a_worker_that_does_not_end_is_killed_after_the_drain(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "stubborn", None)
    await in_state(peer, run_id, "running")
    assert server.terminate() == 0
    assert await wait_until(lambda: not marked(shop.app))


async def test_a_second_signal_hurries(shop: Starter) -> None:
    shop.app.write({"tako.toml": _with_long_drain(shop.app)})
    server = shop.start()
    peer, run_id = await begin(shop.app, "stubborn", None)
    await in_state(peer, run_id, "running")
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("up to 5 min for what executes (1 run) to end its step; a second signal")
    server.process.send_signal(signal.SIGTERM)
    await wait_until(lambda: server.process.poll() is not None)
    assert server.process.returncode == 0
    store = open_store(shop.app.db, readonly=True)
    (reply,) = (await store.execute([Get(run_id)], 0)).replies
    assert (reply.run.state, reply.run.strikes) == ("pending", 0)  # it is not the run's fault


def _with_long_drain(app: AppFixture) -> str:
    return (app.dir / "tako.toml").read_text().replace('drain = "1s"', 'drain = "300s"')


async def test_after_a_kill_the_workers_go_on_with_the_next_server(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 1.0)
    await in_state(peer, run_id, "running")
    (worker,) = worker_pids(server)
    server.kill()
    shop.start()
    peer = await Peer.connect(shop.app.socket)
    run = (await peer.ask(Await(run_id))).run
    assert (run.result, run.attempt) == (f"[{worker},{worker}]", 1)


async def test_what_was_running_when_everything_died_runs_again_at_once(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 0.3)
    await in_state(peer, run_id, "running")
    server.kill()
    for process in marked(shop.app):
        process.kill()
    before = monotonic()
    shop.start()
    peer = await Peer.connect(shop.app.socket)
    run = (await peer.ask(Await(run_id))).run
    assert run.state == "succeeded"
    assert run.strikes == 1
    assert monotonic() - before < 25  # not when the lease of 30 s ends


async def test_a_server_that_was_held_up_itself_takes_no_lease_away(shop: Starter) -> None:
    shop.shorten_the_lease()
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 1.0)
    await in_state(peer, run_id, "running")
    server.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(2.5)  # the lease ends meanwhile, and nobody hears the heartbeats
    server.process.send_signal(signal.SIGCONT)
    run = (await peer.ask(Await(run_id))).run
    assert (run.state, run.attempt, run.strikes) == ("succeeded", 1, 0)


async def test_the_workers_of_a_server_that_does_not_come_back_end(tmp_path: Path) -> None:
    shop = Starter(tmp_path)
    try:
        shop.shorten_the_lease()
        server = shop.start()
        peer, run_id = await begin(shop.app, "slow", 0.1)
        await peer.ask(Await(run_id))
        server.kill()
        assert await wait_until(lambda: not marked(shop.app))
    finally:
        shop.end()


async def test_one_server_serves_many_apps_each_on_its_own_socket(
    tmp_path: Path, shop: Starter
) -> None:
    other = make_app(tmp_path, SLOW, toml=TOML, name="other")
    shop.start(other)
    for app in (shop.app, other):
        peer, run_id = await begin(app, "slow", 0.01)
        assert (await peer.ask(Await(run_id))).run.state == "succeeded"
    assert shop.app.db.exists()
    assert other.db.exists()


async def test_a_second_server_process_says_who_serves_already(shop: Starter) -> None:
    first = shop.start()
    again = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tako.server", str(shop.app.dir)],
        env=shop.app.env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert again.returncode == 1
    assert f"served already, by process {first.pid}" in again.stderr
    assert "Traceback" not in again.stderr


async def test_ctrl_c_goes_to_the_server_alone(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 0.3)
    await in_state(peer, run_id, "running")
    groups = {os.getpgid(process.pid) for process in marked(shop.app)}
    assert len(groups) == 3  # of the server, the zygote and the worker
    os.killpg(os.getpgid(server.pid), signal.SIGINT)
    assert await wait_until(lambda: server.process.poll() is not None)
    assert server.process.returncode == 0


async def test_at_rest_server_and_zygote_need_at_most_40_mib(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "slow", 0.01)
    await peer.ask(Await(run_id))
    await wait_until(lambda: not worker_pids(server))
    at_rest = marked(shop.app)
    assert len(at_rest) == 2
    pss = sum(process.memory_full_info().pss for process in at_rest)
    assert pss <= 40 * 1024 * 1024


async def test_at_rest_nothing_happens(shop: Starter) -> None:
    server = shop.start()
    peer, run_id = await begin(shop.app, "wait", "door")
    await in_state(peer, run_id, "waiting")
    await wait_until(lambda: not worker_pids(server))
    before = _woken(server.pid)
    await asyncio.sleep(3.0)
    assert _woken(server.pid) - before <= 8  # what the worker's end still brings
    await peer.ask(Signal(new_id(), "door", '"open"'))
    assert (await peer.ask(Await(run_id))).run.result == '"open"'


def _woken(pid: int) -> int:
    """How often the process gave up the processor because it had nothing to do."""
    return int(psutil.Process(pid).num_ctx_switches().voluntary)
