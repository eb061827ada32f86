"""One real app, served for all tests of the client; run ids and events are each test's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tako
from tako import approvals
from tako.connections import run_sync
from tests.support import AppFixture, ServerProcess, approval_of, make_app, server

Asking = Callable[..., tuple[tako.Handle[Any], approvals.Approval]]

WORKFLOWS = """
    import asyncio
    from dataclasses import dataclass
    from datetime import timedelta
    from typing import Any

    import tako
    from tako import Step, SyncStep, workflow


    @dataclass
    class Order:
        id: str
        total: int


    @dataclass
    class Receipt:
        order: Order
        paid: bool


    @workflow("pay")
    async def pay(payload: Order, step: Step) -> Receipt:
        return Receipt(payload, True)


    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        return f"hello {payload}"


    @workflow("ask")
    async def ask(payload: str, step: Step) -> object:
        return await step.wait_for(payload)


    @workflow("break", retries=0)
    async def break_(payload: str, step: Step) -> None:
        await step.run("note", str, payload)
        raise LookupError(f"no {payload}")


    @workflow("bail")
    async def bail(payload: str, step: Step) -> None:
        step.bail(payload)


    async def enqueue_greet(name: str) -> str:
        return (await greet.enqueue(name)).id


    @workflow("parent")
    async def parent(payload: str, step: Step) -> str:
        child = await step.run("enqueue", enqueue_greet, payload)
        return await tako.Handle(child).result(timeout=60)


    @dataclass
    class Amount:
        cents: int
        note: str = ""


    @workflow("request")
    async def request(payload: dict[str, Any], step: Step) -> object:
        form = Amount if payload.pop("form", False) else None
        decision = await step.approval("ok", form=form, **payload)
        return (decision.outcome, decision.by, decision.channel, decision.value, decision.comment)


    @workflow("sync-parent")
    def sync_parent(payload: str, step: SyncStep) -> str:
        return greet.enqueue_sync(payload).result_sync(timeout=60)
"""


PEOPLE = """
    [ana]
    name = "Ana Ito"
    email = "ana@shop.test"
    groups = ["finance"]

    [ben]
    aliases = ["benjamin"]
    groups = ["finance"]

    [cleo]
"""


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    return make_app(
        tmp_path_factory.mktemp("client"), {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE}
    )


@pytest.fixture(scope="session")
def running(app: AppFixture) -> Iterator[ServerProcess]:
    with server(app) as started:
        yield started


@pytest.fixture
def served(app: AppFixture, running: ServerProcess) -> Iterator[AppFixture]:
    """The app, with a server, as the one that this process talks to."""
    tako.configure(app=app.dir)
    yield app
    tako.configure()


def ask(**question: Any) -> tuple[tako.Handle[Any], approvals.Approval]:
    """A run that is parked, and what it asks."""
    handle = tako.enqueue_sync("request", {"title": "May I?", "to": ["ana", "ben"]} | question)
    return handle, run_sync(approval_of(handle.id))


@pytest.fixture
def asking(served: AppFixture) -> Asking:
    """Asks, in the app that is served."""
    return ask
