"""`tako.notify`: each message to a person is a run, so that it is retried and seen like all others.

Nothing of it keeps a personal link: it is made in the step that sends, and is no part of what
that step returns, raises or logs.
"""

import traceback
from typing import TYPE_CHECKING

import msgspec

from tako.builtin import notifier
from tako.commands import ApprovalReply, GetApproval, Minted, MintLink, Told
from tako.discovery import Discovery
from tako.errors import AlreadyDecided, ApprovalClosed, ApprovalNotFound, NotAllowed
from tako.model import Actor, Approval, ApprovalState, Channel, LinkInfo, WorkflowInfo
from tako.notice import ASKING, Notice, Recipient
from tako.retry import Backoff
from tako.step import Step
from tako.worker.bodies import FAILURES
from tako.workflow import Workflow

if TYPE_CHECKING:
    from tako.config import AppConfig
    from tako.people import Directory

# 1 s, 2 s, ... as long as it may be a restart; then every 100 minutes: a day in all.
RETRIES = 26
BACKOFF = Backoff(first=1.0, factor=2.0, maximum=7200.0)

_LONGEST_SENDING = 120.0  # s
_LONGEST_ERROR = 1000  # characters
_MOOT = (ApprovalNotFound, NotAllowed, AlreadyDecided, ApprovalClosed)


class Telling(msgspec.Struct, frozen=True):
    """The payload, as the store writes it. ``person`` None: all who read the channel."""

    approval: str
    kind: str
    person: str | None
    channel: Channel


def with_notify(found: Discovery, group: str) -> Discovery:
    """Beside an app's own workflows, the one that tells people, for a worker of ``group``.

    The server hears of those of all groups: what a worker registers replaces what was known.
    """
    name = notifier(group)
    own: Workflow[Telling, str] = Workflow(
        name, notify, retries=RETRIES, backoff=BACKOFF, group=group
    )
    found.workflows[name] = own
    groups = {group, *(info.group for info in found.infos)}
    found.infos += [WorkflowInfo(notifier(g), g, "tako") for g in sorted(groups)]
    return found


async def notify(payload: Telling, step: Step) -> str:
    """Tell one person, or a channel, and record whether that went well."""
    from tako.worker.channels import NotSent  # what sends is loaded by those that do

    try:
        sent = await step.run("send", _send, payload, step, timeout=_LONGEST_SENDING)
    except FAILURES as error:
        run = step._pass.run
        final = run.attempt - run.strikes > RETRIES or (isinstance(error, NotSent) and error.final)
        await _record(payload, step, str(error), final)
        if final:
            step.fail(str(error))
        raise
    if sent:
        await step.run("record", _record, payload, step)
    return "told" if sent else "not needed any more"


async def _record(
    payload: Telling, step: Step, error: str | None = None, final: bool = False
) -> None:
    from tako.worker.channels import label

    told = Told(
        payload.approval,
        payload.kind,
        payload.person,
        label(payload.channel),
        None if error is None else error[:_LONGEST_ERROR],
        final,
    )
    try:
        await step._pass.insist(told)
    except ApprovalNotFound:  # pruned meanwhile
        return


async def _send(payload: Telling, step: Step) -> bool:
    """False if nobody needs to be told any more. Raises NotSent, without the link in it."""
    from tako.worker.channels import NotSent, label

    link: LinkInfo | None = None
    try:
        app = step._pass.services.app()
        people = _directory(app)
        person = None if payload.person is None else _recipient(people, payload.person)
        approval = await _approval(payload, step, people)
        if payload.kind in ASKING and person is not None and app.web is not None:
            link = await _link(payload, step, person, app)
        notice = Notice(payload.kind, approval, person, _url(app, approval, link))
        await _deliver(payload.channel, notice, step, app)
    except _MOOT:
        return False
    except NotSent as error:
        problem, final = str(error), error.final
    except FAILURES as error:
        trace = _without(link, "".join(traceback.format_exception(error)))
        step.log.warning("%s raised\n%s", label(payload.channel), trace)
        problem, final = f"{type(error).__name__}: {error}", False
    else:
        return True
    # Outside of the handlers: what was raised may hold the link, and must not hang on to this.
    raise NotSent(_without(link, problem)[:_LONGEST_ERROR], final=final)


async def _approval(payload: Telling, step: Step, people: "Directory") -> Approval:
    """As it is now. Raises ApprovalClosed if an answer of this person is not wanted any more."""
    reply = await step._pass.insist(GetApproval(payload.approval))
    assert isinstance(reply, ApprovalReply)
    approval = reply.approval
    if payload.kind not in ASKING:
        return approval
    if approval.state is not ApprovalState.OPEN:
        raise ApprovalClosed("it is decided")
    answered = {people.canonical(answer.person) for answer in approval.answers}
    if payload.person is not None and people.canonical(payload.person) in answered:
        raise ApprovalClosed("this person has answered")
    return approval


async def _link(payload: Telling, step: Step, person: Recipient, app: "AppConfig") -> LinkInfo:
    actor = Actor(person.id, "process", "server")
    ttl = app.approvals.link_ttl.ms
    reply = await step._pass.insist(MintLink(payload.approval, person.id, actor, ttl=ttl))
    assert isinstance(reply, Minted)
    return reply.link


def _url(app: "AppConfig", approval: Approval, link: LinkInfo | None) -> str | None:
    if link is not None:
        return link.url
    return None if app.web is None else f"{app.web.base}/approvals/{approval.id}"


async def _deliver(channel: Channel, notice: Notice, step: Step, app: "AppConfig") -> None:
    from tako.worker import channels

    call = step._pass.services.steps.call
    if channel.kind != "function":
        url = channels.url_for(channel, notice.person, app)
        await call(channels.send_by_url, url, notice)
        return
    fn = channels.function_of(channel.target)
    if channels.is_async(fn):
        await fn(notice)
        return
    result = await call(fn, notice)
    if hasattr(result, "__await__"):
        await result


def _directory(app: "AppConfig") -> "Directory":
    from tako.people import load_directory

    return load_directory(app)


def _recipient(people: "Directory", name: str) -> Recipient:
    person = people.person(name)
    return Recipient(person.id, person.name, person.email)


def _without(link: LinkInfo | None, text: str) -> str:
    """``text`` without the secret of the link."""
    return text if link is None else text.replace(link.token, "(link)")
