"""The commands of approvals: asking, the one decision path, and what is recorded besides."""

from msgspec.structs import replace

from tako.commands import (
    ApprovalReply,
    Ask,
    Decide,
    Decided,
    Delegate,
    Error,
    Exists,
    Ok,
    Remind,
    Reminded,
    Show,
    Told,
    Waiting,
)
from tako.errors import (
    AlreadyAnswered,
    AnswerRefused,
    Conflict,
    ContentChanged,
    LinkRefused,
    NotAllowed,
)
from tako.model import Actor, Answer, Approval, ApprovalState, Question, StepKind, StepRecord
from tako.people import is_name
from tako.schema import find_problem
from tako.store import auditing, closing, linking, notices, questions, waiting
from tako.store.auditing import SERVER
from tako.store.questions import Found
from tako.store.refusal import Refusal
from tako.store.transaction import Transaction
from tako.store.working import check_lease
from tako.voting import VETO, answer_of, audience, deciding_answer, is_excluded, why_not

LONGEST_COMMENT = 10_000  # characters
KIND = str(StepKind.APPROVAL)


# --- the worker's side


def ask(tx: Transaction, c: Ask) -> Waiting | Exists:
    workflow, group = check_lease(tx, c.run_id, c.lease_id)
    saved = waiting.saved_outcome(tx, c.run_id, c.name, c.attempt)
    if saved is not None:
        return Exists(saved)
    waiter = waiting.find_waiter(tx, c.run_id, c.name)
    if waiter is None:
        return _begin(tx, c, workflow, group)
    if waiter.deadline is not None and waiter.deadline <= tx.now:
        return Exists(waiting.end_wait(tx, waiter, "timeout", None))
    if waiter.kind != KIND:
        waiting.give_up(tx, waiter)
        return _begin(tx, c, workflow, group)
    found = questions.open_of_step(tx, c.run_id, c.name)
    assert found is not None, "a waiter of this kind has an open approval"
    record = _change(tx, found, c.question)
    return Waiting(waiter.deadline) if record is None else Exists(record)


def _begin(tx: Transaction, c: Ask, workflow: str, group: str) -> Waiting | Exists:
    if c.reuse and (record := _decided_before(tx, c)) is not None:
        return Exists(record)
    deadline = None if c.deadline is None else questions.moment(tx.now, None, c.deadline)
    waiter = waiting.begin(tx, c.run_id, c.name, KIND, deadline, c.attempt)
    found = questions.insert(tx, c, workflow, group, deadline)
    auditing.of_approval(tx, found.approval, "asked", SERVER, {"of": found.approval.asked})
    if deadline is not None and deadline <= tx.now:
        return Exists(waiting.end_wait(tx, waiter, "timeout", None))
    _tell(tx, found, "asked", found.approval.asked)
    return Waiting(deadline)


def _decided_before(tx: Transaction, c: Ask) -> StepRecord | None:
    """The same content was decided for this step before: the run was rerun, say.

    By the rules of now: who is excluded meanwhile, or a larger quorum, asks for another decision.
    """
    row = tx.db.one("decided_before", c.run_id, c.name, questions.digest_of(c.question))
    if row is None:
        return None
    found = questions.find(tx, row[0])
    last = deciding_answer(tx.people, replace(found.approval, question=c.question))
    if last is None or last.answer != found.approval.outcome:
        return None
    auditing.of_approval(tx, found.approval, "reused", SERVER, {"outcome": found.approval.outcome})
    value = closing.decision_of(found.approval)
    return waiting.save(tx, c.run_id, c.name, KIND, "ok", value, c.attempt)


def _change(tx: Transaction, before: Found, question: Question) -> StepRecord | None:
    """Other content, people or rules. Answers to other content no longer count.

    The outcome of the step, if by the rules of now the answers suffice: the quorum was lowered.
    """
    old = before.approval
    question = questions.with_times_of(question, old.question)
    if question == old.question:
        return None
    after = questions.change(tx, before, question)
    new = after.approval
    auditing.of_approval(
        tx, after.approval, "changed", SERVER, {"from": old.digest, "of": new.asked}
    )
    if old.digest != new.digest:
        _tell(tx, after, "changed", new.asked)
    elif added := tuple(who for who in new.asked if who not in old.asked):
        _tell(tx, after, "asked", added)
    last = deciding_answer(tx.people, new)
    return None if last is None else _settle(tx, after, last)[1]


# --- the one decision path


