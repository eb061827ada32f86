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

_AGAIN = 1.0  # s until doors that fell shut, or cannot be opened, are tried again
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
        while True:
            over = await self._serve()
            if self._stopping.is_set():
                return
            _log.error("app %s: %s in %g s", self._config.name, over, _AGAIN)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _AGAIN)

    async def _serve(self) -> str:
        """Until it is over; why it is, and what follows."""
        try:
            process = await self._started()
        except OSError as error:
            why = error.strerror or error
            return f"HTTP cannot listen on {self._web.listen}: {why}; trying again"
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(pickle.dumps(self._config))
        _log.info("app %s: %s", self._config.name, self._web.base)
        said = asyncio.create_task(relay(process.stdout))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await _let_go(process, ended)
        await said
        return f"the process of HTTP has ended with status {process.returncode}; another is started"

    async def _started(self) -> Process:
        """Raises OSError: there is no such address, or it is taken."""
        with listening(self._web.listen) as sock:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "tako.web", str(sock.fileno())),
                stdin=PIPE,
                stdout=PIPE,
                limit=_LINE,
                pass_fds=(sock.fileno(),),
                start_new_session=True,  # Ctrl-C in a terminal is for the server
            )


async def _let_go(process: Process, ended: "asyncio.Task[int]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait([ended], timeout=_PATIENCE)
    if not ended.done():
        process.kill()
        await ended


async def relay(lines: asyncio.StreamReader) -> None:
    """Log what it has to say, to the end, whatever it is: nobody may wait for us to read."""
    while True:
        try:
            line = await lines.readline()
        except ValueError:  # longer than a line may be: left out
            continue
        if not line:
            return
        try:
            name, level, message = _decoder.decode(line)
        except msgspec.MsgspecError:  # printed by a library
            text = line.decode(errors="replace").rstrip()
            name, level, message = _log.name, logging.WARNING, text
        logging.getLogger(name).log(level, "%s", message)


def listening(listen: str) -> socket.socket:
    """A socket that takes connections on "host:port". Raises OSError."""
    host, port = host_and_port(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
