"""Who asks, and whether they may. Identity never comes from a body."""

import msgspec
from starlette.requests import Request

from tako.errors import NotAllowed, TakoError
from tako.model import Actor, Credential, Role

_ORDER = (None, Role.VIEWER, Role.APPROVER, Role.OPERATOR)  # each may what those before it may


class NotLoggedIn(TakoError):
    """Nobody is known to have sent this request."""


class TokenRefused(NotLoggedIn):
    """An API token was shown that is not good (any more)."""


class Who(msgspec.Struct, frozen=True):
    """Somebody known. ``actor.channel`` is the door; ``name`` is for people.

    ``role``: what they may do through this credential; None: nothing. ``credential``: the session
    or token that was shown, if there is one.
    """

    actor: Actor
    role: Role | None
    name: str
    credential: Credential | None = None


async def who_of(request: Request, channel: str) -> Who | None:
    """Who sent this, through the door ``channel`` ("page", "link" or "api"); None: nobody known.

    Raises NotLoggedIn: a credential was shown that is not good (any more).
    """
    from tako.web.identity import identify  # which itself knows Who

    return await identify(request, channel)


def require(who: Who | None, role: Role) -> Who:
    """``who``, if they may do what takes ``role``. Raises NotLoggedIn, NotAllowed."""
    if who is None:
        raise NotLoggedIn("nobody is logged in: log in, or send an API token as a bearer token")
    if not may(who, role):
        has = "no role" if who.role is None else f"the role {who.role}"
        raise NotAllowed(
            f"{who.name} has {has} here, and this takes {role}: [roles] in tako.toml gives roles",
            {"role": str(role)},
        )
    return who


def require_person(who: Who | None, role: Role) -> Who:
    """``who``, if they may do what takes ``role``, or are a person themselves, and no program.

    For what those may do who are asked, whatever their role. Raises NotLoggedIn, NotAllowed.
    """
    program = who is None or (who.credential is not None and who.credential.kind == "token")
    return require(who, role) if who is None or program else who


def may(who: Who, role: Role) -> bool:
    """Whether they may do what takes ``role``."""
    return _ORDER.index(who.role) >= _ORDER.index(role)