def decide(tx: Transaction, c: Decide) -> Decided | Error:
    """Check who, what and when, then count the answer and, if it is the last one, decide."""
    if (given := _given_before(tx, c)) is not None:
        return given
    found = waiting.in_time(tx, questions.find(tx, c.approval_id))
    try:
        link = None if c.token is None else _check_link(tx, c)
        shown = link.digest if link is not None and c.digest is None else c.digest
        _check(tx, found.approval, c, shown)
    except Refusal as refusal:
        reply = refusal.reply
        detail = {"code": reply.code, "answer": c.answer[:100], "problem": reply.message}
        auditing.of_approval(tx, found.approval, "refused", c.actor, detail)
        return reply
    if link is not None:
        linking.use(tx, link)
    return Decided(_count(tx, found, c).approval)


def _given_before(tx: Transaction, c: Decide) -> Decided | None:
    """The reply to who sends an answer again. Refused: conflict."""
    row = tx.db.one("answer_by_decide_id", c.decide_id)
    if row is None:
        return None
    seq, person, answer = row
    known = questions.by_seq(tx, seq).approval
    same_person = tx.people.canonical(person) == tx.people.canonical(c.actor.person)
    if known.id != c.approval_id or not same_person:
        message = f"decide_id {c.decide_id!r} is that of another answer: choose a new one"
        raise Refusal(Conflict, message)
    return Decided(known) if answer == c.answer else None


def _check_link(tx: Transaction, c: Decide) -> linking.Link:
    assert c.token is not None
    link = linking.check(tx, c.token, tx.now)
    mine = tx.people.canonical(c.actor.person) == tx.people.canonical(link.person)
    if link.approval_id != c.approval_id or not mine:
        message = f"this link is {link.person}'s, and for approval {link.approval_id}"
        raise Refusal(LinkRefused, message, {"why": "stranger", "approval_id": link.approval_id})
    if c.answer not in link.answers:
        raise Refusal(AnswerRefused, f"this link cannot answer {c.answer!r}", {"field": "answer"})
    return link


def _check(tx: Transaction, approval: Approval, c: Decide, shown: str | None) -> None:
    """Who, when, what: in this order, so that nobody learns what is not theirs to know."""
    check_asked(tx, approval, c.actor)
    questions.refuse_closed(approval)
    if shown is not None and shown != approval.digest:
        raise Refusal(
            ContentChanged,
            f"what approval {approval.id} is about has changed since it was shown: read it again",
            {"digest": approval.digest},
        )
    check_unanswered(tx, approval, c.actor)
    _check_answer(approval, c)


def check_asked(tx: Transaction, approval: Approval, actor: Actor) -> None:
    """Refused: not_allowed."""
    problem = why_not(tx.people, approval, actor.person, actor.groups)
    if problem is not None:
        raise Refusal(NotAllowed, problem, {"approval_id": approval.id})


def check_unanswered(tx: Transaction, approval: Approval, actor: Actor) -> None:
    """Refused: already_answered."""
    given = answer_of(tx.people, approval, actor.person)
    if given is not None:
        raise Refusal(
            AlreadyAnswered,
            f"{given.person} has answered {given.answer!r} to approval {approval.id} before",
            {"answer": given.answer, "at": given.at, "channel": given.channel},
        )


def _check_answer(approval: Approval, c: Decide) -> None:
    question = approval.question
    if c.answer not in question.options:
        raise _unfit("answer", f"{c.answer[:100]!r} is not one of {', '.join(question.options)}")
    _check_comment(c.comment)
    if question.schema is None:
        if c.value not in (None, "null"):
            raise _unfit("value", "this approval has no form")
    elif c.value is not None:
        problem = find_problem(c.value, question.schema)
        if problem is not None:
            raise _unfit(*problem)
    elif c.answer != VETO:
        raise _unfit("value", f"the form has to be filled in to answer {c.answer!r}")


def _check_comment(comment: str | None) -> None:
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise _unfit("comment", f"it has more than {LONGEST_COMMENT} characters")


def _unfit(field: str, problem: str) -> Refusal:
    name = f"field `{field}`" if field else "the form"
    message = f"{name} does not fit: {problem}; the run still waits"
    return Refusal(AnswerRefused, message, {"field": field, "problem": problem})


def _count(tx: Transaction, found: Found, c: Decide) -> Found:
    who = _as(tx, c.actor)
    answer = Answer(who.person, c.answer, tx.now, who.channel, c.value, c.comment)
    tx.db.run(
        "insert_answer",
        *(found.seq, tx.next_seq(), found.approval.digest, answer.person, answer.answer),
        *(answer.at, answer.channel, answer.value, answer.comment, c.decide_id),
    )
    detail = {"answer": answer.answer, "comment": answer.comment, "value": answer.value}
    auditing.of_approval(tx, found.approval, "answered", who, detail)
    before = found.approval
    counted = found._replace(approval=replace(before, answers=(*before.answers, answer)))
    last = deciding_answer(tx.people, counted.approval)
    return counted if last is None else _settle(tx, counted, last)[0]


