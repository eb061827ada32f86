"""Who may answer an approval, and when it is decided: rules without a database."""

from collections import Counter
from collections.abc import Iterable

from tako.model import Answer, Approval
from tako.people import GROUP, Directory

ANYONE = "*"  # every approver
VETO = "reject"


def why_not(
    people: Directory, approval: Approval, name: str, groups: Iterable[str] = ()
) -> str | None:
    """None if this person may answer; else the reason, for people.

    Excluded wins over everything, under whatever name or group; then who gave the right away; then
    it must have been asked of the person, a group, or anyone.
    """
    person = people.canonical(name)
    names = {person, *people.groups_of(person, groups)}
    if names & {people.canonical(n) for n in approval.question.exclude}:
        return f"{person} is excluded from this approval"
    to = dict(approval.delegated).get(person)
    if to is not None:
        return f"{person} has delegated this approval to {to}"
    asked = {people.canonical(n) for n in approval.asked}
    if names & asked or (ANYONE in asked and people.may_approve(person, groups)):
        return None
    return f"this approval is not asked of {person}"


def answer_of(people: Directory, approval: Approval, name: str) -> Answer | None:
    """What this person has answered to the present content."""
    person = people.canonical(name)
    return next((a for a in approval.answers if people.canonical(a.person) == person), None)


def outcome_of(people: Directory, approval: Approval) -> str | None:
    """The answer that ``quorum`` distinct people gave, or the veto of one; None: not yet."""
    question = approval.question
    given = {people.canonical(a.person): a.answer for a in approval.answers}
    if question.veto and VETO in given.values():
        return VETO
    counts = Counter(given.values())
    return next((answer for answer, n in counts.items() if n >= question.quorum), None)


def audience(people: Directory, approval: Approval, names: Iterable[str]) -> list[str]:
    """The persons that ``names`` mean, without those who need not or may not answer."""
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_persons(people, name)))
    return [
        person
        for person in found
        if why_not(people, approval, person) is None and answer_of(people, approval, person) is None
    ]


def _persons(people: Directory, name: str) -> tuple[str, ...]:
    if name == ANYONE:
        return people.approvers()
    return people.members(name) if name.startswith(GROUP) else (people.canonical(name),)
