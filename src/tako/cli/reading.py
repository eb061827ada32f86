"""Reading an app's store in this process: it works with the server down."""

from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

from tako.clock import now_ms
from tako.commands import ClientCommand, Error
from tako.config import AppConfig, find_app, load_app
from tako.errors import TakoError, Unavailable, from_reply
from tako.people import load_directory
from tako.store import Store, open_store

T = TypeVar("T")


class Reader:
    """The open store of one app, read-only."""

    def __init__(self, app: AppConfig, store: Store) -> None:
        self.app = app
        self._store = store

    def ask(self, command: ClientCommand, expected: type[T]) -> T:
        """The reply to a command that only reads. Raises what an `Error` reply stands for."""
        (reply,) = _at_once(self._store.execute([command], now_ms())).replies
        if isinstance(reply, Error):
            raise from_reply(reply.code, reply.message)
        assert isinstance(reply, expected), reply
        return reply


def open_reader() -> Reader:
    """The store of the app that is meant.

    Raises:
        AppNotFound, ConfigError: which app is meant cannot be told.
        Unavailable: its server has never run. StorageError: the file cannot be read.
    """
    app = load_app(find_app())
    if not app.db.exists() and not app.db.with_suffix(".id").exists():  # else it is lost
        raise Unavailable(
            f"app {app.name!r} has no data yet in {app.data_dir}: start it with `tako dev` or "
            "`tako server`"
        )
    people = lru_cache(maxsize=1)(lambda: load_directory(app))  # few commands ask who is who
    return Reader(app, open_store(app.db, readonly=True, people=people))


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns: SQLite never waits, so there is no event loop to pay for."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    work.close()
    raise TakoError("this store cannot be read without a server")
