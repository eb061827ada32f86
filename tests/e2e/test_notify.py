"""People are told: by mail, by functions, again if it fails; the run that asks never notices."""

import email
import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

import tako
from tako import approvals, reach
from tako.commands import LinkOpened, OpenLink
from tako.model import Approval, AuditRow
from tests.e2e.scene import QUICK, Scene
from tests.support import approval_of, free_port, in_state, tako_json, wait_until

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
    import telling

    FUNCTIONS = {name: fn for name, fn in vars(telling).items() if name.startswith("tell")}

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

    def tell_deadly(notice: Notice) -> None:
        once = Path(__file__).parent / "died"
        if not once.exists():
            once.touch()
            os.kill(os.getpid(), 9)
        note(f"survived {notice.person.id}")

    def tell_badly(notice: Notice) -> None:
        if not (Path(__file__).parent / "mended").exists():
            raise OSError(f"cannot open {notice.url}")
        note(f"at last {notice.person.id}")
"""
FILES = {"workflows/asks.py": ASKS, "telling.py": TELLING, "people.toml": PEOPLE}


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
    doors = f'[web]\nlisten = "127.0.0.1:{free_port()}"\n' if web else ""
    return QUICK + f'\n[notify.mail]\nurl = "{url}"\n{doors}'


async def recorded(approval: Approval, kind: str, times: int = 1) -> list[AuditRow]:
    async def there() -> list[AuditRow]:
        found = [row for row in await approvals.history(approval.id) if row.kind == kind]
        return found if len(found) >= times else []

    return await wait_until(there, what=f"{kind} in the record")  # type: ignore[no-any-return]


def notifications(scene: Scene) -> list[Any]:
    runs = tako_json(scene.app, "runs", "list", "--all")
    return [run for run in runs if run["workflow"].startswith("tako.")]


async def test_a_mail_that_cannot_leave_at_first_arrives_and_the_run_never_notices(
    start: Start,
) -> None:
    """Connection refused, then 451, then it is taken. The link in it is kept nowhere."""
    port = free_port()
    scene = start(FILES, toml=mail_toml(port, web=True))
    run = await tako.enqueue("asks", {"notify": ["mail"], "to": ["ana"]})
    approval = await approval_of(run.id)
    (refused, *_) = await recorded(approval, "not_told")
    assert refused.person == "ana" and "127.0.0.1" in str(refused.detail)
    mailbox = Mailbox(refusals=1)
    with smtp(mailbox, port):
        await recorded(approval, "told")
    assert mailbox.tries == 2
    ((to, mail),) = mailbox.mails
    assert to == ["ana+approvals@example.com"]
    assert mail["subject"] == "Please decide: Pay <5> EUR?"
    text = plain(mail)
    assert text.startswith("Hello Ana Alba,\n") and "See the bill." in text
    (token,) = re.findall(r"http://127\.0\.0\.1:\d+/l/(\S+)", text)
    html = mail.get_body(("html",))
    assert html is not None
    assert f"/l/{token}</a>" in html.get_content() and "Pay &lt;5&gt; EUR?" in html.get_content()
    assert "See <em>the bill</em>." in html.get_content()
    opened = await reach.ask(reach.app_of(), OpenLink(token), LinkOpened)
    assert (opened.link.person, opened.link.approval_id) == ("ana", approval.id)
    kept = [*scene.app.data_dir.rglob("*"), scene.server.log_path]
    assert [p for p in kept if p.is_file() and token.encode() in p.read_bytes()] == []
    assert (await in_state(run, "waiting")).attempt == 1
    assert scene.count("pass") == 1


def plain(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


async def test_functions_are_called_once_for_each_person_also_async_ones(start: Start) -> None:
    scene = start(FILES)
    payload = {"notify": ["tell", "tell_async"], "to": ["group:finance"], "requester": "bo"}
    run = await tako.enqueue("asks", payload)
    approval = await approval_of(run.id)
    await recorded(approval, "told", times=4)
    await approvals.approve(approval.id, by="ana")
    assert await run.result(timeout=60) == "approve"
    await recorded(approval, "told", times=6)
    assert sorted(line for line in scene.notes() if line != "pass") == [
        "asked ana None None",
        "asked bo None None",
        "async asked ana",
        "async asked bo",
        "async decided bo",
        "decided bo approve None",
    ]


async def test_a_function_that_raises_is_tried_again_and_its_error_is_on_record_without_the_link(
    start: Start,
) -> None:
    scene = start(FILES, toml=mail_toml(free_port(), web=True))
    run = await tako.enqueue("asks", {"notify": ["tell_badly"], "to": ["ana"]})
    approval = await approval_of(run.id)
    (row, *_) = await recorded(approval, "not_told")
    assert re.search(r"OSError: cannot open http://[\w.:]+/l/\(link\)", str(row.detail))
    assert "telling:tell_badly" in str(row.detail)
    scene.app.write({"mended": ""})
    await recorded(approval, "told")
    await scene.noted("at last ana")
    ((notification,),) = [notifications(scene)]
    assert notification["state"] == "succeeded" and notification["attempt"] > 1
    shown = tako_json(scene.app, "runs", "show", notification["id"])
    assert "(link)" in json.dumps(shown) or notification["error"] is None
    log = scene.server.log
    assert "telling:tell_badly raised" in log and 'raise OSError(f"cannot open' in log
    assert "/l/(link)" in log
    assert re.findall(r"/l/[\w.-]{8,}", log) == []


async def test_a_function_that_kills_its_worker_takes_nothing_along(start: Start) -> None:
    scene = start(FILES)
    run = await tako.enqueue("asks", {"notify": ["tell_deadly"], "to": ["ana", "bo"]})
    approval = await approval_of(run.id)
    await recorded(approval, "told", times=2)
    # Whoever shared the worker that died may have been told a moment before: at least once.
    assert set(scene.notes()) == {"pass", "survived ana", "survived bo"}
    await approvals.approve(approval.id, by="bo")
    assert await run.result(timeout=60) == "approve"
    assert (await run.status()).attempt == 1


async def test_who_has_no_mail_address_cannot_be_told_and_that_is_final(start: Start) -> None:
    scene = start(FILES, toml=mail_toml(free_port()))
    run = await tako.enqueue("asks", {"notify": ["mail"], "to": ["bo"]})
    approval = await approval_of(run.id)
    (row,) = await recorded(approval, "not_told")
    assert '"final":true' in str(row.detail) and "no mail address of bo" in str(row.detail)
    (notification,) = await wait_until(lambda: ended(scene))
    assert (notification["state"], notification["attempt"]) == ("failed", 1)
    assert (await run.status()).state == "waiting"


def ended(scene: Scene) -> list[Any]:
    return [run for run in notifications(scene) if run["state"] in ("failed", "succeeded")]


async def test_nobody_is_told_of_what_is_decided_already(start: Start) -> None:
    port = free_port()
    scene = start(FILES, toml=mail_toml(port))
    run = await tako.enqueue("asks", {"notify": ["mail"], "to": ["ana"]})
    approval = await approval_of(run.id)
    await recorded(approval, "not_told")
    await approvals.reject(approval.id, by="ana")
    mailbox = Mailbox()
    with smtp(mailbox, port):
        (notification,) = await wait_until(lambda: ended(scene))
    assert notification["state"] == "succeeded"
    assert mailbox.mails == []


async def test_a_reminder_is_a_mail_of_its_own_and_the_requester_hears_the_outcome(
    start: Start,
) -> None:
    port = free_port()
    start(FILES, toml=mail_toml(port))
    mailbox = Mailbox()
    with smtp(mailbox, port):
        payload = {"notify": ["mail"], "to": ["ana"], "requester": "ana"}
        run = await tako.enqueue("asks", payload)
        approval = await approval_of(run.id)
        await recorded(approval, "told")
        await approvals.remind(approval.id, by="bo")
        await recorded(approval, "told", times=2)
        await approvals.reject(approval.id, by="ana", comment="not\nthis year")
        await recorded(approval, "told", times=3)
    assert [mail["subject"] for _, mail in mailbox.mails] == [
        "Please decide: Pay <5> EUR?",
        "Reminder, please decide: Pay <5> EUR?",
        "Decided, reject: Pay <5> EUR?",
    ]
    assert f"To see it: tako approvals show {approval.id}" in plain(mailbox.mails[0][1])
    text = plain(mailbox.mails[-1][1])
    assert "Outcome: reject" in text and "By: ana" in text and "ana says: not" in text
    assert await run.result(timeout=60) == "reject"


async def test_one_message_goes_to_all_who_read_a_shared_channel_with_the_plain_address(
    start: Start,
) -> None:
    port = free_port()
    url = f"mailto://127.0.0.1:{port}?from=tako@example.com&to=room@example.com"
    toml = mail_toml(port, web=True) + f'\n[notify.room]\nurl = "{url}"\n'
    start(FILES, toml=toml)
    mailbox = Mailbox()
    with smtp(mailbox, port):
        run = await tako.enqueue("asks", {"notify": ["room", url], "to": ["group:finance"]})
        approval = await approval_of(run.id)
        rows = await recorded(approval, "told", times=2)
    assert [to for to, _ in mailbox.mails] == [["room@example.com"]] * 2
    text = plain(mailbox.mails[0][1])
    assert re.search(rf"http://127\.0\.0\.1:\d+/approvals/{approval.id}\n", text)
    assert "Hello" not in text
    assert sorted(json.loads(row.detail or "")["channel"] for row in rows) == [
        "mailto://...",
        "room",
    ]


async def test_a_secret_of_a_channel_that_is_not_set_is_named(start: Start) -> None:
    toml = QUICK + '\n[notify.chat]\nurl = "slack://${SLACK_TOKEN_OF_NOBODY}"\n'
    start(FILES, toml=toml)
    run = await tako.enqueue("asks", {"notify": ["chat"], "to": ["ana"]})
    (row, *_) = await recorded(await approval_of(run.id), "not_told")
    assert "the environment variable SLACK_TOKEN_OF_NOBODY is not set" in str(row.detail)


async def test_without_the_library_the_record_says_what_to_install(start: Start) -> None:
    missing = """
        import sys
        sys.modules["apprise"] = None  # as if it were not there
    """
    start({**FILES, "workflows/missing.py": missing}, toml=mail_toml(free_port()))
    run = await tako.enqueue("asks", {"notify": ["mail"], "to": ["ana"]})
    (row, *_) = await recorded(await approval_of(run.id), "not_told")
    assert "pip install 'tako[notify]'" in str(row.detail)


async def test_each_group_tells_its_own_people(start: Start) -> None:
    asks = ASKS.replace('@workflow("asks")', '@workflow("asks", group="slow")')
    toml = QUICK + '\n[groups.slow]\nidle_timeout = "1s"\n'
    scene = start({**FILES, "workflows/asks.py": asks}, toml=toml)
    run = await tako.enqueue("asks", {"notify": ["tell"], "to": ["ana"]})
    await recorded(await approval_of(run.id), "told")
    assert [run["workflow"] for run in notifications(scene)] == ["tako.notify.slow"]


async def test_ours_are_in_no_list_and_nobody_else_enqueues_them(start: Start) -> None:
    scene = start(FILES)
    await (await tako.enqueue("asks", {"notify": [], "timeout": 0})).result(timeout=60)
    listed = tako_json(scene.app, "workflows")["workflows"]
    assert [workflow["name"] for workflow in listed] == ["asks"]
    with pytest.raises(
        tako.UnknownWorkflow, match=r"no workflow is named 'tako.notify' \(known are asks"
    ):
        await tako.enqueue("tako.notify", {"channel": ["function", "os:abort", True]})
    with pytest.raises(ValueError, match=r"names that begin with 'tako\.' are tako's own"):
        tako.workflow("tako.notify")


async def test_a_worker_that_tells_nobody_loads_nothing_for_it(start: Start) -> None:
    loaded = """
        import sys
        from tako import Step, workflow

        @workflow("loaded")
        async def loaded(payload: None, step: Step) -> list[str]:
            return [name for name in ("apprise", "holidays") if name in sys.modules]
    """
    start({"workflows/loaded.py": loaded})
    assert await (await tako.enqueue("loaded")).result(timeout=60) == []
