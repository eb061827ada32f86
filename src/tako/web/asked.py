"""Whom an approval concerns, and one answer to many of them: for pages and API alike."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from tako.commands import Decide, Decided
from tako.errors import NotAllowed, Refused, StorageError, Unavailable
from tako.model import Actor, Approval, Role
from tako.people import Directory
from tako.voting import why_not
from tako.web.engine import Engine
from tako.web.who import Who, may

MOST = 100  # answered together


class Pick(Struct, frozen=True):
    """One of many: the approval, and the digest of the content that was seen."""

    id: str
    digest: str | None = None


class Sent(Struct, frozen=True):
    """What became of one answer: the approval as it is with it, or why it does not count."""

    pick: Pick
    approval: Approval | None = None
    error: Refused | StorageError | Unavailable | None = None


def check_seen(people: Directory, approval: Approval, who: Who) -> Approval:
    """``approval``, if this person may see it. Raises NotAllowed."""
    if not may(who, Role.VIEWER) and not _concerns(people, approval, who):
        raise NotAllowed(f"approval {approval.id} is not asked of {who.name}")
    return approval


def _concerns(people: Directory, approval: Approval, who: Who) -> bool:
    """Whether somebody without a role has to do with it."""
    person = people.canonical(who.actor.person)
    mine = (approval.question.requester or "", *(a.person for a in approval.answers))
    passed_on = (giver for giver, _ in approval.delegated)
    if person in {people.canonical(name) for name in (*mine, *passed_on)}:
        return True
    return why_not(people, approval, person, who.actor.groups) is None


async def answer_each(
    engine: Engine,
    actor: Actor,
    picks: Sequence[Pick],
    answer: str,
    comment: str | None,
    *,
    see: Callable[[str], Awaitable[Approval]],
    decide_id: Callable[[Pick], str],
) -> list[Sent]:
    """Each by a `Decide` of its own.

    ``see`` raises Refused: they may not see it. ``decide_id``: of one sent again the same one.
    """

    async def one(pick: Pick) -> Sent:
        command = Decide(
            decide_id(pick), pick.id, answer, actor, comment=comment, digest=pick.digest
        )
        try:
            await see(pick.id)
            return Sent(pick, (await engine.ask(command, Decided)).approval)
        except (Refused, StorageError, Unavailable) as error:
            return Sent(pick, error=error)

    return list(await asyncio.gather(*map(one, picks)))
