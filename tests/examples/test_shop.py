"""The parts of the example shop that need no engine, each as the process that it is."""

import json
import signal
import smtplib
import socket
from email.message import EmailMessage

import httpx
import pytest

from tests.examples.parts import Part
from tests.support import until

CHARGE = {"order_id": "o-1", "amount": 900, "card": "tok_visa"}


def charge(part: Part, key: str, timeout: float = 30, **changes: object) -> httpx.Response:
    return httpx.post(
        f"{part.url}/charges",
        json=CHARGE | changes,
        headers={"Idempotency-Key": key},
        timeout=timeout,
    )


def account(part: Part, order: str = "o-1") -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]]
    found = httpx.get(f"{part.url}/orders/{order}").json()
    return found


def test_the_same_key_charges_once_and_gives_the_same_answer(payments: Part) -> None:
    first, second = charge(payments, "a"), charge(payments, "a")
    assert first.status_code == second.status_code == 201
    assert first.json() | {"asked": 2} == second.json()
    assert len(account(payments)["charges"]) == 1


def test_another_key_charges_again(payments: Part) -> None:
    charge(payments, "a")
    charge(payments, "b")
    assert len(account(payments)["charges"]) == 2


def test_a_charge_is_still_known_after_the_payment_service_was_killed(payments: Part) -> None:
    charge(payments, "a")
    payments.kill()
    payments.start()
    assert charge(payments, "a").json()["asked"] == 2


def test_a_key_is_refused_for_another_amount(payments: Part) -> None:
    charge(payments, "a")
    assert charge(payments, "a", amount=901).status_code == 422
    assert [line["amount"] for line in account(payments)["charges"]] == [900]


def test_a_charge_without_a_key_is_refused(payments: Part) -> None:
    answer = httpx.post(f"{payments.url}/charges", json=CHARGE)
    assert answer.status_code == 400
    assert account(payments)["charges"] == []


def test_a_declined_card_is_declined_every_time(payments: Part) -> None:
    answers = [charge(payments, "a", card="tok_declined") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [402, 402]
    assert answers[0].json()["declined"] == "not enough money on the card"


def test_a_lost_answer_is_given_to_the_second_try_and_charged_once(payments: Part) -> None:
    with pytest.raises(httpx.ReadTimeout):
        charge(payments, "a", card="tok_timeout", timeout=0.3)
    assert charge(payments, "a", card="tok_timeout").status_code == 201
    assert [line["asked"] for line in account(payments)["charges"]] == [2]


def test_money_goes_back_once(payments: Part) -> None:
    charge(payments, "a")
    for _ in range(2):
        answer = httpx.post(f"{payments.url}/refunds", json={"order_id": "o-1"})
        assert answer.status_code == 201
    assert [line["amount"] for line in account(payments)["refunds"]] == [900]


def test_nothing_is_given_back_for_a_declined_charge(payments: Part) -> None:
    charge(payments, "a", card="tok_declined")
    answer = httpx.post(f"{payments.url}/refunds", json={"order_id": "o-1"})
    assert answer.status_code == 404


def test_the_payment_service_ends_although_a_caller_still_waits(payments: Part) -> None:
    body = json.dumps(CHARGE | {"card": "tok_timeout"}).encode()
    head = f"POST /charges HTTP/1.1\r\nHost: shop\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", payments.port)) as caller:
        caller.sendall(f"{head}Idempotency-Key: a\r\n\r\n".encode() + body)
        until(lambda: account(payments)["charges"])
        assert payments.terminate() in (0, -signal.SIGTERM)


def test_mail_is_kept_as_it_came(mail: Part) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "orders@shop.example", "nia@example.org"
    message["Subject"] = "Your order is on its way"
    message.set_content("für Nia\n")
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=10) as smtp:
        smtp.send_message(message)
    (kept,) = (mail.data / "mail").glob("*.eml")
    assert b"Subject: Your order is on its way" in kept.read_bytes()
    assert mail.terminate() == 0
