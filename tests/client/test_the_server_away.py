"""What callers see when the server is away, hangs up, or comes back."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tako
from tako import reach
from tests.support import AppFixture, make_app, server

GREET = """
    from tako import Step, workflow

    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        return f"{payload}: {await step.wait_for('nod')}"
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppFixture]:
    made = make_app(tmp_path, {"workflows/greet.py": GREET})
    tako.configure(app=made.dir, patience=0.3)
    yield made
    tako.configure()


@contextmanager
def hangs_up(path: Path) -> Iterator[list[int]]:
    """Somebody who takes every connection on ``path`` and closes it at once; counts them."""
    path.parent.mkdir(parents=True)
    taken: list[int] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                taken.append(1)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield taken
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_server_is_one_clear_error_that_says_what_to_start(app: AppFixture) -> None:
    with pytest.raises(tako.Unavailable, match="start one with `tako dev` or `tako server`"):
        tako.enqueue_sync("greet", "ana")


def test_one_who_hangs_up_at_once_is_given_up_on_after_a_few_tries(app: AppFixture) -> None:
    with hangs_up(app.socket) as taken:
        with pytest.raises(tako.Unavailable, match="hangs up"):
            tako.enqueue_sync("greet", "ana")
        assert 2 <= len(taken) <= 10


def test_after_a_failure_the_next_call_tries_again(app: AppFixture) -> None:
    with pytest.raises(tako.Unavailable):
        tako.signal_sync("nod")
    with server(app):
        assert tako.signal_sync("nod").outcome == "buffered"


def test_a_call_made_while_the_server_starts_waits_for_it(app: AppFixture) -> None:
    tako.configure(app=app.dir, patience=20)
    with server(app, wait=False):
        assert tako.signal_sync("nod").outcome == "buffered"


async def _result_over_a_restart(app: AppFixture) -> object:
    with server(app) as first:
        handle = await tako.enqueue("greet", "ana")
        waiting = asyncio.ensure_future(handle.result(timeout=60))
        await handle.status()
        await asyncio.to_thread(first.kill)
        with server(app):
            await tako.signal("nod", "yes")
            return await waiting


def test_result_goes_on_waiting_over_a_restart_of_the_server(app: AppFixture) -> None:
    tako.configure(app=app.dir, patience=20)
    assert asyncio.run(_result_over_a_restart(app)) == "ana: yes"


def test_a_server_that_is_stopped_is_an_error_after_a_while(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "ANSWER", 0.3)
    with server(app) as started:
        assert tako.signal_sync("first").outcome == "buffered"
        os.kill(started.pid, signal.SIGSTOP)
        with pytest.raises(tako.Unavailable, match="has not answered within"):
            tako.signal_sync("nod", key="once")
        with pytest.raises(tako.Unavailable, match="has not answered"):
            tako.enqueue_many_sync("greet", ["a", "b"])
        os.kill(started.pid, signal.SIGCONT)
        monkeypatch.setattr(reach, "ANSWER", 10.0)
        assert tako.signal_sync("nod", key="once").outcome == "duplicate"
