"""`GET /health`: whether the engine answers. Needs no login, tells nothing else."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tako.commands import ListWorkflows, WorkflowList
from tako.config import AppConfig
from tako.web.engine import engine_of


def routes(config: AppConfig) -> list[BaseRoute]:
    return [Route("/health", _health)]


async def _health(request: Request) -> Response:
    await engine_of(request).ask(ListWorkflows(), WorkflowList)
    return JSONResponse({"ok": True})
