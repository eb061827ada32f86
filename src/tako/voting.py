"""Who may answer an approval, and when it is decided: rules without a database."""

from collections import Counter
from collections.abc import Iterable

from tako.config import AppConfig
from tako.model import Answer, Approval
from tako.people import GROUP, Directory, is_name

ANYONE = "*"  # every approver
VETO = "reject"


def why_not(
    people: Directory, approval: Approval, name: str, groups: Iterable[str] = ()
) -> str | None:
    """None if this person may answer; else the reason, for people.

    Excluded wins over everything, under whatever name or group; then who gave the right away; then
    it must have been asked of the person, a group, or anyone.
    """
    if not is_name(name):
        return f"{name!r} is not the name of one person"
    person = people.canonical(name)
    if is_excluded(people, approval, person, groups):
        return f"{person} is excluded from this approval"
    to = {people.canonical(a): b for a, b in approval.delegated}.get(person)
    if to is not None:
        return f"{person} has delegated this approval to {to}"
    names = {person, *people.groups_of(person, groups)}
    asked = {people.canonical(n) for n in approval.asked}
    if names & asked or (ANYONE in asked and people.may_approve(person, groups)):
        return None
    return f"this approval is not asked of {person}"


def is_excluded(
    people: Directory, approval: Approval, name: str, groups: Iterable[str] = ()
) -> bool:
    """Under whatever name, and through whatever group."""
    names = {people.canonical(name), *people.groups_of(name, groups)}
    return not names.isdisjoint(people.canonical(n) for n in approval.question.exclude)


def answer_of(people: Directory, approval: Approval, name: str) -> Answer | None:
    """What this person has answered to the present content."""
    person = people.canonical(name)
    return next((a for a in approval.answers if people.canonical(a.person) == person), None)


def deciding_answer(people: Directory, approval: Approval) -> Answer | None:
    """The veto of one, or the answer with which ``quorum`` distinct people agree; None: not yet.

    Under however many names somebody answered, the first counts; of who is excluded now, none.
    """
    counted: dict[str, Answer] = {}
    for answer in approval.answers:
        if not is_excluded(people, approval, answer.person):
            counted.setdefault(people.canonical(answer.person), answer)
    question = approval.question
    if question.veto and (veto := [a for a in counted.values() if a.answer == VETO]):
        return veto[0]
    alike: Counter[str] = Counter()
    for answer in counted.values():
        alike[answer.answer] += 1
        if alike[answer.answer] >= question.quorum:
            return answer
    return None


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


def doubts(app: AppConfig, people: Directory, names: Iterable[str]) -> str:
    """What looks like a typing error in who is asked: "nobody here is called anna"; "" if nothing.

    Where somebody else says who people are (OpenID, a proxy, the user's application), nobody knows.
    """
    if not people.people or (app.web is not None and app.web.auth not in ("local", "users")):
        return ""
    said = []
    for name in names:
        if name.startswith(GROUP):
            if not people.members(name):
                said.append(f"nobody here is in the group {name.removeprefix(GROUP)}")
        elif name != ANYONE and not people.knows(name):
            near = " or ".join(people.nearest(name))
            said.append(f"nobody here is called {name}" + (f" ({near}?)" if near else ""))
    return "; ".join(said)


def _persons(people: Directory, name: str) -> tuple[str, ...]:
    if name == ANYONE:
        return people.approvers()
    return people.members(name) if name.startswith(GROUP) else (people.canonical(name),)
