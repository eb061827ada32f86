"""Links of people to approvals: minted, checked, used up by an answer, revoked; and their keys."""

import secrets
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec

from tako import linktokens
from tako.commands import (
    Count,
    LinkOpened,
    Minted,
    MintLink,
    Ok,
    OpenLink,
    RevokeLinks,
    RotateLinkKey,
)
from tako.errors import AnswerRefused, LinkRefused, NotAllowed, Refused
from tako.ids import new_id
from tako.model import Approval, ApprovalState, LinkInfo
from tako.store import auditing, requesting
from tako.store.database import json_list
from tako.store.questions import find, outcome_of, refuse_closed
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction
from tako.store.waiting import in_time
from tako.voting import why_not


class Link(NamedTuple):
    """A row of ``links``. ``person`` is canonical."""

    id: str
    approval_id: str
    person: str
    answers: tuple[str, ...]
    digest: str
    key_id: str
    created_at: int
    expires_at: int
    used_at: int | None = None
    revoked_at: int | None = None

    @property
    def body(self) -> linktokens.Body:
        """What its token says."""
        shown = (self.answers, self.digest, self.expires_at)
        return linktokens.Body(self.id, self.approval_id, self.person, *shown)


# --- minting


def mint(tx: Transaction, c: MintLink) -> Minted:
    before = None if c.link_id is None else _find(tx, c.link_id)
    if before is not None:
        return Minted(_info(before, _token(tx, before)))  # of this request, sent again
    approval = in_time(tx, find(tx, c.approval_id)).approval
    refuse_closed(approval)
    person = tx.people.canonical(c.person)
    if (why := why_not(tx.people, approval, person)) is not None:
        raise Refusal(NotAllowed, f"no link to approval {approval.id}: {why}")
    answers = _answers(approval, c.answers)
    if c.ttl <= 0:
        raise Refusal(Refused, f"a link that is good for {c.ttl} ms: give it a longer ttl")
    key_id, secret = _signing_key(tx)
    expires_at = min(tx.now + c.ttl, approval.deadline or tx.now + c.ttl)
    link_id = c.link_id or new_id()
    link = Link(link_id, approval.id, person, answers, approval.digest, key_id, tx.now, expires_at)
    _insert(tx, link)
    detail = {"link": link.id, "for": person, "answers": answers, "expires_at": expires_at}
    auditing.of_approval(tx, approval, "linked", c.actor, detail)
    return Minted(_info(link, linktokens.sign(link.body, key_id, secret)))


