"""Double submit: a form counts only with the value of a cookie that another site cannot read.

Nothing is kept by the server, so a restart between page and click does not matter. Beside it
stands the check of Origin and Sec-Fetch-Site in `web/security.py`. After OWASP's "Cross-Site
Request Forgery Prevention Cheat Sheet": random value, `__Host-` prefix where there is https.
"""

import hmac
import re
import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from tako.web.cookies import cookie_name, set_cookie

FIELD = "csrf"
_NAME = "tako_csrf"
_MADE = "tako.csrf"  # in a scope: the value that was made for this request
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def token_of(request: Request) -> str:
    """The value of this browser; a new one if it has none, the same for all of one request."""
    given = request.cookies.get(_cookie(request), "")
    if _TOKEN.fullmatch(given):
        return given
    return str(request.scope.setdefault(_MADE, secrets.token_urlsafe(32)))


def remember(request: Request, response: Response) -> None:
    """Give the browser the cookie of `token_of`, if it has none."""
    if _MADE in request.scope:
        set_cookie(request, response, _cookie(request), request.scope[_MADE])


def renew(request: Request, response: Response) -> None:
    """Another value: pages that were made for who was here before count no more."""
    set_cookie(request, response, _cookie(request), secrets.token_urlsafe(32))


def matches(request: Request, form: Mapping[str, object]) -> bool:
    """Whether the form came from a page of ours in this browser."""
    given, kept = str(form.get(FIELD, "")), request.cookies.get(_cookie(request), "")
    return bool(_TOKEN.fullmatch(kept)) and hmac.compare_digest(given.encode(), kept.encode())


def _cookie(request: Request) -> str:
    return cookie_name(request, _NAME)


def stale(outcome: str = "done") -> str:
    """What a page says whose form has another value than the cookie, or none."""
    return f"This page had been open for too long. Nothing was {outcome}; please try once more."
