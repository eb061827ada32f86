"""`/system`: workers, queues, commits, storage, what is due, the record, the settings."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
from tako.commands import DueList, ListDue, ListWorkflows, WorkflowList
from tako.model import Role
from tako.web.engine import config_of, engine_of
from tako.web.pages.framing import logged_in, page
from tako.web.system import overview

_SOON = 5


def routes() -> list[BaseRoute]:
    return [Route("/system", system, methods=["GET"], name="system")]


async def system(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)

    async def load() -> dict[str, Any]:
        engine = engine_of(request)
        seen = await overview(engine, config_of(request))
        due = await engine.read(ListDue(_SOON), DueList)
        broken = (await engine.read(ListWorkflows(), WorkflowList)).broken
        return {"seen": seen, "due": due.things, "broken": broken, "now": now_ms()}

    return await page(request, who, "system.html", load=load, live="system", shared=True)
