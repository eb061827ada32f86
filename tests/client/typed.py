"""What a type checker must make of the public API; read by mypy, never executed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

import tako
from tako import (
    Handle,
    RunInfo,
    SignalResult,
    Step,
    SyncStep,
    Workflow,
    approvals,
    links,
    signal,
    workflow,
)


@dataclass
class Order:
    id: str


@dataclass
class Decision:
    approved: bool


async def charge(order: Order, cents: int) -> float:
    return 1.0


def ship(order: Order) -> list[str]:
    return []


@workflow("fulfil", retries=4, timeout="7d")
async def fulfil(payload: Order, step: Step) -> str:
    assert_type(await step.run("charge", charge, payload, 5), float)
    assert_type(await step.run("ship", ship, payload), list[str])
    assert_type(await step.wait_for("e", Decision, timeout=timedelta(days=7)), Decision | None)
    assert_type(await step.wait_for("e", Decision), Decision)
    assert_type(step.run_id, str)
    assert_type(step.attempt, int)
    return "shipped"


@workflow("plain")
def plain(payload: int, step: SyncStep) -> bool:
    assert_type(step.run("ship", ship, Order("x")), list[str])
    return True


async def callers() -> None:
    assert_type(fulfil, Workflow[Order, str])
    assert_type(plain, Workflow[int, bool])
    handle = await fulfil.enqueue(Order("o-1"), delay="5m", unique_key="k")
    assert_type(handle, Handle[str])
    assert_type(await handle.result(timeout=5), str)
    assert_type(await handle.status(), RunInfo)
    assert_type(plain.enqueue_sync(3).result_sync(), bool)
    assert_type(await plain.enqueue_many([1, 2]), list[Handle[bool]])
    assert_type(await tako.enqueue("fulfil", {"id": "o-1"}), Handle[Any])
    assert_type(await signal("e", {"approved": True}), SignalResult)
    assert_type(tako.get_sync("r"), RunInfo)
    assert_type(tako.cancel_sync("r"), bool)


async def mistakes() -> None:
    await fulfil.enqueue("o-1")  # type: ignore[arg-type]
    await fulfil.enqueue(Order("o-1"), dealy=5)  # type: ignore[call-arg]
    await fulfil.enqueue_many([Order("o-1")], run_id="x")  # type: ignore[call-arg]
    tako.enqueue_sync("fulfil", retries="2")  # type: ignore[arg-type]
    tako.nonesuch  # type: ignore[attr-defined]  # noqa: B018


async def wrong_arguments_of_a_step(step: Step) -> None:
    await step.run("charge", charge, Order("o-1"))  # type: ignore[arg-type]


Enqueue = Callable[[Order], Awaitable[Handle[str]]]
as_callback: Enqueue = fulfil.enqueue


async def people() -> None:
    page = await approvals.list(person="ana")
    assert_type(page.next, str | None)
    assert_type(page[0], approvals.Approval)
    assert_type(await approvals.answer("a", "ship", by="ana", value=Order("o")), approvals.Approval)
    assert_type(
        approvals.reject_sync("a", by=approvals.Actor("ana", "oidc", "api")).outcome, str | None
    )
    assert_type(approvals.history_sync("a")[0], approvals.AuditRow)
    assert_type(approvals.remind_sync("a", by="ana"), tuple[str, ...])
    assert_type((await links.mint("a", "ana", ttl=timedelta(hours=1))).url, str | None)
    assert_type(links.revoke_sync("a"), int)
    await approvals.answer("a", "ship")  # type: ignore[call-arg]
