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

from tako.web import csrf
from tako.web.forms import label_of

HERE = Path(__file__).parent.parent
STATIC = HERE / "static"


def render(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from ``templates/<name>``, with the cookie that its forms need.

    Each template has ``url`` (a path below ours), ``csrf_field`` (of every form), ``static``, the
    name of the ``app``, and ``who``: the `Who` that is logged in, None if none is given.
    """
    given = {
        "app": request.app.state.config.name,
        "who": None,
        "path": request.url.path,
        "url": lambda path: path_of(request, path),
        "static": lambda file: path_of(request, f"/static/{file}?v={_version(file)}"),
        "csrf_field": lambda: csrf_field(request),
    }
    page = template(name).render(given | context)
    response = HTMLResponse(page, status)
    csrf.remember(request, response)
    return response


def path_of(request: Request, path: str) -> str:
    """A path of ours, also where we are only a part of an application."""
    return str(request.scope.get("root_path", "")).rstrip("/") + path


def csrf_field(request: Request) -> Markup:
    """The hidden field of every form that posts."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(
        csrf.FIELD, csrf.token_of(request)
    )


def time_tag(ms: int) -> Markup:
    """A moment as people read it, exact in its title; the script shows it in local time."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    exact = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = f"{at:%a} {at.day} {at:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, text)


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
    return environment


@cache
def _version(file: str) -> str:
    """Of a file's content: what has changed has another address, so that browsers may keep it."""
    return hashlib.sha256((STATIC / file).read_bytes()).hexdigest()[:12]
