"""The HTTP doors of an app: pages, links, API and hooks, as one Starlette application.

It is a client of the engine, like any other: each request becomes commands over the app's socket.
"""

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware

from tako.config import AppConfig, WebConfig
from tako.config.safety import check_doors
from tako.people import People
from tako.web import api, events, health, hooks, identity, pages
from tako.web.engine import Engine
from tako.web.limits import Limits
from tako.web.live import Live
from tako.web.problems import handlers
from tako.web.security import Guard


def build(config: AppConfig) -> Starlette:
    """The application of one app; without a ``[web]`` in its `tako.toml` with the defaults.

    Its ``state`` has ``engine``, ``config``, ``web`` (the `WebConfig`), ``people``, ``limits`` and
    ``live``.
    Raises ConfigError: the people file cannot be used, or [web] would be open to strangers.
    """
    web = config.web or WebConfig()
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
    app.state.config = config
    app.state.web = web
    app.state.people = people
    app.state.limits = Limits()
    return app
