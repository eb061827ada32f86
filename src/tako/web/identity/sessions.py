"""Sessions of browsers: a cookie with a secret, whose hash the engine keeps until it is over."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from tako.bearers import hash_of, new_secret
from tako.clock import now_ms
from tako.commands import Grant, Ok, RevokeCredential
from tako.commands.approvals import Count
from tako.ids import new_id
from tako.model import Actor, Credential
from tako.people import Directory
from tako.web import csrf
from tako.web.cookies import cookie_name, set_cookie
from tako.web.engine import engine_of, people_of, web_of
from tako.web.identity.credentials import actor, find, role_of
from tako.web.who import Who

# How a session began in each mode; in "proxy" and "mounted" there is none.
AUTH = {"local": "local", "users": "password", "oidc": "oidc"}


async def who(request: Request, channel: str) -> Who | None:
    """Whose session the cookie is; None: nobody's (any more)."""
    secret = request.cookies.get(_cookie(request))
    found = await find(request, secret) if secret else None
    people = people_of(request)
    if found is None or found.kind != "session" or not _holds(request, people, found):
        return None
    by = actor(request, people.canonical(found.person), found.auth, channel, found.groups)
    return Who(by, role_of(people, by), people.person(by.person).name, found)


async def begin(request: Request, response: Response, by: Actor) -> None:
    """A session for ``by``, always with a new secret; the one that the browser had ends."""
    await _revoke(request)
    web, secret, now = web_of(request), new_secret(), now_ms()
    credential = Credential(
        id=new_id(),
        kind="session",
        person=by.person,
        auth=by.auth,
        groups=by.groups,
        scopes=(),
        name=_mark(people_of(request), by.person, by.auth) or "",
        created_at=now,
        expires_at=now + round(web.session_ttl * 1000),
    )
    await engine_of(request).ask(Grant(hash_of(secret), credential), Ok)
    set_cookie(request, response, _cookie(request), secret, round(web.session_ttl))
    csrf.renew(request, response)


async def end(request: Request, response: Response) -> None:
    """End the session of this browser, if it has one."""
    await _revoke(request)
    set_cookie(request, response, _cookie(request), "", 0)
    csrf.renew(request, response)


async def _revoke(request: Request) -> None:
    secret = request.cookies.get(_cookie(request))
    found = await find(request, secret) if secret else None
    if found is not None and found.kind == "session":
        await engine_of(request).ask(RevokeCredential(id=found.id), Count)


def _cookie(request: Request) -> str:
    return cookie_name(request, "tako_session")


def _holds(request: Request, people: Directory, session: Credential) -> bool:
    """Whether it began in this mode, and with the password that its person still has."""
    if session.auth != AUTH.get(web_of(request).auth):
        return False
    return session.name == _mark(people, session.person, session.auth)


def _mark(people: Directory, person: str, auth: str) -> str | None:
    """What ties a session to the password it began with: hash of the hash; None: no password."""
    if auth != "password":
        return ""
    found = people.people.get(people.canonical(person))
    if found is None or found.password is None:
        return None
    return hashlib.sha256(found.password.encode()).hexdigest()[:16]
