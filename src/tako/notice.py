"""What people are told of an approval: the words of a message, and what functions of users get."""

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape

from tako.decision import BY_TIME
from tako.model import Approval

ASKING = frozenset({"asked", "reminded", "escalated", "changed"})
"""The kinds of notices that want an answer. The others tell an outcome."""

_URL = re.compile(r"https?://[^\s<>]+")
_SUBJECTS = {
    "asked": "Please decide: {title}",
    "reminded": "Reminder, please decide: {title}",
    "escalated": "Escalated to you, please decide: {title}",
    "changed": "Changed, please decide again: {title}",
    "decided": "Decided, {outcome}: {title}",
    "expired": "Nobody decided in time: {title}",
    "withdrawn": "No longer needed: {title}",
}
_OPENINGS = {
    "asked": "You are asked to decide:",
    "reminded": "You were asked to decide, and an answer is still wanted:",
    "escalated": "Nobody has decided yet, so you are asked too:",
    "changed": "What you were asked to decide has changed. Answers so far no longer count:",
    "decided": "This has been decided:",
    "expired": "This was not decided in time:",
    "withdrawn": "This need not be decided any more, because its run has ended or gone on:",
}


@dataclass(frozen=True)
class Recipient:
    """Somebody who is told. ``email`` is that of the people file."""

    id: str
    name: str
    email: str | None


@dataclass(frozen=True)
class Notice:
    """One message to one person, or, with ``person`` None, to all who read a channel.

    ``kind``: asked, reminded, escalated or changed: an answer is wanted; decided, expired or
    withdrawn: there is an outcome (``approval.outcome``, ``decided_by``, ``answers``).
    ``url`` leads to the approval, if the app has a ``[web]``; that of a person who is to answer is
    a link of their own: who has it can answer in their name. ``text`` contains it.
    """

    kind: str
    approval: Approval
    person: Recipient | None
    url: str | None

    @property
    def subject(self) -> str:
        """One line."""
        approval = self.approval
        return _SUBJECTS[self.kind].format(
            title=approval.question.title, outcome=approval.outcome or "no outcome"
        )

    @property
    def text(self) -> str:
        """The whole message, as plain text; the approval's body in it is Markdown."""
        before, body, after = self._parts()
        return "\n\n".join(part for part in (*before, body, *after) if part) + "\n"

    @property
    def html(self) -> str:
        """The same as HTML: the body as its Markdown says, links that can be clicked."""
        from tako.markdown import to_html  # 20 ms, which only those pay who send something

        before, body, after = self._parts()
        parts = [*map(_as_html, before), to_html(body), *map(_as_html, after)]
        return "\n".join(part for part in parts if part)

    def _parts(self) -> tuple[list[str], str, list[str]]:
        """What is said before the approval's body, the body, and what is said after it."""
        question, asking = self.approval.question, self.kind in ASKING
        before = [
            f"Hello {self.person.name}," if self.person is not None else "",
            _OPENINGS[self.kind],
            question.title,
        ]
        after = [
            *(self._wanted() if asking else self._outcome()),
            f"Asked by workflow {self.approval.workflow}, run {self.approval.run_id}.",
        ]
        return before, question.body.strip() if asking else "", after

    def _wanted(self) -> list[str]:
        approval, url = self.approval, self.url
        facts = [f"Possible answers: {', '.join(approval.question.options)}"]
        if approval.question.quorum > 1:
            facts.append(f"People who must agree: {approval.question.quorum}")
        if approval.deadline is not None:
            facts.append(f"Answer by: {_clock(approval.deadline)}")
        if url is None:
            return ["\n".join(facts), f"To see it: tako approvals show {approval.id}"]
        if self.person is None:
            return ["\n".join(facts), f"Answer here: {url}"]
        return [
            "\n".join(facts),
            f"Answer here: {url}",
            "This link is yours alone: it answers in your name, once. Please do not pass it on.",
        ]

    def _outcome(self) -> list[str]:
        approval = self.approval
        facts = []
        if approval.outcome is not None:
            facts.append(f"Outcome: {approval.outcome}")
        if approval.decided_by is not None:
            facts.append(f"By: {approval.decided_by}")
        if approval.decided_at is not None and approval.channel != BY_TIME:
            facts.append(f"At: {_clock(approval.decided_at)}")
        facts += [f"{a.person} says: {a.comment}" for a in approval.answers if a.comment]
        return ["\n".join(facts), "" if self.url is None else f"More: {self.url}"]


def _as_html(text: str) -> str:
    if not text:
        return ""
    linked = _URL.sub(r'<a href="\g<0>">\g<0></a>', escape(text))
    return f"<p>{linked}</p>".replace("\n", "<br/>\n")


def _clock(ms: int) -> str:
    """In the time zone of the machine, which is named."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M %Z")
