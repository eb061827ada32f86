"""The HTTP API for programs: JSON in, JSON out, problems as problem+json."""

from starlette.routing import BaseRoute

from tako.config import AppConfig


def routes(config: AppConfig) -> list[BaseRoute]:
    return []
