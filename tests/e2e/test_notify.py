"""People are told: by mail, by functions, again if it fails; the run that asks never notices."""

import email
import json
import socket
from collections.abc import Callable
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

import tako
from tako import approvals
from tako.model import Approval, AuditRow
from tests.e2e.scene import Scene
from tests.support import in_state, tako_json, wait_until

Start = Callable[..., Scene]

PEOPLE = """
    [ana]
    name = "Ana Alba"
    email = "ana+approvals@example.com"
    groups = ["finance"]

    [bo]
    groups = ["finance"]
"""
ASKS = """
    from note import note
    from tako import Step, workflow
    from telling import tell, tell_async, tell_badly

    FUNCTIONS = {"tell": tell, "tell_async": tell_async, "tell_badly": tell_badly}

    @workflow("asks")
    async def asks(payload: dict, step: Step) -> str | None:
        note("pass")
        notify = [FUNCTIONS.get(name, name) for name in payload.pop("notify")]
        decision = await step.approval("ok", title="Pay <5> EUR?", body="See *the bill*.",
                                       notify=notify, **payload)
        return None if decision is None else decision.outcome
"""
TELLING = """
    import asyncio
    import os
    from pathlib import Path
    from note import note
    from tako import Notice

    def tell(notice: Notice) -> None:
        note(f"{notice.kind} {notice.person.id} {notice.approval.outcome} {notice.url}")

    async def tell_async(notice: Notice) -> None:
        await asyncio.sleep(0)
        note(f"async {notice.kind} {notice.person.id}")

    def tell_badly(notice: Notice) -> None:
        if not (Path(__file__).parent / "mended").exists():
            raise OSError(f"cannot open {notice.url}")
        note(f"at last {notice.person.id}")
"""
FILES = {"workflows/asks.py": ASKS, "telling.py": TELLING, "people.toml": PEOPLE}
QUICK = """
    [defaults]
    lease = "2s"
    cancel_grace = "500ms"
    drain = "3s"

    [groups.default]
    idle_timeout = "1s"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mailbox:
    """What a real SMTP server on this machine was given; the first ``refusals`` mails get 451."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.tries = 0
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        self.tries += 1
        if self.tries <= self.refusals:
            return "451 4.3.0 try again later"
        message = email.message_from_bytes(envelope.content, policy=default)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 taken"


@contextmanager
def smtp(mailbox: Mailbox, port: int) -> Any:
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def mail_toml(port: int, *, web: bool = False) -> str:
    """mailto:// without TLS and log-in: `mode=insecure` is what it has by default."""
    url = f"mailto://127.0.0.1:{port}?from=tako@example.com&to={{email}}"
    doors = '[web]\nlisten = "127.0.0.1:{}"\nurl = "https://tako.example.com"\n'
    return QUICK + f'\n[notify.mail]\nurl = "{url}"\n' + (doors.format(free_port()) if web else "")


async def asked(run: Any) -> Approval:
    async def there() -> Approval | None:
        return next(iter(await approvals.list(run_id=run.id)), None)

    return await wait_until(there, 15.0, f"an approval of {run.id}")  # type: ignore[no-any-return]


async def recorded(approval: Approval, kind: str, times: int = 1) -> list[AuditRow]:
    async def there() -> list[AuditRow]:
        found = [row for row in await approvals.history(approval.id) if row.kind == kind]
        return found if len(found) >= times else []

    return await wait_until(there, 30.0, f"{kind} in the record")  # type: ignore[no-any-return]


def notifications(scene: Scene) -> list[Any]:
    runs = tako_json(scene.app, "runs", "list")["runs"]
    return [run for run in runs if run["workflow"].startswith("tako.")]


async def test_a_mail_that_is_refused_at_first_arrives_and_the_run_never_notices(
    start: Start,
) -> None:
    port = free_port()
    scene = start(FILES, toml=mail_toml(port))
    run = await tako.enqueue("asks", {"notify": ["mail"], "to": ["ana"]})
    approval = await asked(run)
    (refused, *_) = await recorded(approval, "not_told")
    assert refused.person == "ana" and "127.0.0.1" in str(refused.detail)
    mailbox = Mailbox(refusals=1)
    with smtp(mailbox, port):
        await recorded(approval, "told")
    assert mailbox.tries == 2
    ((to, mail),) = mailbox.mails
    assert to == ["ana+approvals@example.com"]
    assert mail["subject"] == "Please decide: Pay <5> EUR?"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Hello Ana Alba," in text and "See *the bill*." in text
    assert f"tako approvals show {approval.id}" in text
    assert (await in_state(run, "waiting")).attempt == 1
    assert scene.count("pass") == 1
