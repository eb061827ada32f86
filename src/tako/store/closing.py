"""How an approval ends: decided, expired or withdrawn. Each by the same compare-and-set."""

import msgspec

from tako.model import Answer, Approval, ApprovalState, StepKind
from tako.store import auditing, notices
from tako.store.auditing import SERVER
from tako.store.questions import Found, open_of_step
from tako.store.transaction import Transaction

_AT_TIMEOUT = {"reject", "approve"}  # the others leave no outcome


def decide(tx: Transaction, found: Found, last: Answer) -> Found:
    """Close it with what people decided; the wait is for the caller to end."""
    closed = _close(tx, found, ApprovalState.DECIDED, last.answer, last.person, last.channel)
    detail = {"outcome": last.answer, "answers": [a.person for a in closed.approval.answers]}
    auditing.of_approval(tx, closed.approval, "decided", SERVER, detail, person=last.person)
    _tell_outcome(tx, closed, "decided")
    return closed


def expire(tx: Transaction, run_id: str, name: str) -> tuple[str, str | None]:
    """The deadline came first. The outcome and the value of the step."""
    found = open_of_step(tx, run_id, name)
    assert found is not None, f"the waiter {name!r} of run {run_id} has an approval"
    on_timeout = found.approval.question.on_timeout
    outcome = on_timeout if on_timeout in _AT_TIMEOUT else None
    closed = _close(tx, found, ApprovalState.EXPIRED, outcome, None, "timeout")
    auditing.of_approval(tx, closed.approval, "expired", SERVER, {"outcome": outcome})
    _tell_outcome(tx, closed, "expired")
    return ("timeout", None) if outcome is None else ("ok", decision_of(closed.approval))


def withdraw(tx: Transaction, run_id: str, name: str, why: str) -> None:
    """Nobody waits for it any more."""
    found = open_of_step(tx, run_id, name)
    if found is None:
        return
    closed = _close(tx, found, ApprovalState.WITHDRAWN, None, None, "server")
    auditing.of_approval(tx, closed.approval, "withdrawn", SERVER, {"why": why})
    _tell_outcome(tx, closed, "withdrawn")


def runs_ended(tx: Transaction, *run_ids: str) -> None:
    """The runs have ended: nobody waits for anything in their name any more."""
    for run_id, name, kind in tx.db.each("delete_waiters_of_run", [(r,) for r in run_ids]):
        if kind == StepKind.APPROVAL:
            withdraw(tx, run_id, name, "its run ended")
    tx.effects.ended += run_ids


def decision_of(approval: Approval) -> str:
    """The saved value of the step, as JSON: what the handler gets as its `Decision`."""
    by = approval.decided_by
    deciding = next((a for a in approval.answers if a.person == by), None)
    return msgspec.json.encode(
        {
            "outcome": approval.outcome,
            "value": None if deciding is None else _raw(deciding.value),
            "by": approval.decided_by,
            "at": approval.decided_at,
            "channel": approval.channel,
            "comment": None if deciding is None else deciding.comment,
            "answers": [
                {
                    "person": a.person,
                    "answer": a.answer,
                    "at": a.at,
                    "channel": a.channel,
                    "value": _raw(a.value),
                    "comment": a.comment,
                }
                for a in approval.answers
            ],
        }
    ).decode()


def _raw(value: str | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value.encode())


def _close(
    tx: Transaction,
    found: Found,
    state: ApprovalState,
    outcome: str | None,
    by: str | None,
    channel: str,
) -> Found:
    changed = tx.db.run("close_approval", str(state), outcome, by, tx.now, channel, found.seq)
    assert changed == 1, f"approval {found.approval.id} was open"
    tx.db.run("close_asked", found.seq)
    tx.db.run("delete_approval_timers", found.seq)
    closed = msgspec.structs.replace(
        found.approval,
        state=state,
        outcome=outcome,
        decided_by=by,
        decided_at=tx.now,
        channel=channel,
    )
    return found._replace(approval=closed)


def _tell_outcome(tx: Transaction, found: Found, kind: str) -> None:
    """Who wanted it, and everybody on shared channels."""
    requester = found.approval.question.requester
    people = [] if requester is None else [tx.people.canonical(requester)]
    notices.tell(tx, found, kind, people)
