"""Frames on the unix socket, and the link that keeps a conversation over reconnects.

A frame is four bytes of length, big-endian, then a msgpack list of (request id, message) pairs.
All that is sent in one turn of the event loop leaves as one frame. Pushes have request id 0.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tako.clock import monotonic
from tako.commands import Command, Error, Push, Reply, Responses
from tako.errors import ProtocolError, TakoError, Unavailable, from_reply

if TYPE_CHECKING:
    from pathlib import Path

MAX_FRAME = 64 * 1024 * 1024
_HEADER = 4
_FIRST_DELAY, _LAST_DELAY = 0.02, 0.5  # s between attempts to reconnect
_LASTED = 1.0  # s after which a connection was a real one, though nothing came over it

_encoder = msgspec.msgpack.Encoder()
_responses = msgspec.msgpack.Decoder(Responses)


def encode_frame(messages: list[tuple[int, Any]]) -> bytes:
    """One frame with all of ``messages``. Raises ProtocolError: too large, or no text."""
    frame = bytearray(_HEADER)
    try:
        _encoder.encode_into(messages, frame, _HEADER)
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise ProtocolError(f"a text cannot be sent: {error}") from None
    size = len(frame) - _HEADER
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size} bytes is over the limit of {MAX_FRAME}")
    frame[:_HEADER] = size.to_bytes(_HEADER, "big")
    return bytes(frame)


def error_of(reply: Error) -> TakoError:
    """What an `Error` is to who asked."""
    detail = None if reply.detail is None else msgspec.json.decode(reply.detail, type=dict)
    return from_reply(reply.code, reply.message, detail)


class FrameReader:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete now. Raises ProtocolError on an impossible length."""
        buffer = self._buffer
        buffer += data
        bodies, start = [], 0
        while len(buffer) - start >= _HEADER:
            size = int.from_bytes(buffer[start : start + _HEADER], "big")
            if not 0 < size <= MAX_FRAME:
                raise ProtocolError(f"a frame announces {size} bytes; this is not tako's protocol")
            end = start + _HEADER + size
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[start + _HEADER : end]))
            start = end
        if start:
            del buffer[:start]
        return bodies


class _Connection(asyncio.Protocol):
    def __init__(self, link: "Link") -> None:
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = link._loop.create_future()
        self._link = link
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._reader.feed(data):
                self._link._received(_responses.decode(body))
        except (ProtocolError, msgspec.MsgspecError):
            assert self.transport is not None
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        self._link._lost(self)


