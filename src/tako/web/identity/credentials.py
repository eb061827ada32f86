"""From a secret to who has it. The secret itself is stored nowhere, only its SHA-256."""

import hashlib
import secrets
from collections.abc import Iterable

from starlette.requests import Request

from tako.commands import Identified, Identify
from tako.errors import UnknownCredential
from tako.model import Actor, Credential, Role
from tako.people import Directory
from tako.web.addresses import address_of
from tako.web.engine import engine_of


def new_secret() -> str:
    """32 random bytes as text."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is stored. A secret of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def find(request: Request, secret: str) -> Credential | None:
    """What the engine knows of a secret now; None: nothing, or it is over."""
    try:
        found = await engine_of(request).ask(Identify(hash_of(secret)), Identified)
    except UnknownCredential:
        return None
    return found.credential


def actor(
    request: Request, person: str, auth: str, channel: str, groups: Iterable[str] = ()
) -> Actor:
    return Actor(person, auth, channel, tuple(groups), address_of(request))


def role_of(people: Directory, actor: Actor) -> Role | None:
    return people.role_of(actor.person, actor.groups)
