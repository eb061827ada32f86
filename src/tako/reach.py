"""Which app this process talks to, and how its server is asked."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tako.commands import Command
from tako.connections import links
from tako.durations import seconds
from tako.errors import ProtocolError, TakoError, Unavailable
from tako.wire import Link

if TYPE_CHECKING:  # who imports tako and calls nothing has no use for these
    from pathlib import Path

    from tako.config import AppConfig
    from tako.workflow import Workflow

T = TypeVar("T")

ANSWER = 60.0  # s in which every reply must come; a worker may have to start before it can


@dataclass(frozen=True)
class Configured:
    app: "Path | None" = None
    patience: float = 5.0


configured = Configured()
_apps: "dict[tuple[object, ...], AppConfig]" = {}


def configure(
    *, app: str | os.PathLike[str] | None = None, patience: timedelta | float | str = 5.0
) -> None:
    """Say which app this process talks to, and how patiently.

    Args:
        app: the app's folder; None looks at the environment variable TAKO_APP, then for the
            folder of the workflow, then for a tako.toml above the working directory.
        patience: how long a call waits for a server that is away (a restart, say).

    Raises:
        AppNotFound: there is no tako.toml in ``app``.
        ConfigError: its tako.toml cannot be used.
    """
    global configured
    from pathlib import Path

    from tako.config import load_app

    folder = None if app is None else load_app(Path(app)).dir
    configured = Configured(folder, seconds(patience, what="patience"))


def app_of(workflow: "Workflow[Any, Any] | str | None" = None) -> "AppConfig":
    """The app that is meant, as `configure` says. Raises AppNotFound, ConfigError."""
    from pathlib import Path

    from tako.config import FILE, find_app, load_app

    own = None if workflow is None or isinstance(workflow, str) else workflow.app_dir
    if own is not None and not (own / FILE).is_file():
        own = None  # a workflow written elsewhere: in a test, or at a prompt
    named = configured.app, os.environ.get("TAKO_APP"), own
    here = None if any(named) else Path.cwd()  # which may be gone, where it does not matter
    key = (*named, os.environ.get("TAKO_DATA_DIR"), here)
    found = _apps.get(key)
    if found is None:
        found = _apps[key] = load_app(find_app(configured.app, near=own))
    return found


async def ask(app: "AppConfig", command: Command, expected: type[T]) -> T:
    """Send ``command`` to the app's server and return the reply that it always has.

    Raises what it was refused with, and Unavailable.
    """
    async with answered(app):
        return as_reply(await link_to(app).request(command), expected)


@asynccontextmanager
async def answered(app: "AppConfig") -> AsyncIterator[None]:
    """A server that takes connections and never answers is a stopped one."""
    try:
        async with asyncio.timeout(ANSWER):
            yield
    except TimeoutError as error:
        if isinstance(error, TakoError):
            raise
        raise Unavailable(
            f"the server at {app.socket} has not answered within {ANSWER:g} s: it may still do "
            "what it was asked; with a run_id, or a key of the signal, it is safe to ask again"
        ) from None


def link_to(app: "AppConfig") -> Link:
    return links().link(app.socket, configured.patience)


def as_reply(reply: object, expected: type[T]) -> T:
    if not isinstance(reply, expected):
        raise ProtocolError(f"the server answered {reply!r}: it is another version of tako")
    return reply
