"""The commands of approvals, links and the audit, and their replies.

`Decide` is the only way to an answer: page, link, API, CLI and Python all send it.
"""

from tako.commands.message import Message
from tako.model import (
    Actor,
    Approval,
    AuditRow,
    LinkInfo,
    Moment,
    Question,
)

# --- from a worker -----------------------------------------------------------------------------


class Ask(Message, frozen=True):
    """A `Wait` with a face: register the waiter and show ``question`` to people.

    ``approval_id`` counts only for a new occurrence. Asked again by a later pass: the same content
    finds the waiter with its deadline; other content replaces what is shown, and the answers so
    far no longer count. ``reuse``: the same content that people have decided before for this
    step of this run (it was rerun, say) has that decision at once. Reply: `Waiting` or `Exists`.
    """

    run_id: str
    lease_id: str
    name: str
    approval_id: str
    question: Question
    deadline: Moment | None  # "after" or "at"
    attempt: int
    reuse: bool = True


# --- from anywhere -----------------------------------------------------------------------------


class Decide(Message, frozen=True):
    """Answer. Sent twice with one ``decide_id`` it counts once.

    ``digest``: of the content that was shown; None: of that of the link, or of what is asked now.
    ``token``: of a link, whose person the actor then is; the link is used up if the answer counts.
    ``value``: the form as JSON. Reply: `Decided`. Refused, and recorded: not_allowed,
    already_decided, already_answered, approval_closed, content_changed, answer_refused,
    link_refused. Refused only: approval_not_found, conflict (the ``decide_id`` of another answer).
    """

    decide_id: str
    approval_id: str
    answer: str
    actor: Actor
    value: str | None = None
    comment: str | None = None
    digest: str | None = None
    token: str | None = None


class Delegate(Message, frozen=True):
    """Let ``to`` answer in the actor's place, who then cannot. Sent again it changes nothing.

    Reply: `ApprovalReply`. Refused: approval_not_found, not_allowed (also if ``to`` is excluded),
    already_decided, already_answered, approval_closed.
    """

    approval_id: str
    to: str
    actor: Actor
    comment: str | None = None


class Show(Message, frozen=True):
    """The actor has seen this content: recorded once for each person, door and content.

    Reply: `Ok`. Refused: approval_not_found.
    """

    approval_id: str
    digest: str
    actor: Actor


class Remind(Message, frozen=True):
    """Tell those who have not answered once more. Reply: `Reminded`.

    Refused: approval_not_found, approval_closed, already_decided.
    """

    approval_id: str
    actor: Actor
    remind_id: str  # sent twice it reminds once


class Told(Message, frozen=True):
    """A channel took a message, or did not: ``error``. Recorded. Reply: `Ok`."""

    approval_id: str
    kind: str  # asked | reminded | escalated | decided | expired | withdrawn | changed
    person: str | None  # None: all who read the channel
    channel: str
    error: str | None = None
    final: bool = False  # no more tries


class GetApproval(Message, frozen=True):
    """Reply: `ApprovalReply`. Refused: approval_not_found."""

    approval_id: str


class ListApprovals(Message, frozen=True):
    """Open ones nearest deadline first, others newest first. Reply: `ApprovalList`.

    ``state`` None: all. ``person``: only what waits for this person's answer (open), or was asked
    of them; ``answered``: only what they have answered. ``groups`` are those of the `Actor`.
    ``after``: ``next`` of the page before.
    ``text``: in the title, in whatever case; then a page with a ``next`` may be short, even empty,
    for only so many are looked at.
    """

    state: str | None = "open"
    person: str | None = None
    groups: tuple[str, ...] = ()
    workflow: str | None = None
    run_id: str | None = None
    limit: int = 50
    after: str | None = None
    text: str | None = None
    answered: bool = False


class CountApprovals(Message, frozen=True):
    """How many are open, for this person or at all. Reply: `Count`."""

    person: str | None = None
    groups: tuple[str, ...] = ()


class MintLink(Message, frozen=True):
    """A link for ``person``, who must be one that is asked. Reply: `Minted`.

    ``answers`` empty: all options. ``ttl`` in ms; never beyond the deadline. ``link_id``: sent
    again with the same one, it is the same link. Refused: approval_not_found, not_allowed,
    answer_refused, approval_closed, already_decided.
    """

    approval_id: str
    person: str
    actor: Actor
    answers: tuple[str, ...] = ()
    ttl: int = 7 * 86_400_000
    link_id: str | None = None


class OpenLink(Message, frozen=True):
    """What a link is about; changes nothing. Reply: `LinkOpened`. Refused: link_refused.

    A used or expired link of an approval says so in the error's ``detail``, with the approval's id
    and outcome. ``person``: who is logged in where it is opened, if anyone.
    """

    token: str
    person: str | None = None


class RevokeLinks(Message, frozen=True):
    """Revoke the links of an approval, all or one person's. Reply: `Count`.

    ``revoke_id``: sent again with the same one within a day, it is done once, and answered alike.
    Refused: approval_not_found, key_reused.
    """

    approval_id: str
    actor: Actor
    person: str | None = None
    revoke_id: str | None = None


class RotateLinkKey(Message, frozen=True):
    """Sign new links with a new key; ``forget``: those of earlier keys are void. Reply: `Ok`."""

    actor: Actor
    forget: bool = False


class ReadAudit(Message, frozen=True):
    """The record in its order, after ``after``. Reply: `AuditPage`."""

    approval_id: str | None = None
    after: int = 0
    limit: int = 500


# --- from the server itself --------------------------------------------------------------------


class PruneAudit(Message, frozen=True):
    """Delete the beginning of the record, up to the first line that has to stay. Reply: `Count`.

    A line stays that is not older than ``before``, or that is about an approval which is still
    open. Up to ``limit`` lines go; if so many did, more may have to.
    """

    before: int
    limit: int = 5_000


# --- replies -----------------------------------------------------------------------------------


class Decided(Message, frozen=True):
    """The answer counts; ``approval.outcome`` is set if it was the one that decided."""

    approval: Approval


class ApprovalReply(Message, frozen=True):
    approval: Approval


class ApprovalList(Message, frozen=True):
    approvals: list[Approval]
    next: str | None = None


class Count(Message, frozen=True):
    count: int


class Reminded(Message, frozen=True):
    """Who is being told."""

    people: tuple[str, ...]


class Minted(Message, frozen=True):
    link: LinkInfo


class LinkOpened(Message, frozen=True):
    link: LinkInfo
    approval: Approval


class AuditPage(Message, frozen=True):
    """``base``: (seq, hash) of the last line that was pruned, (0, "") if none was.

    ``written``: how many lines there ever were, which is the number of the last one.
    """

    rows: list[AuditRow]
    base: tuple[int, str]
    written: int
