"""Pages for people: links, approvals, and what went wrong."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from tako.config import AppConfig
from tako.web.problems import Problem


def routes(config: AppConfig) -> list[BaseRoute]:
    return []


def problem_page(request: Request, problem: Problem) -> Response:
    """What a person sees where a program would get problem+json."""
    return PlainTextResponse(
        f"{problem.title}\n\n{problem.detail}\n", problem.status, dict(problem.headers)
    )
