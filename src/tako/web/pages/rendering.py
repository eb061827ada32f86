"""From a template to a response: the one place that knows Jinja2."""

import hashlib
import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tako.forms import label_of
from tako.ids import new_id
from tako.web import csrf
from tako.web.jsonview import copy_button, view
from tako.web.paths import address_of, root_of
from tako.web.times import rfc3339

_SIGNS = {
    "pending": "○",
    "running": "◐",
    "waiting": "◷",
    "succeeded": "✓",
    "failed": "✕",
    "rejected": "✕",  # decided, by a "reject"
    "cancelled": "–",
    "open": "◷",
    "decided": "✓",
    "expired": "!",
    "withdrawn": "–",
    "ok": "✓",
    "timeout": "!",
}
ONCE = "once"  # the field of every form that makes two of it one
_MARKED = re.compile(r"\x1f(\d+)\x1f")
HERE = Path(__file__).parent.parent
STATIC = HERE / "static"


def render(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from ``templates/<name>``, with the cookie that its forms need.

    Each template has ``url`` (a path below ours), ``csrf_field`` (of every form), ``static``, the
    name of the ``app``, and ``who``: the `Who` that is logged in, None if none is given. What is
    within the frame of the application is rendered by `framing.page`.
    """
    given = {"who": None, "csrf_field": lambda: csrf_field(request)}
    response = HTMLResponse(html(request, name, **given | context), status)
    csrf.remember(request, response)
    return response


def html(request: Request, name: str, **context: Any) -> str:
    """The text of ``templates/<name>``, without what depends on the browser that asks."""
    given = {
        "app": request.app.state.config.name,
        "leaves": request.app.state.web.auth not in ("proxy", "mounted"),  # else others log out
        "path": address_of(request.scope),
        "url": lambda path: path_of(request, path),
        "static": lambda file: path_of(request, f"/static/{file}?v={_version(file)}"),
        "layout": "base.html",
        "nav": (),
        "inbox": 0,
        "stream": "",
        "version": 0,
    }
    return template(name).render(given | context)


def fragment(request: Request) -> bool:
    """Whether a script of the page asks for a part of it, and not a browser for all."""
    headers = request.headers
    return "hx-request" in headers and "hx-history-restore-request" not in headers


def path_of(request: Request, path: str) -> str:
    """A path of ours, also where we are only a part of an application."""
    return root_of(request.scope) + path


def csrf_field(request: Request) -> Markup:
    """The hidden fields of every form that posts: whose it is, and an id, see `answering.once`."""
    return _trusted(
        f'<input type="hidden" name="{csrf.FIELD}" value="{csrf.token_of(request)}">'
        f'<input type="hidden" name="{ONCE}" value="{new_id()}">'
    )


def time_tag(ms: int) -> Markup:
    """A moment as people read it, exact in its title; the script shows it in local time."""
    day, time = divmod(ms // 1000, 86_400)
    return _time(ms, f"{_day(day)[0]}, {_clock(time)[:5]} UTC")


def clock_tag(ms: int) -> Markup:
    """The same, for tables: day, month and time to the second."""
    day, time = divmod(ms // 1000, 86_400)
    return _time(ms, f"{_day(day)[1]}, {_clock(time)} UTC", " data-short")


def marked(ms: int) -> str:
    """A moment within a text, for `moments`; no name or title has such characters."""
    return f"\x1f{ms}\x1f"


def moments(text: str) -> Markup:
    """A text with its `marked` moments as times."""
    parts = _MARKED.split(text)
    shown = (time_tag(int(part)) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("").join(shown)


def _time(ms: int, text: str, more: str = "") -> Markup:
    exact = rfc3339(ms)
    return _trusted(f'<time datetime="{exact}" title="{exact}"{more}>{text}</time>')


@lru_cache(1024)  # a list shows a few days many times, and strftime is slow
def _day(days: int) -> tuple[str, str]:
    """Of a number of days since 1970: with its year, and without."""
    at = datetime.fromtimestamp(days * 86_400, UTC)
    return f"{at:%a} {at.day} {at:%b %Y}", f"{at.day} {at:%b}"


def _clock(seconds: int) -> str:
    """ "08:05:59", of seconds since midnight."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def duration_tag(ms: int) -> Markup:
    """A span of time as people read it, exact in its title."""
    return _trusted(f'<span class="number" title="{ms} ms">{short(ms)}</span>')


@lru_cache(64)
def state_tag(state: str) -> Markup:
    """A state of a run, a step or an approval: colour, sign and word."""
    return Markup(
        '<span class="state {0}"><span class="state-sign" aria-hidden="true">{1}</span>{0}</span>'
    ).format(str(state), sign(state))


def sign(state: str) -> str:
    return _SIGNS.get(state, "·")


def ident_tag(name: str, href: str = "") -> Markup:
    """An id of up to 200 characters: in a table the stylesheet cuts it, its title has it whole."""
    text = escape(name)
    tag, to = ("a", f' href="{escape(href)}"') if href else ("span", "")
    return _trusted(f'<{tag} class="ident"{to} title="{text}" dir="auto">{text}</{tag}>')


def _trusted(html: str) -> Markup:
    """Made of escaped texts, numbers and ids of ours: `Markup.format` takes ten times as long."""
    return Markup(html)


def badge(count: int) -> str:
    """A number for a small place; nothing for none. More than it says are not counted anyway."""
    return "99+" if count > 99 else str(count or "")


def short(ms: int) -> str:
    """ "12 ms", "3.4 s", "5 min 20 s", "3 days 2 h": at most two units."""
    if ms < 1_000:
        return f"{max(ms, 0)} ms"  # clocks may be set back
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    units = (("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
    at = next(i for i, (_, size) in enumerate(units) if ms >= size)
    parts = []
    for name, size in units[at : at + 2]:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
    return " ".join(parts)


def bytes_of(size: int) -> str:
    """ "512 B", "1.5 KiB", "20 MiB"."""
    amount, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return (
        f"{amount:.0f} {units[0]}"
        if amount >= 10 or units[0] == "B"
        else f"{amount:.1f} {units[0]}"
    )


def template(name: str) -> Template:
    """From the folder ``templates``; all that is shown is escaped."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = time_tag
    environment.filters["state"] = state_tag
    environment.filters["sign"] = sign
    environment.filters["ident"] = ident_tag
    environment.filters["label"] = label_of
    environment.filters["clock"] = clock_tag
    environment.filters["duration"] = duration_tag
    environment.filters["short"] = short
    environment.filters["badge"] = badge
    environment.filters["bytes"] = bytes_of
    environment.filters["json"] = view
    environment.filters["copy"] = copy_button
    environment.filters["moments"] = moments
    return environment


@cache
def _version(file: str) -> str:
    """Of a file's content: what has changed has another address, so that browsers may keep it."""
    return hashlib.sha256((STATIC / file).read_bytes()).hexdigest()[:12]
