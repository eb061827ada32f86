"""An order on its way from the card to the parcel; a large one waits for an admin's approval."""

from dataclasses import dataclass

from shop.db import Order, Status
from shop.fulfilment import (
    await_approval,
    charge,
    close_order,
    find_order,
    note_decision,
    notify,
    refund,
    ship,
    what_to_approve,
)
from shop.settings import APPROVAL_LIMIT, APPROVAL_TIMEOUT
from tako import Step, workflow


@dataclass(frozen=True)
class FulfillOrder:
    order_id: str


@workflow("fulfill-order", retries=4)
async def fulfill_order(payload: FulfillOrder, step: Step) -> str:
    order = await step.run("load-order", find_order, payload.order_id)
    payment = await step.run("charge", charge, order, retries=4)
    if not payment.accepted:
        reason = f"card declined: {payment.declined}"
        await step.run("close", close_order, order, Status.DECLINED, reason)
        step.fail(reason)
    if order.total > APPROVAL_LIMIT:
        await get_approval(step, order)
    await step.run("ship", ship, order)
    await step.run("notify", notify, order, retries=4)
    return "shipped"


async def get_approval(step: Step, order: Order) -> None:
    """Ask an admin; anything but a yes ends the run."""
    ahead = await step.wait_for(f"approved-ahead:{order.id}", str, timeout=0)
    if ahead is not None:  # the signal was here before the order
        return
    await step.run("await-approval", await_approval, order)
    decision = await step.approval(
        "approve-order",
        title=f"Order {order.id}: {order.item}, € {order.total:,}",
        body=what_to_approve(order),
        to=["group:admins"],
        exclude=[order.email],  # nobody approves what they have ordered
        timeout=APPROVAL_TIMEOUT,
        on_timeout="none",
        remind=[APPROVAL_TIMEOUT / 2],
        notify=["mail"],
    )
    if decision is None:
        await stop(step, order, Status.HELD, "approval timed out: order held")
        return
    approved = decision.approved
    said = f"{'approved' if approved else 'rejected'} by {decision.by}"
    await step.run("note-decision", note_decision, order, said, decision.at)
    if not approved:
        await stop(step, order, Status.REJECTED, said)


async def stop(step: Step, order: Order, status: Status, reason: str) -> None:
    """Give the money back and end the run with the reason."""
    await step.run("refund", refund, order, retries=4)
    await step.run("close", close_order, order, status, reason)
    step.bail(reason)
