"""Pages for people: links, approvals, runs and the rest."""

from starlette.routing import BaseRoute

from tako.config import AppConfig
from tako.web.pages import (
    acting,
    approval,
    bulk,
    inbox,
    links,
    run,
    runs,
    statics,
    system,
    waiting,
    workflows,
)


def routes(config: AppConfig) -> list[BaseRoute]:
    return [
        *links.routes(),
        *inbox.routes(),
        *approval.routes(),
        *runs.routes(),
        *bulk.routes(),
        *acting.routes(),
        *run.routes(),
        *system.routes(),
        *waiting.routes(),
        *workflows.routes(),
        *statics.routes(),
    ]
