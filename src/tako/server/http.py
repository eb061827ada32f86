"""The HTTP doors of an app: a process of their own, which the engine never needs.

People who browse cost the engine no time of its interpreter. All that is web is imported there, but
for the templates of hooks, which are checked before anything is opened.
"""

import asyncio
import logging
import pickle
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import msgspec

from tako.config import AppConfig, WebConfig
from tako.config.safety import check_doors, host_and_port

_log = logging.getLogger("tako.server")

_SOON, _AGAIN = 0.2, 3.0  # s until a door that fell shut, or cannot be opened, is tried again
_PATIENCE = 10.0  # s that the process has to end
_BACKLOG = 1024
_LINE = 1024 * 1024  # bytes of a line of its log
_decoder = msgspec.json.Decoder(tuple[str, int, str])


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
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the door, sooner or later: what goes wrong is logged and tried again."""
        self._task = asyncio.create_task(self._main())

    async def stop(self) -> None:
        """Take no more requests, and let those that are being answered finish."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _main(self) -> None:
        pause = _SOON  # the first time: one whose server was killed may just be letting go
        while not self._stopping.is_set():
            try:
                await self._serve()
            except OSError as error:
                _log.error(
                    "app %s: HTTP cannot listen on %s: %s; trying again in %g s",
                    *(self._config.name, self._web.listen, error.strerror or error, pause),
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = _AGAIN

    async def _serve(self) -> None:
        """Until it ends, or is to. Raises OSError: there is no such address, or it is taken."""
        with listening(self._web.listen) as sock:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "tako.web", str(sock.fileno())),
                stdin=PIPE,
                stdout=PIPE,
                limit=_LINE,
                pass_fds=(sock.fileno(),),
                start_new_session=True,  # Ctrl-C in a terminal is for the server
            )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(pickle.dumps(self._config))
        _log.info("app %s: %s", self._config.name, self._web.base)
        said = asyncio.create_task(_relay(process.stdout))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await _let_go(process, ended)
        await said
        if not self._stopping.is_set():
            _log.error(
                "app %s: the process of HTTP has ended with status %s; another is started in %g s",
                *(self._config.name, process.returncode, _AGAIN),
            )


async def _let_go(process: Process, ended: "asyncio.Task[int]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait([ended], timeout=_PATIENCE)
    if not ended.done():
        process.kill()
        await ended


async def _relay(lines: asyncio.StreamReader) -> None:
    async for line in lines:
        try:
            name, level, message = _decoder.decode(line)
        except msgspec.MsgspecError:
            name, level, message = (
                _log.name,
                logging.WARNING,
                line.decode(errors="replace").rstrip(),
            )
        logging.getLogger(name).log(level, "%s", message)


def listening(listen: str) -> socket.socket:
    """A socket that takes connections on "host:port". Raises OSError."""
    host, port = host_and_port(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
