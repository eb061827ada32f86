"""Approvals in plain Python, written from what is promised: the reference for the store.

No database, no canonical names: a person is a name of `PERSONS`, whatever they are called by.
"""

from dataclasses import dataclass, field

PERSONS = {
    "ana": ("ana", "ANA", "a.silva", "ana@shop.test"),
    "ben": ("ben", "ben@shop.test"),
    "cleo": ("cleo", " Cleo "),
    "dan": ("dan",),
    "eve": ("eve",),
}
GROUPS = {"ana": {"finance"}, "ben": {"finance"}, "dan": {"leads"}, "eve": {"leads", "finance"}}
APPROVERS = {"ana", "ben", "cleo", "group:leads"}


def person_of(name: str) -> str:
    return next((who for who, names in PERSONS.items() if name in names), name)


@dataclass(frozen=True)
class Asked:
    """The question, as far as it matters here; ``to`` and ``exclude``: names and "group:<name>"."""

    content: int
    to: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    quorum: int = 1
    veto: bool = False


@dataclass
class ModelApproval:
    question: Asked
    deadline: int | None
    on_timeout: str = "reject"
    escalations: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)  # to come
    also: set[str] = field(default_factory=set)  # by escalation and delegation
    away: dict[str, str] = field(default_factory=dict)  # who gave the right to whom
    answers: dict[int, dict[str, str]] = field(default_factory=dict)  # by content
    state: str = "open"
    outcome: str | None = None
    by: str | None = None
    record: list[str] = field(default_factory=lambda: ["asked"])

    # --- who

    def in_any(self, names: set[str], person: str, provided: tuple[str, ...] = ()) -> bool:
        """Whether one of ``names`` means this person, or a group that they are in."""
        groups = GROUPS.get(person, set()) | set(provided)
        return any(
            name[6:] in groups if name.startswith("group:") else person_of(name) == person
            for name in names
        )

    def may(self, person: str, provided: tuple[str, ...] = ()) -> bool:
        if self.in_any(set(self.question.exclude), person, provided) or person in self.away:
            return False
        if self.in_any(set(self.question.to) | self.also, person, provided):
            return True
        return not self.question.to and self.in_any(APPROVERS, person, provided)

    def waits_for(self, person: str) -> bool:
        return self.state == "open" and self.may(person) and person not in self.given

    @property
    def given(self) -> dict[str, str]:
        return self.answers.setdefault(self.question.content, {})

    # --- when

    def expire(self, now: int) -> None:
        if self.state == "open" and self.deadline is not None and now >= self.deadline:
            self.state = "expired"
            self.outcome = self.on_timeout if self.on_timeout in ("reject", "approve") else None
            self.record.append("expired")

    def tick(self, now: int) -> None:
        self.expire(now)
        while self.state == "open" and self.escalations and self.escalations[0][0] <= now:
            self.also |= set(self.escalations.pop(0)[1])
            self.record.append("escalated")

    def withdraw(self) -> None:
        if self.state == "open":
            self.state = "withdrawn"
            self.record.append("withdrawn")

    # --- what

    def verdict(self) -> tuple[str, str] | None:
        """The outcome by what was answered so far, and who made it so."""
        excluded = set(self.question.exclude)
        counted = {p: a for p, a in self.given.items() if not self.in_any(excluded, p)}
        if self.question.veto:
            for person, answer in counted.items():
                if answer == "reject":
                    return "reject", person
        reached: list[tuple[int, str, str]] = []
        for option in set(counted.values()):
            agreeing = [person for person, answer in counted.items() if answer == option]
            if len(agreeing) >= self.question.quorum:
                last = agreeing[self.question.quorum - 1]
                reached.append((list(counted).index(last), option, last))
        return min(reached)[1:] if reached else None

    def decide_if(self) -> None:
        verdict = self.verdict()
        if verdict is not None:
            self.state, (self.outcome, self.by) = "decided", verdict
            self.record.append("decided")

    def closed(self) -> str:
        return "already_decided" if self.state == "decided" else "approval_closed"

    # --- what may happen

    def decide(
        self, now: int, person: str, provided: tuple[str, ...], answer: str, content: int
    ) -> str:
        """ "ok", or the code of the refusal."""
        self.expire(now)
        refused = self._refused(person, provided, answer, content)
        if refused:
            self.record.append("refused")
            return refused
        self.given[person] = answer
        self.record.append("answered")
        self.decide_if()
        return "ok"

    def _refused(self, person: str, provided: tuple[str, ...], answer: str, content: int) -> str:
        if not self.may(person, provided):
            return "not_allowed"
        if self.state != "open":
            return self.closed()
        if content != self.question.content:
            return "content_changed"
        if person in self.given:
            return "already_answered"
        return "" if answer in ("approve", "reject") else "answer_refused"

    def delegate(self, now: int, person: str, to: str) -> str:
        self.expire(now)
        if self.away.get(person) == to:
            return "ok"
        refused = self._no_delegate(person, to)
        if refused:
            self.record.append("refused")
            return refused
        self.away.pop(to, None)
        self.away[person] = to
        self.also.add(to)
        self.record.append("delegated")
        return "ok"

    def _no_delegate(self, person: str, to: str) -> str:
        if not self.may(person):
            return "not_allowed"
        if self.state != "open":
            return self.closed()
        if person in self.given:
            return "already_answered"
        if to == person or to.startswith("group:") or self.in_any(set(self.question.exclude), to):
            return "not_allowed"
        return "already_answered" if to in self.given else ""

    def ask_again(self, now: int, question: Asked) -> None:
        self.expire(now)
        if self.state == "open" and question != self.question:
            self.question = question
            self.record.append("changed")
            self.decide_if()

    def holds_for(self, question: Asked) -> bool:
        """Whether this decision of people is one by the rules of ``question`` too."""
        if self.state != "decided" or self.question.content != question.content:
            return False
        kept, self.question = self.question, question
        verdict = self.verdict()
        self.question = kept
        return verdict is not None and verdict[0] == self.outcome
