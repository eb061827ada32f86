"""The steps of fulfilling an order: ordinary functions that could be called from anywhere."""

import logging
import smtplib
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import cache

import httpx

from shop import db, settings
from shop.db import Order, Status

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request is too much


@dataclass(frozen=True)
class Payment:
    """What the payment service answered: a declined card is an answer, not an error."""

    accepted: bool
    declined: str | None


@cache
def payments() -> httpx.AsyncClient:
    """One client for all orders of this worker, made when the first of them needs it."""
    return httpx.AsyncClient(base_url=settings.PAYMENTS_URL, timeout=settings.PAYMENTS_PATIENCE)


def find_order(order_id: str) -> Order:
    db.move(order_id, Status.PROCESSING, "taken up")
    return db.find(order_id)


async def charge(order: Order) -> Payment:
    """Charge the card. The key makes a second try harmless: it gets the first one's answer."""
    answer = await payments().post(
        "/charges",
        json={"order_id": order.id, "amount": order.total, "card": order.card},
        headers={"Idempotency-Key": f"order-{order.id}"},
    )
    if answer.status_code != httpx.codes.PAYMENT_REQUIRED:
        answer.raise_for_status()
    payment = Payment(answer.json()["accepted"], answer.json()["declined"])
    db.remember(order.id, "charged" if payment.accepted else "card declined")
    return payment


async def refund(order: Order) -> None:
    answer = await payments().post("/refunds", json={"order_id": order.id})
    answer.raise_for_status()
    db.remember(order.id, "refunded")


def await_approval(order: Order) -> None:
    db.move(order.id, Status.AWAITING, "waits for approval")


def what_to_approve(order: Order) -> str:
    """What an admin has to know, in Markdown."""
    return (
        f"**{order.customer}** ({order.email}) has ordered and paid:\n\n"
        f"- {order.item}, **€ {order.total:,}**\n\n"
        "Approved, it is shipped at once. Rejected, the money goes back."
    )


def note_decision(order: Order, decision: str, at: datetime) -> None:
    db.decide(order.id, decision, at)


def close_order(order: Order, status: Status, reason: str) -> None:
    db.move(order.id, status, reason, note=reason)


def ship(order: Order) -> None:
    db.move(order.id, Status.SHIPPED, "shipped")


def notify(order: Order) -> None:
    """Tell the customer. A second try sends the same Message-ID, so mailboxes show it once."""
    message = EmailMessage()
    message["From"] = "orders@shop.example"
    message["To"] = order.email
    message["Subject"] = f"Your order {order.id} is on its way"
    message["Message-ID"] = f"<shipped.{order.id}@shop.example>"
    message["X-Order"] = order.id
    message.set_content(
        f"Dear {order.customer},\n\n{order.item} for {order.total:,} euros left our house today.\n"
    )
    with smtplib.SMTP(settings.HOST, settings.MAIL_PORT, timeout=5) as smtp:
        smtp.send_message(message)
    db.remember(order.id, "mail sent")
