"""The HTTP doors of an app: a thread with an event loop of its own, which the engine never needs.

All that is web is imported after the zygote was forked, and only if `tako.toml` has a ``[web]``;
on that thread, but for the templates of hooks, which are checked before anything is opened.
"""

import asyncio
import logging
import socket
import threading

from tako.config import AppConfig, WebConfig
from tako.config.safety import check_doors, host_and_port

_log = logging.getLogger("tako.server")

_AGAIN = 3.0  # s until a door that could not be opened, or fell shut, is tried again
_PATIENCE = 10.0  # s that the thread has to end
_BACKLOG = 1024


class HttpDoor:
    """Raises ConfigError for a ``[web]`` that would be open to strangers, or cannot work."""

    def __init__(self, config: AppConfig, web: WebConfig) -> None:
        check_doors(config, web)
        if config.hooks:
            from tako.web.hooks import routes

            routes(config)  # which says what cannot work of them
        if web.auth == "users" and not config.people.exists():
            _log.warning(
                "app %s: there is no people file %s, so nobody can log in: `tako people add NAME "
                "--password` makes one",
                *(config.name, config.people),
            )
        self._config = config
        self._web = web
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="tako-web", daemon=True)
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open the door, sooner or later: what goes wrong is logged and tried again."""
        self._thread.start()

    async def stop(self) -> None:
        """Take no more requests, and let those that are being answered finish."""
        if self._thread.ident is None:
            return
        self._stopping.set()
        with self._lock:
            if self._inner is not None:
                loop, stop = self._inner
                loop.call_soon_threadsafe(stop.set)
        await asyncio.to_thread(self._thread.join, _PATIENCE)

    def _main(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as error:
                _log.error(
                    "app %s: HTTP cannot listen on %s: %s; trying again each %g s",
                    self._config.name,
                    self._web.listen,
                    error.strerror or error,
                    _AGAIN,
                )
            except BaseException:  # whatever it is, the engine in the other thread goes on
                _log.exception(
                    "app %s: HTTP has failed; trying again in %g s", self._config.name, _AGAIN
                )
            self._stopping.wait(_AGAIN)

    def _serve(self) -> None:
        import uvloop

        with (
            listening(self._web.listen) as sock,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(self._until_stopped(sock))

    async def _until_stopped(self, sock: socket.socket) -> None:
        from tako.web.serving import serve

        stop = asyncio.Event()
        with self._lock:
            self._inner = asyncio.get_running_loop(), stop
        try:
            if not self._stopping.is_set():
                _log.info("app %s: %s", self._config.name, self._web.base)
                await serve(self._config, sock, stop)
        finally:
            with self._lock:
                self._inner = None


def listening(listen: str) -> socket.socket:
    """A socket that takes connections on "host:port". Raises OSError."""
    host, port = host_and_port(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
