"""From a secret to who has it, and to what they may do."""

from collections.abc import Iterable

from starlette.requests import Request

from tako.bearers import hash_of
from tako.commands import Identified, Identify
from tako.errors import UnknownCredential
from tako.model import Actor, Credential, Role
from tako.people import Directory
from tako.web.addresses import address_of
from tako.web.engine import engine_of


async def find(request: Request, secret: str) -> Credential | None:
    """What the engine knows of a secret now; None: nothing, or it is over."""
    try:
        found = await engine_of(request).read(Identify(hash_of(secret)), Identified)
    except UnknownCredential:
        return None
    return found.credential


def actor(
    request: Request, person: str, auth: str, channel: str, groups: Iterable[str] = ()
) -> Actor:
    return Actor(person, auth, channel, tuple(groups), address_of(request))


def role_of(people: Directory, actor: Actor) -> Role | None:
    return people.role_of(actor.person, actor.groups)
