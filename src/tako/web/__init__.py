"""The HTTP doors of an app: pages, links, API and hooks, as one Starlette application.

It is a client of the engine, like any other: each request becomes commands over the app's socket.
"""

import os
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from tako.config import AppConfig, WebConfig, load_app
from tako.config.safety import check_doors
from tako.errors import ConfigError
from tako.people import People
from tako.reach import app_of
from tako.web import api, events, health, hooks, identity, pages
from tako.web.engine import Engine
from tako.web.limits import Limits
from tako.web.live import Live
from tako.web.mounting import Around, Ask, Mounted
from tako.web.problems import handlers
from tako.web.security import Guard
from tako.web.who import Who as Who


def mounted(
    app: str | os.PathLike[str] | None = None, *, who: Ask | None = None, login: str | None = None
) -> ASGIApp:
    """The pages, links, API and hooks of an app, for a path of your own ASGI application.

    It needs no lifespan. What links begin with, and the names that the Host header may have, are
    ``url`` and ``hosts`` of the table ``[web]``.

    Args:
        app: the app's folder; None: the one that `tako.configure` or TAKO_APP says, or the
            nearest above the working directory.
        who: who sends a request, from whatever your application knows of it: the name of a
            person, or None. It gets your application's request, and counts instead of the
            configured way to log in. A `Who` has the role that it says.
        login: where your application lets people in; it gets the way back as ``next``.

    Raises AppNotFound; ConfigError: its tako.toml cannot be used, or would be open to strangers.
    """
    config = app_of() if app is None else load_app(Path(app))
    return Mounted(build(config, None if who is None else Around(who, login)))


def build(config: AppConfig, around: Around | None = None) -> Starlette:
    """The application of one app; without a ``[web]`` in its `tako.toml` with the defaults.

    ``around``: of the application that it is a part of, if that one says who people are.

    Its ``state`` has ``engine``, ``config``, ``web`` (the `WebConfig`), ``people``, ``limits`` and
    ``live``.
    Raises ConfigError: the people file cannot be used, or [web] would be open to strangers.
    """
    web = config.web or WebConfig()
    if around is not None:
        web = msgspec.structs.replace(web, auth="mounted")
    elif web.auth == "mounted":
        raise ConfigError(
            'tako.toml: with web.auth = "mounted" your application says who people are: '
            "mounted(who=...)"
        )
    check_doors(config, web)
    config = msgspec.structs.replace(config, web=web)
    app = Starlette(
        routes=[
            *health.routes(config),
            *identity.routes(config),
            *pages.routes(config),
            *events.routes(),
            *api.routes(config),
            *hooks.routes(config),
        ],
        middleware=[Middleware(Guard, web=web)],
        exception_handlers=handlers(),
    )
    app.router.redirect_slashes = False  # it would build an address from the Host header
    people = People(config)
    app.state.engine = Engine(config, people)
    app.state.live = Live(app.state.engine)
    app.state.around = around
    app.state.config = config
    app.state.web = web
    app.state.people = people
    app.state.limits = Limits()
    return app
