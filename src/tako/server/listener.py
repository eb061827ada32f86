"""The socket of one app: who may speak, and bytes cut into commands.

A peer that sends what is not ours is hung up on, with one line in the log; nobody else notices.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import msgspec

from tako.commands import Claimed, ClaimedRun, ClientCommand, Command, Error, WorkerCommand
from tako.errors import ConfigError, ProtocolError
from tako.wire import FrameReader, encode_frame

_log = logging.getLogger("tako.server")

_PATH_LIMIT = 107  # bytes: what the kernel keeps for the name of a unix socket
_HIGH_WATER = 1024 * 1024  # bytes a peer may leave unread before we stop reading from it
_BACKLOG = 1024
_requests = msgspec.msgpack.Decoder(
    list[tuple[Annotated[int, msgspec.Meta(gt=0)], ClientCommand | WorkerCommand]]
)


class Hub(Protocol):
    """What the peers of an app report to."""

    def joined(self, peer: "Peer") -> None: ...

    def received(self, peer: "Peer", requests: list[tuple[int, Command]]) -> None: ...

    def give_back(self, runs: list[ClaimedRun]) -> None: ...

    def choked(self, peer: "Peer") -> None: ...

    def unchoked(self, peer: "Peer") -> None: ...

    def gone(self, peer: "Peer") -> None: ...


class Peer(asyncio.Protocol):
    """One connection. What is put into ``outbox`` leaves as one frame with `flush`."""

    def __init__(self, hub: Hub) -> None:
        self.outbox: list[tuple[int, Any]] = []
        self.pid = 0
        self.closed = False
        self.worker_id: str | None = None  # once it has registered as a worker
        self.early: list[tuple[int, int]] = []  # claims sent together with the registration
        self._hub = hub
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit
        self.pid, uid = _credentials(self._transport)
        if uid not in (os.geteuid(), 0):
            self.hang_up(f"user {uid} may not use it")
            return
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._hub.joined(self)

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        try:
            for body in self._reader.feed(data):
                self._hub.received(self, _requests.decode(body))  # type: ignore[arg-type]
        except (ProtocolError, msgspec.MsgspecError, RecursionError) as error:
            self.hang_up(f"not tako's protocol: {error}")

    def pause_writing(self) -> None:
        self._hub.choked(self)

    def resume_writing(self) -> None:
        self._hub.unchoked(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._hub.gone(self)

    def pause(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def flush(self) -> None:
        """Send the outbox."""
        outbox, self.outbox = self.outbox, []
        if outbox and not self.closed:
            assert self._transport is not None
            try:
                self._transport.write(encode_frame(outbox))
            except ProtocolError as error:
                self._split(outbox, error)

    def _split(self, outbox: list[tuple[int, Any]], error: ProtocolError) -> None:
        """Together too large for a frame: two halves; one that is too large alone is refused."""
        if len(outbox) == 1:
            self.outbox = [(outbox[0][0], self._smaller(outbox[0][1], error))]
            self.flush()
            return
        middle = len(outbox) // 2
        for half in (outbox[:middle], outbox[middle:]):
            self.outbox = half
            self.flush()

    def _smaller(self, reply: Any, error: ProtocolError) -> Claimed | Error:
        """Of many large runs the worker gets half now: it asks again, as it has places left."""
        if type(reply) is not Claimed or len(reply.runs) < 2:
            return Error("protocol", f"the reply is too large: {error}")
        middle = len(reply.runs) // 2
        self._hub.give_back(reply.runs[middle:])
        return Claimed(reply.runs[:middle])

    def close(self) -> None:
        """Hang up once everything that was written has left."""
        if self._transport is not None:
            self._transport.close()

    def hang_up(self, why: str) -> None:
        """Hang up at once."""
        _log.warning("hung up on process %d: %s", self.pid, why)
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


def _credentials(transport: asyncio.Transport) -> tuple[int, int]:
    """Process and user on the other end, as the kernel knows them."""
    sock = transport.get_extra_info("socket")
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("3i", packed)
    return pid, uid


class Listener:
    """The socket file, 0600. Raises ConfigError if its path is too long for a socket."""

    def __init__(self, path: Path, hub: Hub) -> None:
        size = len(os.fsencode(path))
        if size > _PATH_LIMIT:
            raise ConfigError(
                f"the path of the socket, {path}, has {size} bytes; at most {_PATH_LIMIT} are "
                "possible: set a shorter data_dir in tako.toml or TAKO_DATA_DIR"
            )
        self.path = path
        self._hub = hub
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. A socket file left by a server that died is replaced: we hold the lock."""
        self.path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(os.fsencode(self.path))
        self.path.chmod(0o600)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Peer(self._hub), sock=sock, backlog=_BACKLOG
        )

    def close(self) -> None:
        """Take no new connections and remove the file."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
