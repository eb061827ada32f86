"""Cookies: seen by no script, sent along from no form of another site, and met by no other app."""

import hashlib
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from tako.web.engine import web_of
from tako.web.paths import root_of


def cookie_name(request: Request, name: str) -> str:
    """With https the browser itself sees to it that no other host has set it.

    It then is one for all paths of the host, so that below a path its name has to differ.
    """
    if not is_https(request):
        return name
    root = root_of(request.scope)
    mark = f"_{hashlib.sha256(root.encode()).hexdigest()[:8]}" if root else ""
    return f"__Host-{name}{mark}"


def set_cookie(
    request: Request, response: Response, name: str, value: str, age: int | None = None
) -> None:
    """``name`` is one of `cookie_name`. ``age`` in seconds; None: until the browser is closed."""
    https = is_https(request)
    response.set_cookie(
        name,
        value,
        max_age=age,
        path="/" if https else quote(root_of(request.scope)) or "/",  # __Host- allows no other
        secure=https,
        httponly=True,
        samesite="lax",
    )


def is_https(request: Request) -> bool:
    """Whether people reach us by https: what the settings say, not what a proxy's header does."""
    return web_of(request).base.startswith("https://")
