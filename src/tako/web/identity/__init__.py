"""Who a request comes from: a session or an API token, or what a trusted proxy says.

| `[web] auth` | people log in with | a request has |
|---|---|---|
| local | a choice of who to be, on this machine | a session |
| users | a password of the people file | a session |
| oidc | their identity provider | a session |
| proxy | what the proxy in front does | a header of the proxy |
| mounted | what the application around does | whatever its function looks at |

In every mode a program has an API token instead. A session is good only in the mode it began in.
"""

from starlette.requests import Request
from starlette.routing import BaseRoute

from tako.config import AppConfig
from tako.web.addresses import is_local
from tako.web.engine import web_of
from tako.web.identity import around, login, logout, proxy, sessions, tokens
from tako.web.who import Who


def routes(config: AppConfig) -> list[BaseRoute]:
    """Login, logout, and in the mode oidc the provider's way back."""
    found = [*login.routes(), *logout.routes()]
    if config.web is not None and config.web.auth == "oidc":
        from tako.web.identity import oidc  # whose libraries the others can do without

        found += oidc.routes()
    return found


async def identify(request: Request, channel: str) -> Who | None:
    """Who sent this, through the door ``channel``; None: nobody known.

    Raises TokenRefused: an API token was shown that is not good (any more).
    """
    mode = web_of(request).auth
    if mode == "local" and not is_local(request):
        return None
    if mode == "proxy" and not proxy.is_trusted(request):
        return None
    token = tokens.shown(request)
    if token is not None:
        return await tokens.who(request, channel, token)
    if mode in sessions.AUTH and tokens.bearer(request.headers) is not None:
        raise tokens.refused()  # in the others it may be meant for who is in front, or around
    if mode == "proxy":
        return proxy.who(request, channel)
    if mode == "mounted":
        return await around.who(request, channel)
    return await sessions.who(request, channel)