def _answers(approval: Approval, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """In the order of the options. Refused: answer_refused."""
    options = approval.question.options
    unknown = [answer for answer in wanted if answer not in options]
    if unknown:
        problem = f"{unknown[0]!r} is none of its options: {', '.join(options)}"
        raise Refusal(
            AnswerRefused,
            f"no link to approval {approval.id}: {problem}",
            {"field": "answers", "problem": problem},
        )
    return tuple(option for option in options if not wanted or option in wanted)


def _token(tx: Transaction, link: Link) -> str:
    """Refused: link_refused (its key was forgotten meanwhile)."""
    row = tx.db.one("link_key", link.key_id)
    if row is None or row[0] is None:
        _refuse("revoked", "this link was made void, with all others of its time")
    return linktokens.sign(link.body, link.key_id, row[0])


def _insert(tx: Transaction, link: Link) -> None:
    answers = json_list(list(link.answers))
    row = (link.id, link.approval_id, link.person, answers, link.digest, link.key_id)
    tx.db.run("insert_link", *row, link.created_at, link.expires_at)


def _info(link: Link, token: str) -> LinkInfo:
    """Without a URL: where the doors are, the server knows."""
    who = (link.id, link.approval_id, link.person, link.answers, link.digest)
    return LinkInfo(*who, link.created_at, link.expires_at, token)


# --- what a token is worth


def open_link(tx: Transaction, c: OpenLink) -> LinkOpened:
    link = check(tx, c.token, tx.now, c.person)
    return LinkOpened(_info(link, c.token), find(tx, link.approval_id).approval)


def check(tx: Transaction, token: str, now: int, person: str | None = None) -> Link:
    """The link, if it is good at ``now``; ``person``: who is logged in where it is used, if any.

    Refused: link_refused. Its detail says ``why``: tampered, stranger, revoked, used or expired,
    and, where that is nobody's secret, the approval's id and what became of it.
    """
    key_id = linktokens.key_of(token)
    row = tx.db.one("link_key", key_id)
    if row is None:
        _refuse("tampered", "this link is not as it was sent: open it from the message itself")
    if row[0] is None:
        _refuse("revoked", "this link was made void, with all others of its time")
    body = linktokens.verify(token, row[0])
    if body is None:
        _refuse("tampered", "this link is not as it was sent: open it from the message itself")
    link = _find(tx, body.link_id)
    if link is None and body.expires_at <= now:  # it was pruned
        parts = (body.approval_id, body.person, body.answers, body.digest, key_id, 0)
        link = Link(body.link_id, *parts, body.expires_at)
    if link is None or link.body != body:
        _refuse("revoked", "this link is no longer known", {"approval_id": body.approval_id})
    _refuse_worthless(tx, link, now, person)
    return link


def _refuse_worthless(tx: Transaction, link: Link, now: int, person: str | None) -> None:
    if person is not None and tx.people.canonical(person) != tx.people.canonical(link.person):
        _refuse(
            "stranger",
            f"this link was made for somebody else than {person}: ask for one of your own",
            {"approval_id": link.approval_id},
        )
    if link.revoked_at is not None:
        _refuse("revoked", "this link was revoked", _known(tx, link))
    if link.used_at is not None:
        detail = _known(tx, link) | {"used_at": link.used_at}
        _refuse("used", "this link was used: it is good for one answer", detail)
    if link.expires_at <= now:
        detail = _known(tx, link) | {"expires_at": link.expires_at}
        _refuse("expired", "this link has expired: ask for a new one", detail)


def _known(tx: Transaction, link: Link) -> dict[str, Any]:
    """What its person may know of the approval."""
    approval = find(tx, link.approval_id).approval
    known: dict[str, Any] = {"approval_id": approval.id, "person": link.person}
    return known if approval.state is ApprovalState.OPEN else known | outcome_of(approval)


def _refuse(why: str, message: str, detail: dict[str, Any] | None = None) -> NoReturn:
    raise Refusal(LinkRefused, message, {"why": why} | (detail or {}))


def _find(tx: Transaction, link_id: str) -> Link | None:
    row = tx.db.one("link_by_id", link_id)
    if row is None:
        return None
    answers = msgspec.json.decode(row[3], type=tuple[str, ...])
    return Link(*row[:3], answers, *row[4:])  # type: ignore[call-arg]  # as selected


def use(tx: Transaction, link: Link) -> None:
    """Its answer counts, in this transaction: it is good for no other."""
    tx.db.run("use_link", tx.now, link.id)


# --- revoking, and the keys


def revoke(tx: Transaction, c: RevokeLinks) -> Count:
    what, do = f"revoke {c.approval_id} {c.person}", partial(_revoke, tx, c)
    return requesting.once(tx, c.revoke_id, what, Count, do)


def _revoke(tx: Transaction, c: RevokeLinks) -> Count:
    approval = find(tx, c.approval_id).approval
    person = None if c.person is None else tx.people.canonical(c.person)
    rows = tx.db.all("revoke_links", tx.now, approval.id, person)
    if rows:
        detail = {"links": sorted(row[0] for row in rows), "for": person}
        auditing.of_approval(tx, approval, "revoked", c.actor, detail)
    return Count(len(rows))


def rotate(tx: Transaction, c: RotateLinkKey) -> Ok:
    """The new key signs; with ``forget`` the secrets of all others are gone, and their links."""
    tx.db.run("retire_link_key", tx.now)
    key_id, _ = _new_key(tx)
    links, forgotten = 0, []
    if c.forget:
        forgotten = [row[0] for row in tx.db.all("forget_link_keys")]
        links = sum(tx.db.run("revoke_links_of_key", tx.now, old) for old in forgotten)
    detail = {"key": key_id, "forgotten": sorted(forgotten), "links": links}
    auditing.append(tx, "revoked", actor=c.actor, detail=detail)
    return Ok()


def _signing_key(tx: Transaction) -> tuple[str, str]:
    """Id and secret of the key that signs; made when the first link is."""
    row = tx.db.one("signing_link_key")
    return _new_key(tx) if row is None else (row[0], row[1])


def _new_key(tx: Transaction) -> tuple[str, str]:
    key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
    tx.db.run("insert_link_key", key_id, secret, tx.now)
    return key_id, secret
