"""What a terminal says of an approval: of whom it is asked, until when, and how to answer."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tako.cli.forms import example
from tako.durations import ago, clock
from tako.model import Approval, ApprovalState, AuditRow, Question
from tako.people import GROUP
from tako.voting import ANYONE, VETO


def names(approval: Approval) -> str:
    """Those who are asked, without who has delegated it: "ana, anyone in finance"."""
    gone = dict(approval.delegated)
    return ", ".join(_name(name) for name in approval.asked if name not in gone) or "nobody"


def _name(name: str) -> str:
    if name == ANYONE:
        return "any approver"
    return f"anyone in {name.removeprefix(GROUP)}" if name.startswith(GROUP) else name


def until(approval: Approval, now: int) -> str:
    """ " until <when>", with what happens then; "" without a deadline."""
    if approval.deadline is None:
        return ""
    return f" until {clock(approval.deadline)} ({ago(approval.deadline, now)})"


def at_deadline(question: Question) -> str:
    """What becomes of it if nobody decides in time."""
    return {
        "raise": "then its run is told that nobody decided",
        "none": "then its run goes on without an answer",
    }.get(question.on_timeout, f"then it counts as {question.on_timeout!r}")


def tellings(record: Iterable[AuditRow]) -> Iterator[tuple[str, str]]:
    """What became of the last message to each person: "told", and whom by which channel."""
    last: dict[tuple[str | None, str], tuple[str, dict[str, Any]]] = {}
    for row in record:
        if row.kind in ("told", "not_told"):
            detail = msgspec.json.decode(row.detail or "{}")
            last[row.person, detail.get("channel", "")] = row.kind, detail
    for (person, channel), (kind, detail) in last.items():
        whom = f"{person or 'everybody there'}, by {channel}"
        if kind == "told":
            yield "told", whom
        else:
            again = "" if detail.get("final") else " (it is tried again)"
            yield "not told", f"{whom}: {detail.get('error')}{again}"


def progress(approval: Approval) -> str:
    """How far it is, or how it ended."""
    if approval.state is ApprovalState.OPEN:
        quorum = approval.question.quorum
        return f"{len(approval.answers)} answered, {quorum} must agree" if quorum > 1 else ""
    if approval.state is ApprovalState.WITHDRAWN:
        return "its run went on or ended without it"
    by = approval.decided_by or "the deadline"
    return f"{approval.outcome or 'no outcome'}, by {by} ({approval.channel})"


def sentence(approval: Approval, now: int) -> str:
    """Why its run waits, and what to type."""
    far = progress(approval)
    return (
        f"It waits for the answer of {names(approval)} to {approval.question.title!r}"
        f"{until(approval, now)}{f'; {far}' if far else ''}.\n"
        f"  Answer with: {command(approval)}"
    )


def command(approval: Approval, person: str = "NAME") -> str:
    """The command line that answers it."""
    question = approval.question
    first = next((o for o in question.options if o != VETO), question.options[0])
    verb = first if first in ("approve", "reject") else "answer"
    words = ["tako", "approvals", verb, shlex.quote(approval.id)]
    if verb == "answer":
        words.append(shlex.quote(first))
    words += ["--as", person if person == "NAME" else shlex.quote(person)]
    if question.schema is not None:
        words.append(f"--value {example(question.schema)}")
    others = [option for option in question.options if option != first]
    return " ".join(words) + (f"  (or {', '.join(others)})" if others else "")
