"""The client works from every kind of place: loops, threads, forks, scripts, other workflows."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import uvloop

import tako
from tako import connections
from tests.support import AppFixture


async def greet(name: str) -> Any:
    return await (await tako.enqueue("greet", name)).result(timeout=60)


def test_in_one_loop_after_another(served: AppFixture) -> None:
    for number in range(3):
        assert asyncio.run(greet(str(number))) == f"hello {number}"


def test_in_uvloop(served: AppFixture) -> None:
    assert uvloop.run(greet("ana")) == "hello ana"


def test_a_loop_that_ends_takes_its_connections_along(served: AppFixture) -> None:
    def sockets() -> int:
        return len(psutil.Process().net_connections("unix"))

    tako.signal_sync("anywhere:first", 1)  # the thread of the sync names has its own
    before = sockets()
    for _ in range(3):
        asyncio.run(greet("ana"))
    gc.collect()  # a ResourceWarning would fail this test
    assert sockets() <= before


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_loop_that_was_closed_without_ceremony_is_forgotten_by_the_next(
    served: AppFixture,
) -> None:
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(greet("ana")) == "hello ana"
    loop.close()
    asyncio.run(greet("ben"))
    assert loop not in connections._of_loop
    del loop
    gc.collect()  # its open connection complains now, and not in another test


def test_in_many_threads_at_once(served: AppFixture) -> None:
    def blocking(number: int) -> object:
        return tako.enqueue_sync("greet", str(number)).result_sync(timeout=60)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(blocking, range(40))) == [f"hello {n}" for n in range(40)]


def test_with_a_loop_in_each_thread(served: AppFixture) -> None:
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(asyncio.run(greet(str(n)))))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == [f"hello {n}" for n in range(4)]


def test_the_sync_names_work_where_a_loop_is_running(served: AppFixture) -> None:
    async def in_a_notebook() -> object:
        return tako.enqueue_sync("greet", "ana").result_sync(timeout=60)

    assert asyncio.run(in_a_notebook()) == "hello ana"


def test_from_another_workflow_sync_and_async(served: AppFixture) -> None:
    assert tako.enqueue_sync("parent", "ana").result_sync(timeout=60) == "hello ana"
    assert tako.enqueue_sync("sync-parent", "ben").result_sync(timeout=60) == "hello ben"


FORKS = """
    import asyncio, os, sys
    import tako

    async def ask(name):
        return await (await tako.enqueue("greet", name)).result(timeout=60)

    def child(work):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0

    def check(name):
        assert tako.enqueue_sync("greet", name).result_sync(timeout=60) == f"hello {name}"
        assert asyncio.run(ask(name)) == f"hello {name}"

    check("before")
    child(lambda: check("child"))
    check("after")

    async def with_a_loop():
        assert await ask("ana") == "hello ana"
        child(lambda: check("inner"))
        for _ in range(3):
            assert await ask("ben") == "hello ben"

    asyncio.run(with_a_loop())
    check("last")
    print("all there")
"""


def script(app: AppFixture, text: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        env=app.env | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_forked_child_has_connections_of_its_own_and_the_parent_keeps_its(
    served: AppFixture,
) -> None:
    done = script(served, FORKS)
    assert (done.stdout, done.returncode) == ("all there\n", 0), done.stderr


def test_a_script_ends_by_itself_and_says_nothing(served: AppFixture) -> None:
    done = script(served, "import tako; print(tako.signal_sync('anywhere:script').outcome)")
    assert (done.stdout, done.stderr, done.returncode) == ("buffered\n", "", 0)


def test_a_script_that_is_left_by_an_error_ends_too(served: AppFixture) -> None:
    done = script(served, "import tako; tako.signal_sync('anywhere:error'); raise SystemExit(3)")
    assert (done.stderr, done.returncode) == ("", 3)


@pytest.mark.parametrize("name", ["signal", "enqueue"])
def test_a_sync_name_on_its_own_thread_is_refused_and_not_a_deadlock(
    served: AppFixture, name: str
) -> None:
    async def misuse() -> None:
        getattr(tako, f"{name}_sync")("greet", "ana")

    with pytest.raises(RuntimeError, match="await its twin"):
        connections.run_sync(misuse())
