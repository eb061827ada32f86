"""The mode oidc: to the identity provider, and back with who somebody is.

Between the two nothing is kept here: what the answer has to match travels in a signed cookie for
ten minutes, one for each attempt, so that two tabs do not disturb each other.
"""

import hashlib
import hmac
import logging

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.people import is_name
from tako.web.addresses import address_of
from tako.web.cookies import cookie_name, set_cookie
from tako.web.engine import config_of, people_of, web_of
from tako.web.identity import sessions
from tako.web.identity.credentials import actor
from tako.web.identity.login import known, next_of
from tako.web.identity.provider import (
    Attempt,
    Identity,
    Provider,
    ProviderAway,
    ProviderRefused,
)
from tako.web.limits import allow
from tako.web.pages.rendering import render

CALLBACK = "/oidc/callback"
_PATIENCE = 600  # s that somebody may take to log in at the provider
_log = logging.getLogger("tako.web")


class _Kept(msgspec.Struct, frozen=True):
    """What the cookie holds."""

    attempt: Attempt
    next: str


def routes() -> list[BaseRoute]:
    return [Route(CALLBACK, come_back, methods=["GET"])]


async def send_away(request: Request, next_path: str) -> Response:
    """To the provider, to log in there."""
    allow(request, "login-address", address_of(request))
    try:
        url, attempt = await _provider(request).begin()
    except ProviderAway as error:
        return _away(request, error)
    response = RedirectResponse(url, 302)
    kept = _signer(request).dumps(msgspec.to_builtins(_Kept(attempt, next_path)))
    name = _cookie(request, attempt.state)
    set_cookie(request, response, name, str(kept), _PATIENCE)
    return response


async def come_back(request: Request) -> Response:
    """From the provider: what it says counts only as the answer to an attempt of this browser."""
    allow(request, "login-address", address_of(request))
    kept = _kept(request)
    if kept is None:
        return await _stale(request)
    response = await _answered(request, kept)
    set_cookie(request, response, _cookie(request, kept.attempt.state), "", 0)
    return response


async def _answered(request: Request, kept: _Kept) -> Response:
    try:
        identity = await _provider(request).finish(kept.attempt, dict(request.query_params))
    except ProviderAway as error:
        return _away(request, error)
    except ProviderRefused as error:
        _log.warning("a login by OIDC failed: %s", error)
        return _failed(request, 403, "You are not logged in", str(error))
    return await _enter(request, kept, identity)


async def _enter(request: Request, kept: _Kept, identity: Identity) -> Response:
    if not is_name(identity.person):
        said = "The identity provider gave a name that nobody can have here."
        return _failed(request, 403, "You are not logged in", said)
    person = people_of(request).canonical(identity.person)
    response = RedirectResponse(next_of(request, kept.next), 303)
    await sessions.begin(request, response, actor(request, person, "oidc", "page", identity.groups))
    return response


def _kept(request: Request) -> _Kept | None:
    """What was kept of the attempt that is answered; None: of none, or it took too long."""
    state = request.query_params.get("state", "")
    given = request.cookies.get(_cookie(request, state), "")
    try:
        kept = msgspec.convert(_signer(request).loads(given, max_age=_PATIENCE), _Kept)
    except (BadData, msgspec.ValidationError):
        return None
    return kept if hmac.compare_digest(kept.attempt.state.encode(), state.encode()) else None


async def _stale(request: Request) -> Response:
    """Reloaded, come back too late, or begun by somebody else."""
    if await known(request) is not None:
        return RedirectResponse(next_of(request, None), 303)
    said = "This answer belongs to no login that was begun in this browser in the last ten minutes."
    return _failed(request, 400, "Please log in again", said)


def _away(request: Request, error: ProviderAway) -> Response:
    _log.error("%s", error)
    said = "The identity provider does not answer as it should. Try again in a minute."
    response = _failed(request, 503, "Nobody can log in at the moment", said)
    response.headers["Retry-After"] = "30"
    return response


def _failed(request: Request, status: int, title: str, said: str) -> Response:
    return render(request, "login-failed.html", status, title=title, text=said)


def _provider(request: Request) -> Provider:
    web = web_of(request)
    assert web.oidc is not None  # checked when tako.toml was read
    return Provider(web.oidc, web.base + CALLBACK)


def _signer(request: Request) -> URLSafeTimedSerializer:
    """Signs with the client's secret: one that outlives a restart, and that browsers never see."""
    oidc = web_of(request).oidc
    assert oidc is not None
    return URLSafeTimedSerializer(
        oidc.client_secret,
        salt=f"tako.oidc.{config_of(request).name}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )


def _cookie(request: Request, state: str) -> str:
    kind = hashlib.sha256(state.encode()).hexdigest()[:8]
    return cookie_name(request, f"tako_login_{kind}")
