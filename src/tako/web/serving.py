"""The application behind a listening socket: uvicorn, as it is needed here."""

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from tako.config import AppConfig, WebConfig
from tako.web import build

_GRACE = 5  # s that answers have to be finished in when the server stops
_HEAD = 64 * 1024  # bytes of a request's head
_CONNECTIONS = 5000


async def serve(config: AppConfig, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve the app until ``stop`` is set, then finish what is being answered.

    Raises ConfigError: the people file cannot be used.
    """
    web = config.web or WebConfig()
    app = build(config)
    server = _Server(
        _Config(
            app,
            head_within=web.timeout,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,  # links are secrets
            server_header=False,
            date_header=False,  # the guard adds it
            proxy_headers=False,  # the application asks the peer's address first
            h11_max_incomplete_event_size=_HEAD,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        ),
        stop,
        app,
    )
    try:
        await server.serve(sockets=[listening])
    finally:
        app.state.engine.close()


class _Config(uvicorn.Config):
    """``head_within``: seconds that the head of a request may take to come."""

    def __init__(self, app: Starlette, *, head_within: float, **options: Any) -> None:
        super().__init__(app, **options)
        self.head_within = head_within


class _Server(uvicorn.Server):
    """uvicorn's looks ten times a second whether it should end; this one is told."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event, app: Starlette) -> None:
        super().__init__(config)
        self._stop = stop
        self._app = app

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()  # it is told when to end

    async def main_loop(self) -> None:
        await self._stop.wait()
        self._app.state.live.close()


class _Protocol(H11Protocol):
    """uvicorn's waits for ever for a request that never comes, or comes byte by byte."""

    _slow: asyncio.TimerHandle | None = None

    def __init__(self, config: _Config, *arguments: Any, **more: Any) -> None:
        super().__init__(config, *arguments, **more)
        self._within = config.head_within

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _look(self) -> None:
        """While no request is being answered, the next head has to come in time."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._forget()
        elif self._slow is None:
            self._slow = self.loop.call_later(self._within, self.transport.abort)

    def _forget(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
