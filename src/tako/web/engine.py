"""How a request reaches the engine, and what belongs to the app that it came to."""

from typing import TypeVar, cast

from starlette.requests import HTTPConnection

from tako import reach
from tako.commands import Command
from tako.config import AppConfig, WebConfig
from tako.people import Directory, People

T = TypeVar("T")


class Engine:
    """The engine of one app, over its socket: one link for each event loop."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config

    async def ask(self, command: Command, expected: type[T]) -> T:
        """The reply to ``command``.

        Raises:
            Refused: the engine said no; its subclass says why.
            Unavailable: it cannot be reached, or has not answered in time.
            StorageError: its store cannot be used.
        """
        return await reach.ask(self._config, command, expected)


def engine_of(request: HTTPConnection) -> Engine:
    return cast("Engine", request.app.state.engine)


def config_of(request: HTTPConnection) -> AppConfig:
    return cast("AppConfig", request.app.state.config)


def web_of(request: HTTPConnection) -> WebConfig:
    return cast("WebConfig", request.app.state.web)


def people_of(request: HTTPConnection) -> Directory:
    """The people as they are known now."""
    return cast("People", request.app.state.people).now()