def _settle(tx: Transaction, found: Found, last: Answer) -> tuple[Found, StepRecord]:
    closed = closing.decide(tx, found, last)
    waiter = waiting.find_waiter(tx, closed.approval.run_id, closed.approval.name)
    assert waiter is not None, "an open approval has a waiter"
    record = waiting.end_wait(tx, waiter, "ok", closing.decision_of(closed.approval))
    return closed, record


# --- besides


def delegate(tx: Transaction, c: Delegate) -> ApprovalReply | Error:
    found = waiting.in_time(tx, questions.find(tx, c.approval_id))
    who = _as(tx, c.actor)
    to = tx.people.canonical(c.to)
    if (who.person, to) in found.approval.delegated:  # the reply was lost, and it is sent again
        return ApprovalReply(found.approval)
    try:
        _check_delegate(tx, found.approval, who, to)
        _check_comment(c.comment)
    except Refusal as refusal:
        detail = {"code": refusal.reply.code, "to": to[:100], "problem": refusal.reply.message}
        auditing.of_approval(tx, found.approval, "refused", who, detail)
        return refusal.reply
    tx.db.run("take_back", found.seq, to)
    tx.db.run("delegate", found.seq, who.person, to)
    questions.ask_also(tx, found.seq, found.approval.deadline, (to,))
    after = questions.find(tx, c.approval_id)
    auditing.of_approval(tx, after.approval, "delegated", who, {"to": to, "comment": c.comment})
    _tell(tx, after, "asked", (to,))
    return ApprovalReply(after.approval)


def _check_delegate(tx: Transaction, approval: Approval, who: Actor, to: str) -> None:
    check_asked(tx, approval, who)
    questions.refuse_closed(approval)
    check_unanswered(tx, approval, who)
    if to == who.person or not is_name(to):
        raise Refusal(NotAllowed, f"an approval is delegated to one other person, not {to[:100]!r}")
    if is_excluded(tx.people, approval, to):
        raise Refusal(NotAllowed, f"{to} is excluded from this approval")
    check_unanswered(tx, approval, Actor(to, "", ""))


def show(tx: Transaction, c: Show) -> Ok:
    """Recorded once for each person, door and content: a page may be reloaded all day."""
    found = questions.find(tx, c.approval_id)
    who = _as(tx, c.actor)
    known = tx.db.one("shown_before", c.approval_id, who.person, who.channel, c.digest)
    if known is None:
        auditing.of_approval(tx, found.approval, "shown", who, digest=c.digest)
    return Ok()


def remind(tx: Transaction, c: Remind) -> Reminded:
    found = waiting.in_time(tx, questions.find(tx, c.approval_id))
    questions.refuse_closed(found.approval)
    return Reminded(_remind(tx, found, c.actor, f"{c.approval_id}-{c.remind_id}"))


def _remind(tx: Transaction, found: Found, who: Actor, base: str = "") -> tuple[str, ...]:
    """Those who are told; on record only if they are."""
    if not found.approval.question.notify:
        return ()
    people = audience(tx.people, found.approval, found.approval.asked)
    if notices.tell(tx, found, "reminded", people, base=base):
        auditing.of_approval(tx, found.approval, "reminded", who, {"people": people})
    return tuple(people)


def timer(tx: Transaction, seq: int, people: tuple[str, ...] | None) -> None:
    """A reminder, or an escalation to ``people``, is due."""
    found = waiting.in_time(tx, questions.by_seq(tx, seq))
    if found.approval.state is not ApprovalState.OPEN:
        return
    if people is None:
        _remind(tx, found, SERVER)
        return
    questions.ask_also(tx, seq, found.approval.deadline, people)
    found = questions.by_seq(tx, seq)
    auditing.of_approval(tx, found.approval, "escalated", SERVER, {"to": people})
    _tell(tx, found, "escalated", people)


def told(tx: Transaction, c: Told) -> Ok:
    found = questions.find(tx, c.approval_id)
    detail: dict[str, object] = {"kind": c.kind, "channel": c.channel}
    if c.error is not None:
        detail |= {"error": c.error[:2000], "final": c.final}
    kind = "told" if c.error is None else "not_told"
    auditing.of_approval(tx, found.approval, kind, SERVER, detail, person=c.person)
    return Ok()


def _tell(tx: Transaction, found: Found, kind: str, names: tuple[str, ...]) -> None:
    if found.approval.question.notify:
        notices.tell(tx, found, kind, audience(tx.people, found.approval, names))


def _as(tx: Transaction, actor: Actor) -> Actor:
    """The actor under the one name that this person has."""
    return Actor(
        tx.people.canonical(actor.person), actor.auth, actor.channel, actor.groups, actor.address
    )