class Link:
    """One conversation with the server, over as many connections as it takes.

    A request is sent again after a reconnect until its reply has come, which every command
    bears; only when the server stays away for ``patience`` seconds do the requests fail with
    `Unavailable`, and ``on_gone`` is called. ``hello`` runs on each new connection before anything
    else is sent.
    Belongs to the event loop it is created in.
    """

    def __init__(
        self,
        path: "Path",
        *,
        patience: float,
        hello: Callable[["Link"], Awaitable[None]] | None = None,
        on_push: Callable[[Push], None] | None = None,
        on_gone: Callable[[TakoError], None] | None = None,
    ) -> None:
        self.path = path
        self.patience = patience
        self._hello = hello
        self._on_push = on_push
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, tuple[Command, asyncio.Future[Reply]]] = {}
        self._outbox: list[tuple[int, Command]] = []
        self._flushing = False
        self._next_id = 1
        self._connection: _Connection | None = None
        self._ready = False  # connected, and hello has been said
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False
        self._away_since: float | None = None  # since when nobody has answered
        self._connected_at = 0.0
        self._delay = 0.0  # s until the next attempt

    def request(self, command: Command) -> "asyncio.Future[Reply]":
        """Send a command; the future has the reply, or raises what an `Error` reply stands for."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self._closed:
            future.set_exception(Unavailable(f"the connection to {self.path} is closed"))
            return future
        number = self._next_id
        self._next_id = number + 1
        self._pending[number] = (command, future)
        if self._ready:
            self._send(number, command)
        elif self._connecting is None:
            self._start_connecting()
        return future

    async def say_first(self, command: Command) -> Reply:
        """For ``hello``: a request that goes out before all that waits for the connection."""
        number = self._next_id
        self._next_id = number + 1
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._pending[number] = (command, future)
        self._send(number, command)
        try:
            return await future
        finally:
            self._pending.pop(number, None)

    async def settle(self, timeout: float) -> None:
        """Return when every request has its reply, or after ``timeout`` seconds."""
        if self._pending:
            await asyncio.wait([reply for _, reply in self._pending.values()], timeout=timeout)

    def close(self) -> None:
        """Send what is in the outbox and close; open requests fail with `Unavailable`."""
        if not self._closed:
            self._flush()
            self._closed = True
            if self._connecting is not None:
                self._connecting.cancel()
            if self._connection is not None and self._connection.transport is not None:
                self._connection.transport.close()
            self._fail_all(Unavailable(f"the connection to {self.path} was closed"))

    @property
    def connected(self) -> bool:
        """Whether somebody is there who will answer, be it slowly."""
        return self._ready

    @property
    def closed(self) -> bool:
        return self._closed

    def _send(self, number: int, command: Command) -> None:
        self._outbox.append((number, command))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        outbox, self._outbox = self._outbox, []
        connection = self._connection
        if outbox and connection is not None and connection.transport is not None:
            try:
                connection.transport.write(encode_frame(outbox))
            except ProtocolError as error:
                self._refuse(outbox, error)

    def _refuse(self, outbox: list[tuple[int, Command]], error: ProtocolError) -> None:
        if len(outbox) > 1:  # together too large: each for itself
            assert self._connection is not None and self._connection.transport is not None
            for item in outbox:
                try:
                    self._connection.transport.write(encode_frame([item]))
                except ProtocolError as own:
                    self._settle(item[0], error=own)
        else:
            self._settle(outbox[0][0], error=error)

    def _received(self, messages: list[tuple[int, Any]]) -> None:
        self._away_since = None
        pending = self._pending
        for number, message in messages:
            if number == 0:
                if self._on_push is not None:
                    self._on_push(message)
                continue
            entry = pending.pop(number, None)
            if entry is None or entry[1].done():
                continue
            if type(message) is Error:
                entry[1].set_exception(error_of(message))
            else:
                entry[1].set_result(message)

    def _settle(self, number: int, *, error: TakoError) -> None:
        entry = self._pending.pop(number, None)
        if entry is not None and not entry[1].done():
            entry[1].set_exception(error)

    def _lost(self, connection: _Connection) -> None:
        if connection is not self._connection:
            return
        self._connection, self._ready, self._outbox = None, False, []
        wanted = self._pending or self._hello is not None
        if not wanted or monotonic() - self._connected_at > _LASTED:
            self._away_since = None
        if wanted and not self._closed and self._connecting is None:
            self._start_connecting()

    def _start_connecting(self) -> None:
        # In an empty context: it is not the business of whoever happened to need the link first.
        self._connecting = self._loop.create_task(self._connect(), context=Context())

    async def _connect(self) -> None:
        try:
            await self._keep_trying()
        except TakoError as error:
            self._away_since = None
            self._fail_all(error)
            if self._on_gone is not None:
                self._on_gone(error)
        finally:
            self._connecting = None
        if self._connection is None and self._pending and not self._closed:
            self._start_connecting()  # lost again meanwhile

    async def _keep_trying(self) -> None:
        if self._away_since is None:
            self._away_since, self._delay = monotonic(), 0.0
        why: Exception = Unavailable("it hangs up")
        while not self._closed:
            if monotonic() + self._delay > self._away_since + self.patience:
                raise _unavailable(self.path, why) from None
            await asyncio.sleep(self._delay)
            self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LAST_DELAY)
            try:
                return await self._connect_once()
            except OSError as error:  # Unavailable is one
                why = error

    async def _connect_once(self) -> None:
        _, connection = await self._loop.create_unix_connection(
            lambda: _Connection(self), str(self.path)
        )
        self._connection, self._connected_at = connection, monotonic()
        if self._hello is not None:
            hello = asyncio.ensure_future(self._hello(self))
            await asyncio.wait([hello, connection.lost], return_when=asyncio.FIRST_COMPLETED)
            if not hello.done():
                hello.cancel()
                raise Unavailable("it hung up")
            hello.result()
        self._ready = True
        for number, (command, _) in list(self._pending.items()):
            self._send(number, command)

    def _fail_all(self, error: TakoError) -> None:
        pending, self._pending = self._pending, {}
        for _, future in pending.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # who has stopped listening need not hear of it


def _unavailable(path: "Path", error: Exception) -> Unavailable:
    return Unavailable(
        f"no tako server answers at {path} ({error}): start one with `tako dev` or `tako server`"
    )
