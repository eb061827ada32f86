"""How a request reaches the engine, and what belongs to the app that it came to.

What changes something goes over the socket. What only reads is read here, from the file: the
engine is not held up by readers, and they see everything while it is away.
"""

import os
import threading
from contextlib import suppress
from typing import TypeVar, cast

from starlette.requests import HTTPConnection

from tako import reach
from tako.clock import now_ms
from tako.commands import Command, Error
from tako.config import AppConfig, WebConfig
from tako.errors import StorageError
from tako.people import Directory, People
from tako.store import Store, open_store
from tako.wire import error_of

T = TypeVar("T")


class Engine:
    """The engine of one app: over its socket (one link for each event loop), and its file."""

    def __init__(self, config: AppConfig, people: People) -> None:
        self._config = config
        self._reader = _Reader(config, people)

    async def ask(self, command: Command, expected: type[T]) -> T:
        """The reply to ``command``.

        Raises:
            Refused: the engine said no; its subclass says why.
            Unavailable: it cannot be reached, or has not answered in time.
            StorageError: its store cannot be used.
        """
        return await reach.ask(self._config, command, expected)

    async def read(self, command: Command, expected: type[T]) -> T:
        """The reply to a ``command`` that only reads, as of what is committed now.

        The engine is not asked, unless the file cannot be read here; then errors are as of `ask`.
        """
        try:
            reply = await self._reader.read(command)
        except StorageError:
            return await self.ask(command, expected)
        if isinstance(reply, Error):
            raise error_of(reply)
        return reach.as_reply(reply, expected)

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        self._reader.close()


class _Reader:
    """A read-only store of its own; opened anew if the file is another one, and after a fork."""

    def __init__(self, config: AppConfig, people: People) -> None:
        self._path = config.db
        self._people = people
        self._lock = threading.Lock()  # event loops of several threads may share an application
        self._store: Store | None = None
        self._of: tuple[int, ...] = ()
        self._inherited: list[Store] = []  # closing the parent's would take away its locks

    async def read(self, command: Command) -> object:
        """Raises StorageError. SQLite runs inline, as in the server: most reads take under 1 ms."""
        with self._lock:
            store = self._opened()
            try:
                return (await store.execute([command], now_ms())).replies[0]
            except StorageError:
                self._close()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _opened(self) -> Store:
        try:
            seen = self._path.stat()
        except OSError as error:
            self._close()
            raise StorageError(f"{self._path}: {error.strerror}") from error
        of = (os.getpid(), seen.st_dev, seen.st_ino)
        if self._store is None or of != self._of:
            self._close()
            self._store = open_store(self._path, readonly=True, people=self._people.now)
            self._of = of
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is None:
            return
        if self._of[0] != os.getpid():
            self._inherited.append(store)
            return
        with suppress(StorageError):
            store.close()


def engine_of(request: HTTPConnection) -> Engine:
    return cast("Engine", request.app.state.engine)


def config_of(request: HTTPConnection) -> AppConfig:
    return cast("AppConfig", request.app.state.config)


def web_of(request: HTTPConnection) -> WebConfig:
    return cast("WebConfig", request.app.state.web)


def people_of(request: HTTPConnection) -> Directory:
    """The people as they are known now."""
    return cast("People", request.app.state.people).now()
