"""Apps with a life behind them, for commands that look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tako
from tako import approvals
from tako.connections import run_sync
from tests.support import AppFixture, approval_of, free_port, make_app, server

WORKFLOWS = """
    from dataclasses import dataclass
    from typing import Any

    from tako import Cron, Step, workflow


    @dataclass
    class Amount:
        cents: int


    def note(text: str) -> str:
        return f"noted {text}"


    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        return await step.run("note", note, payload)


    @workflow("ask", timeout="30d")
    async def ask(payload: str, step: Step) -> object:
        await step.run("note", note, payload)
        return await step.wait_for(f"answer:{payload}", timeout="7d")


    @workflow("count")
    async def count(payload: str, step: Step) -> int | None:
        return await step.wait_for(f"count:{payload}", int)


    @workflow("decide")
    async def decide(payload: dict[str, Any], step: Step) -> object:
        form = Amount if payload.pop("form", False) else None
        decision = await step.approval("ok", form=form, **payload)
        return (decision.outcome, decision.by, decision.channel, decision.value, decision.comment)


    @workflow("weekly", schedule=Cron("30 4 * * MON", zone="Asia/Tokyo", payload={"of": 7}))
    async def weekly(payload: dict[str, int], step: Step) -> None: ...


    @workflow("nap")
    async def nap(payload: str, step: Step) -> None:
        await step.sleep("long", "1h")


    @workflow("break", retries=0)
    async def break_(payload: str, step: Step) -> None:
        raise LookupError(f"no {payload}")


    @workflow("later", retries=3, backoff=3600)
    async def later(payload: str, step: Step) -> None:
        raise ConnectionError("the bank is closed")
"""


PEOPLE = """
    [ana]
    [ben]
    email = "ben@shop.test"
    groups = ["finance"]
"""


EVERYTHING = {
    "title": "Refund eve?",
    "body": "She **paid** twice.",
    "form": True,
    "to": ["ana", "group:finance", "dan"],
    "exclude": ["cleo"],
    "quorum": 2,
    "veto": True,
    "timeout": "7d",
    "remind": ["1d"],
    "escalate": {"2d": ["boss"]},
}


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """With HTTP doors, so that links lead somewhere."""
    files = {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE}
    toml = f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'
    return make_app(tmp_path_factory.mktemp("cli"), files, toml=toml)


@pytest.fixture(scope="session")
def _server(app: AppFixture) -> Iterator[None]:
    with server(app):
        yield


@pytest.fixture
def served(app: AppFixture, _server: None) -> Iterator[AppFixture]:
    """The app with its server up, and this process talking to it."""
    tako.configure(app=app.dir)
    yield app
    tako.configure()


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app whose server is down, and what it has left: runs in every state."""
    app = make_app(tmp_path_factory.mktemp("left"), {"workflows/all.py": WORKFLOWS})
    tako.configure(app=app.dir)
    with server(app) as started:
        tako.enqueue_sync("greet", "ana", run_id="succeeded").result_sync(timeout=60)
        tako.enqueue_sync("ask", "ben", run_id="cancelled").cancel_sync("asked twice")
        with pytest.raises(tako.RunFailed):
            tako.enqueue_sync("break", "cleo", run_id="failed").result_sync(timeout=60)
        tako.enqueue_sync("greet", "dan", run_id="delayed", delay="10d", unique_key="dan")
        for name, run_id in (("ask", "waiting"), ("nap", "sleeping")):
            _until(tako.enqueue_sync(name, "eve", run_id=run_id), "waiting")
        _until(tako.enqueue_sync("later", "fay", run_id="retried"), "pending", attempt=2)
        tako.signal_sync("nobody-asked", {"x": 1})
        started.terminate()
    tako.configure()
    return app


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app whose server is down: one approval was decided, and an open one says everything."""
    files = {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE}
    app = make_app(tmp_path_factory.mktemp("asked"), files)
    tako.configure(app=app.dir)
    with server(app) as started:
        approvals.approve_sync(_asked("decided", {"title": "Refund dan?"}), by="ana")
        opened = _asked("asked", EVERYTHING)
        approvals.delegate_sync(opened, "eve", by="dan")
        approvals.approve_sync(opened, by="eve", value={"cents": 5}, comment="it is true")
        started.terminate()
    tako.configure()
    return app


def _asked(run_id: str, question: dict[str, object]) -> str:
    tako.enqueue_sync("decide", question, run_id=run_id)
    return run_sync(approval_of(run_id)).id


def _until(handle: "tako.Handle[object]", state: str, attempt: int = 1) -> None:
    run = handle.status_sync()
    while (run.state, run.attempt) != (state, attempt):
        assert run.finished_at is None, run
        run = handle.status_sync()


@pytest.fixture
def never_started(tmp_path: Path) -> AppFixture:
    return make_app(tmp_path, {"workflows/all.py": WORKFLOWS})
