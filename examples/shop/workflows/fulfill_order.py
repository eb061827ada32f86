"""An order on its way from the card to the parcel; a large one waits for an admin's approval."""

from dataclasses import dataclass

from shop.db import Order, Status
from shop.fulfilment import (
    ask_for_approval,
    charge,
    close_order,
    find_order,
    notify,
    refund,
    ship,
)
from shop.settings import APPROVAL_LIMIT, APPROVAL_TIMEOUT
from tako import Step, workflow


@dataclass(frozen=True)
class FulfillOrder:
    order_id: str


@dataclass(frozen=True)
class Decision:
    approved: bool
    by: str


@workflow("fulfill-order", retries=4)
async def fulfill_order(payload: FulfillOrder, step: Step) -> str:
    order = await step.run("load-order", find_order, payload.order_id)
    payment = await step.run("charge", charge, order, retries=4)
    if not payment.accepted:
        reason = f"card declined: {payment.declined}"
        await step.run("close", close_order, order, Status.DECLINED, reason)
        step.fail(reason)
    if order.total > APPROVAL_LIMIT:
        await step.run("ask-for-approval", ask_for_approval, order)
        decision = await step.wait_for(
            f"approval:order-{order.id}", Decision, timeout=APPROVAL_TIMEOUT
        )
        if decision is None:
            await stop(step, order, Status.HELD, "approval timed out: order held")
        elif not decision.approved:
            await stop(step, order, Status.REJECTED, f"rejected by {decision.by}")
    await step.run("ship", ship, order)
    await step.run("notify", notify, order, retries=4)
    return "shipped"


async def stop(step: Step, order: Order, status: Status, reason: str) -> None:
    """Give the money back and end the run with the reason."""
    await step.run("refund", refund, order, retries=4)
    await step.run("close", close_order, order, status, reason)
    step.bail(reason)
