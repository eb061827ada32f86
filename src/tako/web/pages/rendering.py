"""From a template to a response: the one place that knows Jinja2."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tako.ids import new_id
from tako.web import csrf
from tako.web.forms import label_of
from tako.web.jsonview import view
from tako.web.times import rfc3339

ONCE = "once"  # the field of every form that makes two of it one
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
        "path": request.url.path,
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
    return str(request.scope.get("root_path", "")).rstrip("/") + path


def csrf_field(request: Request) -> Markup:
    """The hidden fields of every form that posts: whose it is, and an id, see `answering.once`."""
    return Markup('<input type="hidden" name="{}" value="{}">' * 2).format(
        csrf.FIELD, csrf.token_of(request), ONCE, new_id()
    )


def time_tag(ms: int) -> Markup:
    """A moment as people read it, exact in its title; the script shows it in local time."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    text = f"{at:%a} {at.day} {at:%b %Y, %H:%M} UTC"
    return _time(ms, text)


def clock_tag(ms: int) -> Markup:
    """The same, for tables: day, month and time to the second."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    text = f"{at.day} {at:%b, %H:%M:%S} UTC"
    return _time(ms, text, " data-short")


def _time(ms: int, text: str, more: str = "") -> Markup:
    """Made of numbers alone: to escape them took a tenth of a page."""
    exact = rfc3339(ms)
    return Markup(f'<time datetime="{exact}" title="{exact}"{more}>{text}</time>')


def duration_tag(ms: int) -> Markup:
    """A span of time as people read it, exact in its title."""
    return Markup('<span class="number" title="{} ms">{}</span>').format(ms, short(ms))


def badge(count: int) -> str:
    """A number for a small place; nothing for none. More than it says are not counted anyway."""
    return "99+" if count > 99 else str(count or "")


def short(ms: int) -> str:
    """ "12 ms", "3.4 s", "5 min 20 s", "3 days 2 h": at most two units."""
    if ms < 1_000:
        return f"{ms} ms"
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
    environment.filters["label"] = label_of
    environment.filters["clock"] = clock_tag
    environment.filters["duration"] = duration_tag
    environment.filters["short"] = short
    environment.filters["badge"] = badge
    environment.filters["bytes"] = bytes_of
    environment.filters["json"] = view
    return environment


@cache
def _version(file: str) -> str:
    """Of a file's content: what has changed has another address, so that browsers may keep it."""
    return hashlib.sha256((STATIC / file).read_bytes()).hexdigest()[:12]
