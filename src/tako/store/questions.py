"""Rows of approvals as `Approval`s, and what a new or a changed question writes."""

from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from tako.commands import Ask
from tako.errors import AlreadyDecided, ApprovalClosed, ApprovalNotFound
from tako.model import Answer, Approval, ApprovalState, Moment, Question
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction
from tako.voting import ANYONE

_json = msgspec.json.Encoder()


class Found(NamedTuple):
    seq: int
    group: str
    approval: Approval


def find(tx: Transaction, approval_id: str) -> Found:
    """Refused: approval_not_found."""
    row = tx.db.one("approval_by_id", approval_id)
    if row is None:
        raise Refusal(ApprovalNotFound, f"there is no approval {approval_id}")
    return _found(tx, row)


def by_seq(tx: Transaction, seq: int) -> Found:
    row = tx.db.one("approval_by_seq", seq)
    assert row is not None, f"approval number {seq} is referred to"
    return _found(tx, row)


def open_of_step(tx: Transaction, run_id: str, name: str) -> Found | None:
    row = tx.db.one("open_approval_of_step", run_id, name)
    return None if row is None else find(tx, row[0])


def _found(tx: Transaction, row: tuple[Any, ...]) -> Found:
    seq, id_, run_id, workflow, name, state, question, schema, digest, *rest, group = row
    asked_at, deadline, outcome, decided_by, decided_at, channel = rest
    asked = msgspec.json.decode(question, type=Question)
    approval = Approval(
        id=id_,
        run_id=run_id,
        workflow=workflow,
        name=name,
        state=ApprovalState(state),
        question=msgspec.structs.replace(asked, schema=schema),
        digest=digest,
        asked_at=asked_at,
        deadline=deadline,
        asked=tuple(who for (who,) in tx.db.all("asked_of_approval", seq)),
        answers=tuple(Answer(*r) for r in tx.db.all("answers_of_approval", seq, digest)),
        delegated=tuple((a, b) for a, b in tx.db.all("delegations_of_approval", seq)),
        outcome=outcome,
        decided_by=decided_by,
        decided_at=decided_at,
        channel=channel,
    )
    return Found(seq, group, approval)


def refuse_closed(approval: Approval) -> None:
    """Refused: already_decided, approval_closed; both with the outcome."""
    if approval.state is ApprovalState.OPEN:
        return
    detail = outcome_of(approval)
    if approval.state is ApprovalState.DECIDED:
        message = f"approval {approval.id} was decided before: {approval.outcome}, by "
        message += f"{approval.decided_by} ({approval.channel})"
        raise Refusal(AlreadyDecided, message, detail)
    why = {
        ApprovalState.EXPIRED: f"nobody decided in time; outcome: {approval.outcome or 'none'}",
        ApprovalState.WITHDRAWN: "its run went on or ended without it",
    }[approval.state]
    raise Refusal(ApprovalClosed, f"approval {approval.id} is no longer open: {why}", detail)


def outcome_of(approval: Approval) -> dict[str, Any]:
    """What became of it, as the detail of a refusal says it."""
    return {
        "state": str(approval.state),
        "outcome": approval.outcome,
        "by": approval.decided_by,
        "at": approval.decided_at,
        "channel": approval.channel,
    }


# --- writing


def digest_of(question: Question) -> str:
    """SHA-256 of what people are shown and answer: title, body, options, form."""
    shown = (question.title, question.body, question.options, question.schema)
    return sha256(_json.encode(shown)).hexdigest()


def moment(now: int, deadline: int | None, when: Moment) -> int | None:
    """In ms since the epoch; None for one that counts back from a deadline there is not."""
    if when.kind == "at":
        return when.ms
    if when.kind == "after":
        return now + when.ms
    return None if deadline is None else deadline - when.ms


def insert(tx: Transaction, c: Ask, workflow: str, group: str, deadline: int | None) -> Found:
    """A new occurrence, with those it is asked of and what is to happen until it is closed."""
    seq, question = tx.next_seq(), c.question
    text, schema_id = _stored(tx, question)
    tx.db.run(
        "insert_approval",
        *(seq, c.approval_id, c.run_id, c.name, workflow, group),
        *(text, schema_id, digest_of(question), tx.now, deadline),
    )
    _ask(tx, seq, deadline, question.to or (ANYONE,), added=False)
    for when in question.remind:
        at = moment(tx.now, deadline, when)
        if at is not None and at > tx.now:
            _insert_timer(tx, seq, at, None)
    for step in question.escalate:
        at = moment(tx.now, deadline, step.when)
        if at is not None:  # one whose time has been is due at once
            _insert_timer(tx, seq, at, _json.encode(step.to).decode())
    return find(tx, c.approval_id)


def _insert_timer(tx: Transaction, seq: int, at: int, people: str | None) -> None:
    tx.db.run("insert_approval_timer", seq, at, people)
    tx.effects.timed = True


def with_times_of(question: Question, first: Question) -> Question:
    """Reminders and escalations are fixed when it is first asked, as the deadline is."""
    return msgspec.structs.replace(question, remind=first.remind, escalate=first.escalate)


def change(tx: Transaction, found: Found, question: Question) -> Found:
    """Show something else; who was added by escalation or delegation stays."""
    text, schema_id = _stored(tx, question)
    tx.db.run("change_approval", text, schema_id, digest_of(question), found.seq)
    before = found.approval
    if before.question.to != question.to:
        tx.db.run("delete_asked", found.seq)
        _ask(tx, found.seq, before.deadline, question.to or (ANYONE,), added=False)
    return find(tx, before.id)


def ask_also(tx: Transaction, seq: int, deadline: int | None, names: tuple[str, ...]) -> None:
    """Beside those of the question, whatever becomes of it: by an escalation or a delegation."""
    _ask(tx, seq, deadline, names, added=True)


def _ask(
    tx: Transaction, seq: int, deadline: int | None, names: tuple[str, ...], *, added: bool
) -> None:
    due = 2**63 - 1 if deadline is None else deadline
    rows = [(seq, tx.people.canonical(name), due, added) for name in names]
    tx.db.run_many("insert_asked", rows)


def _stored(tx: Transaction, question: Question) -> tuple[str, int | None]:
    """The question without its schema, which many share, and the schema's number."""
    bare = msgspec.structs.replace(question, schema=None)
    return _json.encode(bare).decode(), schema_number(tx, question.schema)


def schema_number(tx: Transaction, schema: str | None) -> int | None:
    if schema is None:
        return None
    row = tx.db.one("schema_id", schema)
    if row is None:
        tx.db.run("insert_schema", schema)
        row = tx.db.one("schema_id", schema)
    assert row is not None
    return int(row[0])
