"""The application as a part of another: what it needs there beside what it is."""

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tako.web.live import Live
from tako.web.paths import below, is_below, root_of
from tako.web.who import Who

Ask = Callable[[Request], Awaitable[Who | str | None]]
AROUND = "tako.around"  # in a scope: that of the request as the application around has it
_LOOK = 0.5  # s between two looks whether the server wants to end


class Around:
    """What the application around knows: who asks, and where they log in."""

    def __init__(self, who: Ask, login: str | None) -> None:
        self.who = who
        self.login = login


class Mounted:
    """An ASGI application that needs no lifespan, and does not hold up the end of its server."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._streams = 0
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = _ours(scope)
            if below(scope) == "/live":
                await self._stream(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams += 1
        self._look()
        try:
            await self._app(scope, receive, send)
        finally:
            self._streams -= 1

    def _look(self) -> None:
        """A server that ends waits for its answers, and a stream is one that never ends."""
        server = _server()
        if server is None or (self._looking is not None and not self._looking.done()):
            return
        self._looking = asyncio.get_running_loop().create_task(self._until(server))

    async def _until(self, server: Any) -> None:
        live: Live = self._app.state.live
        while self._streams and not server.should_exit:  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(_LOOK)
        if server.should_exit:
            live.close()


def _ours(scope: Scope) -> Scope:
    """The scope for us; some mount with the path as it is below theirs, unlike ASGI has it.

    Where a root ends with a slash, what is mounted below it begins with a second one: addresses
    that begin with two lead to another host.
    """
    root, path = root_of(scope), scope["path"]
    rest = path[len(root) :] if root and is_below(path, root) else path
    single = re.sub("/{2,}", "/", root)
    return {**scope, "root_path": single, "path": single + rest, AROUND: scope}


def _server() -> Any:
    """The uvicorn that runs us, which has taken SIGTERM; None: it is another server."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if hasattr(server, "should_exit") else None
