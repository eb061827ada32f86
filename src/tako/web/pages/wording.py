"""What pages say of an approval: who, what follows, how it stands. Words only, no HTML.

A moment is a number of milliseconds, which the templates show with the filter ``time``.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tako import forms
from tako.durations import format_ms
from tako.forms import Field, label_of, leaves
from tako.model import Actor, Answer, Approval, ApprovalState, AuditRow
from tako.people import GROUP, Directory
from tako.voting import ANYONE, VETO, answer_of, why_not

DOORS = {
    "page": "on these pages",
    "link": "by a link",
    "api": "through the API",
    "cli": "on the command line",
    "python": "from Python",
}
_IDLE = {"shown", "refused"}  # kinds of lines after which all is as it was
_SAID = {"true": "yes", "false": "no"}  # of a check box
_AT_DEADLINE = {
    "reject": "Without an answer by then it counts as rejected.",
    "approve": "Without an answer by then it counts as approved.",
    "raise": "Without an answer by then the run is told that nobody answered.",
    "none": "Without an answer by then the run goes on without one.",
}


class Standing(Struct, frozen=True):
    """How an approval stands for one person, when there is nothing for them to answer.

    ``tone``: good | bad | note. ``at``: when that was, if it was at one time.
    """

    tone: str
    title: str
    text: str
    at: int | None = None


class Line(Struct, frozen=True):
    """One line of the record in words. ``more``: what somebody wrote, or what went wrong.

    ``times``: when the same happened, oldest first, if it is more than once; ``at`` is the last.
    """

    at: int
    text: str
    more: str = ""
    tone: str = ""
    times: tuple[int, ...] = ()


def name_of(people: Directory, name: str) -> str:
    """A person's name, or what a group is called."""
    if name == ANYONE:
        return "any approver"
    if name.startswith(GROUP):
        return f"anyone in {name.removeprefix(GROUP)}"
    return people.person(name).name


def names_of(people: Directory, names: Iterable[str]) -> str:
    """ "Ana, Bo and Cy"."""
    said = [name_of(people, name) for name in names]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def filled(form: Field, value: str) -> list[tuple[str, str]]:
    """What somebody filled in: labels and texts, without what was left blank."""
    texts = forms.texts(form, msgspec.json.decode(value))
    shown = ((leaf, texts.get(leaf.name)) for leaf in leaves(form))
    return [(leaf.label, _SAID.get(text, text)) for leaf, text in shown if text]


def consequence(approval: Approval, answer: str) -> str:
    """What an answer leads to."""
    question = approval.question
    given = sum(a.answer == answer for a in approval.answers)
    left = question.quorum - given - 1
    if question.veto and answer == VETO:
        return "Decides at once: one rejection is enough."
    if left <= 0:
        return f"Decides: the run goes on with “{answer}”."
    return f"Counts as {given + 1} of the {question.quorum} that “{answer}” needs."


def effect(people: Directory, approval: Approval, answer: str, actor: Actor) -> str:
    """What an answer that counts has led to."""
    if approval.state is ApprovalState.DECIDED:
        return _goes_on(approval.outcome or "")
    mine = answer_of(people, approval, actor.person)
    return "" if mine is None else _waiting(approval, mine).text


def doing(answer: str) -> str:
    """ "Approving": what a press on a button begins."""
    return {"approve": "Approving", VETO: "Rejecting"}.get(answer, f"Answering “{answer}”")


def done(outcome: str) -> str:
    """ "Rejected": what an answer has made of it, in one word."""
    return {"approve": "Approved", VETO: "Rejected"}.get(outcome, label_of(outcome))


def at_deadline(approval: Approval) -> str:
    return _AT_DEADLINE[approval.question.on_timeout]


