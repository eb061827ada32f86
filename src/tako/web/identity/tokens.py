"""API tokens: ``Authorization: Bearer tako_...``."""

from starlette.datastructures import Headers
from starlette.requests import Request

from tako.bearers import TOKEN
from tako.model import Credential, Role
from tako.people import Directory
from tako.web.engine import people_of, web_of
from tako.web.identity.credentials import actor, find, role_of
from tako.web.who import TokenRefused, Who

_SCHEME = "bearer "
_ROLES = tuple(Role)  # the lowest first


def shown(request: Request) -> str | None:
    """The token of the request; None: it has none of ours (a proxy may have sent its own)."""
    token = bearer(request.headers)
    return token if token and token.startswith(TOKEN) else None


def bearer(headers: Headers) -> str | None:
    given = headers.get("authorization", "")
    return given[len(_SCHEME) :].strip() if given[: len(_SCHEME)].lower() == _SCHEME else None


async def who(request: Request, channel: str, token: str) -> Who:
    """Raises TokenRefused: it is unknown, revoked or expired, or its person is gone."""
    found = await find(request, token)
    people = people_of(request)
    if found is None or found.kind != "token" or not _is_known(request, people, found.person):
        raise refused()
    by = actor(request, people.canonical(found.person), "token", channel, found.groups)
    role = _lower(role_of(people, by), found)
    return Who(by, role, people.person(by.person).name, found)


def refused() -> TokenRefused:
    """The same for all: who tries tokens learns nothing of them."""
    return TokenRefused(
        "the token is not valid: unknown, expired or revoked; `tako tokens list` shows those that "
        "are, `tako tokens create` makes a new one"
    )


def _is_known(request: Request, people: Directory, person: str) -> bool:
    """Where the people file is the list of all, who is gone from it is gone."""
    return web_of(request).auth != "users" or people.canonical(person) in people.people


def _lower(role: Role | None, token: Credential) -> Role | None:
    """The role that the token may use: never more than its person has now."""
    scope = max((Role(name) for name in token.scopes), key=_ROLES.index, default=None)
    if role is None or scope is None:
        return None
    return min(role, scope, key=_ROLES.index)
