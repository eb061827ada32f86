"""Starts worker processes, by a fork of the zygote or by exec, and tells when they end."""

import asyncio
import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from tako.errors import ProtocolError, TakoError
from tako.server import zygote
from tako.wire import FrameReader, encode_frame

_log = logging.getLogger("tako.server")
_decoder = msgspec.msgpack.Decoder(list[tuple[int, dict[str, Any]]])
_LATE = 15.0  # s in which a zygote must have forked


class SpawnError(TakoError):
    """A worker process could not be started."""


class Spawned(NamedTuple):
    """A process, and its exit status when it has one: negative for the signal that killed it.

    None: it is gone, and how is not known.
    """

    pid: int
    exited: "asyncio.Future[int | None]"


class Spawner:
    """One for all apps of a server."""

    def __init__(self, handle: zygote.Handle | None, output: int | None = None) -> None:
        self._handle = handle
        self._output = output
        self._link: _ZygoteLink | None = None

    async def fork(self, settings: dict[str, Any], cwd: str, env: dict[str, str]) -> Spawned:
        """A worker forked from the zygote. Raises SpawnError."""
        answer = await self._ask({"settings": settings, "cwd": cwd, "env": env})
        return Spawned(answer["pid"], answer["exited"])

    async def steps(self, blackbox: Path) -> dict[str, str]:
        """The step that each run of a dead worker was executing. Raises SpawnError."""
        found: dict[str, str] = (await self._ask({"read": str(blackbox)}))["steps"]
        return found

    async def exec(
        self, python: str, settings: dict[str, Any], cwd: str, env: dict[str, str]
    ) -> Spawned:
        """A worker as `python -m tako.worker`. Raises SpawnError."""
        try:
            process = await asyncio.create_subprocess_exec(
                python,
                *("-m", zygote.WORKER, json.dumps(settings)),
                cwd=cwd,
                env=os.environ | env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                start_new_session=True,
            )
        except OSError as error:
            raise SpawnError(f"{python} cannot be started: {error.strerror}") from None
        return Spawned(process.pid, asyncio.ensure_future(process.wait()))

    def close(self) -> None:
        """Let the zygote end."""
        if self._link is not None:
            self._link.close()
        elif self._handle is not None:
            self._handle.sock.close()
            _reap(self._handle.pid)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        link = self._link
        if link is None or link.closed:
            link = self._link = await self._connect()
        try:
            async with asyncio.timeout(_LATE):
                return await link.ask(request)
        except TimeoutError:
            raise SpawnError(f"the zygote did not answer within {_LATE:.0f} s") from None

    async def _connect(self) -> "_ZygoteLink":
        handle, self._handle = self._handle, None
        if handle is None:
            handle = zygote.launch(self._output)
        link = _ZygoteLink(handle.pid)
        loop = asyncio.get_running_loop()
        handle.sock.setblocking(False)
        sock = socket.socket(fileno=handle.sock.detach())
        await loop.create_unix_connection(lambda: link, sock=sock)
        return link


class _ZygoteLink(asyncio.Protocol):
    def __init__(self, pid: int) -> None:
        self.closed = False
        self._pid = pid
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._children: dict[int, asyncio.Future[int | None]] = {}
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._transport is not None
        self._number = number = self._number + 1  # another may ask before this one is answered
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._transport.write(encode_frame([(number, request)]))
            return await future
        finally:
            self._asked.pop(number, None)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._reader.feed(data):
                for number, message in _decoder.decode(body):
                    self._received(number, message)
        except (ProtocolError, msgspec.MsgspecError):
            _log.exception("the zygote does not make sense; a new one will be started")
            self.close()

    def _received(self, number: int, message: dict[str, Any]) -> None:
        if number == 0:
            exited = self._children.pop(message["exited"], None)
            if exited is not None and not exited.done():
                exited.set_result(message["status"])
            return
        if "pid" in message:  # at once: its exit may be the next message
            exited = asyncio.get_running_loop().create_future()
            self._children[message["pid"]] = message["exited"] = exited
        future = self._asked.get(number)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(SpawnError(message["error"]))
        else:
            future.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Its workers are nobody's children now: `Supervisor` watches them by their pidfd."""
        self.closed = True
        for future in self._asked.values():
            if not future.done():
                future.set_exception(SpawnError("the zygote died"))
        for exited in self._children.values():
            if not exited.done():
                exited.set_result(None)
        _reap(self._pid)

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()


def _reap(pid: int) -> None:
    """The zygote is our child and about to end; nobody waits for it."""
    import contextlib
    import threading

    def wait() -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)

    threading.Thread(target=wait, name="tako-reap", daemon=True).start()


def python_of(configured: str | None) -> str:
    """The interpreter that runs an app's workers."""
    return configured or sys.executable