def time_left(deadline: int, now: int) -> str:
    """ "in 3 days 2 h", "5 min ago"; whole minutes, if it is over one."""
    span = abs(deadline - now)
    text = format_ms(span if span < 60_000 else span // 60_000 * 60_000)
    return f"in {text}" if deadline >= now else f"{text} ago"


# --- how it stands


def standing(people: Directory, approval: Approval, actor: Actor) -> Standing | None:
    """None: it waits for this person's answer."""
    mine = answer_of(people, approval, actor.person)
    match approval.state:
        case ApprovalState.DECIDED:
            return _decided(people, approval, mine)
        case ApprovalState.EXPIRED:
            return Standing("note", "Too late", _expired(approval), approval.decided_at)
        case ApprovalState.WITHDRAWN:
            text = "This need not be decided any more: its run has ended, or went on without it."
            return Standing("note", "No longer needed", text, approval.decided_at)
    if mine is not None:
        return _waiting(approval, mine)
    why = why_not(people, approval, actor.person, actor.groups)
    return None if why is None else Standing("note", "Not for you to answer", sentence(why))


def _decided(people: Directory, approval: Approval, mine: Answer | None) -> Standing:
    outcome = approval.outcome or ""
    tone = "bad" if outcome == VETO else "good"
    if mine is not None and approval.decided_by == mine.person:
        return Standing(tone, f"You answered “{mine.answer}”", _goes_on(outcome), mine.at)
    by = name_of(people, approval.decided_by or "")
    door = DOORS.get(approval.channel or "", "")
    who = f"Decided by {by} {door}".strip()
    if mine is not None:
        text = f"You answered “{mine.answer}”. {who}: {_goes_on(outcome)}"
        return Standing(tone, f"Decided: “{outcome}”", text, approval.decided_at)
    return Standing(tone, f"Already decided: “{outcome}”", f"{who}.", approval.decided_at)


def _goes_on(outcome: str) -> str:
    return f"That decided it, and the run goes on with “{outcome}”."


def _expired(approval: Approval) -> str:
    if approval.outcome is not None:
        return f"Nobody decided in time, so it counts as “{approval.outcome}”."
    return "Nobody decided in time, and the run went on without an answer."


def _waiting(approval: Approval, mine: Answer) -> Standing:
    need = approval.question.quorum
    given = sum(a.answer == mine.answer for a in approval.answers)
    text = f"Your answer counts: {given} of the {need} that “{mine.answer}” needs."
    tone = "bad" if mine.answer == VETO else "good"
    return Standing(tone, f"You answered “{mine.answer}”", text, mine.at)


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!", ":")) else ".")


# --- the record


def history(people: Directory, rows: Iterable[AuditRow]) -> list[Line]:
    """The record of an approval in words, oldest first.

    Views and refused tries change nothing, and there may be hundreds: those that read the same are
    one line, as long as nothing else happens in between.
    """
    found: list[Line] = []
    for idle, group in groupby(rows, lambda row: row.kind in _IDLE):
        lines = [_line(people, row) for row in group]
        found += _folded(lines) if idle else lines
    return found


def _folded(lines: list[Line]) -> list[Line]:
    """Each line once, where it was last."""
    times: dict[Line, list[int]] = {}
    for line in lines:
        same = replace(line, at=0)
        times[same] = [*times.pop(same, ()), line.at]
    return [
        replace(line, at=at[-1], times=tuple(at) if len(at) > 1 else ())
        for line, at in times.items()
    ]


def _line(people: Directory, row: AuditRow) -> Line:
    detail = {} if row.detail is None else msgspec.json.decode(row.detail)
    who = "The server" if row.person is None else name_of(people, row.person)
    door = DOORS.get(row.channel or "", "")
    text, more, tone = _words(people, row.kind, who, door, detail)
    return Line(row.at, text, more, tone)


def _words(
    people: Directory, kind: str, who: str, door: str, detail: dict[str, Any]
) -> tuple[str, str, str]:
    """Text, what is quoted, tone."""
    comment = detail.get("comment") or ""
    match kind:
        case "asked":
            return f"Asked of {names_of(people, detail.get('of', ()))}.", "", ""
        case "changed":
            return "What is asked was changed; earlier answers do not count.", "", "note"
        case "shown":
            return f"{who} saw it {door}.", "", ""
        case "reminded":
            told = names_of(people, detail.get("people", ())) or "Nobody"
            return f"{told} reminded.", "", ""
        case "escalated":
            return f"Asked of {names_of(people, detail.get('to', ()))} too.", "", "note"
        case "delegated":
            return f"{who} passed it on to {name_of(people, detail.get('to', ''))}.", comment, ""
        case "refused":
            tried = detail.get("answer")
            what = f"answer “{tried}”" if tried else "pass it on"
            return f"{who} tried to {what} {door}.", detail.get("problem", ""), "wrong"
        case "answered":
            said = detail.get("answer")
            return f"{who} answered “{said}” {door}.", comment, "bad" if said == VETO else "good"
    return _server_words(people, kind, who, detail)


def _server_words(
    people: Directory, kind: str, who: str, detail: dict[str, Any]
) -> tuple[str, str, str]:
    outcome = detail.get("outcome")
    match kind:
        case "decided":
            return f"Decided: “{outcome}”.", "", "bad" if outcome == VETO else "good"
        case "expired":
            counts = f"it counts as “{outcome}”" if outcome else "it went on without an answer"
            return f"Nobody decided in time: {counts}.", "", "note"
        case "withdrawn":
            return "Withdrawn: its run ended, or went on without it.", "", "note"
        case "reused":
            return f"Asked again, with the answer of before: “{outcome}”.", "", ""
        case "linked":
            return f"A link was made for {name_of(people, detail.get('for', ''))}.", "", ""
        case "revoked":
            return f"{who} revoked {len(detail.get('links', ()))} links.", "", "note"
        case "told" | "not_told":
            whom = "" if who == "The server" else f" to {who}"
            what = f"{detail.get('channel', '')}: “{detail.get('kind', '')}”{whom}"
            if kind == "told":
                return f"Sent by {what}.", "", ""
            last = " It is not tried again." if detail.get("final") else " It is tried again."
            return f"Could not be sent by {what}.{last}", detail.get("error", ""), "wrong"
    return f"{kind}.", "", ""
