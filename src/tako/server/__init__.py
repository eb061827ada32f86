"""The process that owns the data of apps: it commits, keeps time and supervises workers."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tako.config import AppConfig
from tako.errors import ConfigError
from tako.server.app import AppServer
from tako.server.spawner import Spawner

if TYPE_CHECKING:
    from tako.server.zygote import Handle

_log = logging.getLogger("tako.server")


class Server:
    """One server for many apps.

    ``zygote`` is what `tako.server.zygote.start` gave before anything was opened; without it one
    is started when the first worker is needed. ``output``: the file descriptor that workers have
    as standard output and error.
    """

    def __init__(
        self,
        apps: Sequence[AppConfig],
        *,
        zygote: "Handle | None" = None,
        output: int | None = None,
    ) -> None:
        self._spawner = Spawner(zygote, output)
        self.apps = [AppServer(app, self._spawner) for app in apps]
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def start(self) -> None:
        """Open every app; all or none.

        Raises:
            ConfigError: two apps share a data folder, another server holds it, or the path of
                the socket is too long.
            StorageError: a store cannot be opened.
        """
        _check_distinct([server.config for server in self.apps])
        opened: list[AppServer] = []
        try:
            for server in self.apps:
                await server.open()
                opened.append(server)
        except BaseException:
            self._hurry.set()
            for server in opened:
                await server.close(self._hurry)
            self._spawner.close()
            raise
        for server in self.apps:
            _log.info("app %s: %s", server.config.name, server.config.socket)

    async def stop(self, *, hurry: bool = False) -> None:
        """Drain the workers, then close everything. ``hurry`` does not wait for the workers."""
        if hurry:
            self._hurry.set()
        await asyncio.gather(*(server.close(self._hurry) for server in self.apps))
        self._spawner.close()

    def ask_to_stop(self) -> None:
        """Let `serve_forever` return; asked twice, in a hurry."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def serve_forever(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGTERM, SIGINT, SIGHUP or `ask_to_stop`; a second signal hurries."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in signals:  # first: who sees the socket may send one
            loop.add_signal_handler(number, self.ask_to_stop)
        try:
            await self._serve(on_ready)
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def _serve(self, on_ready: Callable[[], None] | None) -> None:
        await self.start()
        try:
            if on_ready is not None:
                on_ready()
            await self._stop.wait()
        finally:
            await self.stop()


def _check_distinct(apps: Sequence[AppConfig]) -> None:
    if not apps:
        raise ConfigError("no app to serve: name the folder of one that has a tako.toml")
    seen: dict[object, AppConfig] = {}
    for app in apps:
        other = seen.setdefault(app.data_dir, app)
        if other is not app:
            raise ConfigError(
                f"{other.dir} and {app.dir} are both named {app.name!r} and would share the data "
                f'in {app.data_dir}: set another `name = "..."` in one tako.toml'
            )


def serve(
    apps: Sequence[AppConfig],
    *,
    zygote: "Handle | None" = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve these apps until a signal says stop. Raises what `Server.start` raises.

    Call it before anything else is opened, or pass the ``zygote`` that was started then.
    """
    if zygote is None:
        from tako.server.zygote import start

        zygote = start()
    import uvloop

    _tune()

    async def main() -> None:
        await Server(apps, zygote=zygote).serve_forever(on_ready)

    uvloop.run(main())


def _tune() -> None:
    """What holds for a process that only serves: many connections, little garbage in cycles."""
    import gc
    import resource

    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
