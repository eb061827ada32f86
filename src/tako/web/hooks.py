"""`POST /hooks/<name>`: signed webhooks become signals."""

from starlette.routing import BaseRoute

from tako.config import AppConfig


def routes(config: AppConfig) -> list[BaseRoute]:
    return []
