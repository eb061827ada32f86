"""Files of ours that browsers keep, and the icon with the number of what waits.

Only these are compressed. Pages are not: over https the length of a compressed page that has a
secret (the CSRF token) beside text that others choose (a search, a comment) gives the secret away
letter by letter (BREACH, Gluck, Harris and Prado, 2013), and all pages are small.
"""

from markupsafe import Markup
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tako.web.pages.rendering import STATIC, badge

_MARK = (
    "M12 2.5c-4.6 0-7.8 3.3-7.8 7.4 0 2.5 1 3.8 1 5.5 0 2.1-1.7 2.4-1.7 3.9 0 1 .8 1.7 1.8 1.7 2 0 "
    "2.9-1.9 3.6-3.6.3 1.8.2 4.1 2 4.1h2.2c1.8 0 1.7-2.3 2-4.1.7 1.7 1.6 3.6 3.6 3.6 1 0 1.8-.7 "
    "1.8-1.7 0-1.5-1.7-1.8-1.7-3.9 0-1.7 1-3 1-5.5 0-4.1-3.2-7.4-7.8-7.4Z"
)
_ICON = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
    f'<path d="{_MARK}" fill="#c2553a"/>'
    '<circle cx="9.2" cy="10.6" r="1.35" fill="#fff"/><circle cx="14.8" cy="10.6" r="1.35" '
    'fill="#fff"/>{}</svg>'
)
_BADGE = Markup(
    '<circle cx="16.5" cy="16.5" r="7.5" fill="#1c5fc4" stroke="#fff" stroke-width="1"/>'
    '<text x="16.5" y="20" font-family="sans-serif" font-weight="700" font-size="{}" fill="#fff" '
    'text-anchor="middle">{}</text>'
)


def routes() -> list[BaseRoute]:
    files = GZipMiddleware(StaticFiles(directory=STATIC), minimum_size=500)
    return [
        Route("/favicon.svg", favicon, methods=["GET"]),
        Mount("/static", files, name="static"),
    ]


async def favicon(request: Request) -> Response:
    """The mark, with a number if ``n`` is one."""
    given = request.query_params.get("n", "")
    count = int(given) if given.isascii() and given.isdecimal() and len(given) < 9 else 0
    text = badge(count)
    shown = _BADGE.format((11, 9, 7)[len(text) - 1], text) if text else Markup("")
    return Response(
        _ICON.format(shown),
        media_type="image/svg+xml",
        headers={"Cache-Control": "max-age=86400"},
    )
