"""A server in this process, and peers that speak raw frames to it."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec

from tako.commands import (
    Claim,
    Claimed,
    ClaimedRun,
    Command,
    Enqueue,
    Get,
    Register,
    Registered,
    Responses,
    RunReply,
)
from tako.config import load_app
from tako.ids import new_id
from tako.model import Run, WorkflowInfo
from tako.server import Server
from tako.wire import FrameReader, encode_frame
from tests.support import AppFixture, make_app, wait_until

_decoder = msgspec.msgpack.Decoder(Responses)


_open: list["Peer"] = []


async def close_all() -> None:
    """Close the connections of a test that has ended."""
    while _open:
        _open.pop().close()
    await asyncio.sleep(0)


class Peer:
    """One connection. Replies are matched by number; pushes are kept in ``pushes``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.pushes: asyncio.Queue[Any] = asyncio.Queue()
        self.frames: list[list[tuple[int, Any]]] = []  # all that have come
        self.hung_up = asyncio.Event()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._listening = asyncio.create_task(self._listen())
        _open.append(self)

    @classmethod
    async def connect(cls, path: Path) -> "Peer":
        return cls(*await asyncio.open_unix_connection(str(path)))

    def send(self, *commands: Command) -> list["asyncio.Future[Any]"]:
        """All in one frame; a future for each reply."""
        loop = asyncio.get_running_loop()
        messages, futures = [], []
        for command in commands:
            self._number += 1
            future = self._replies[self._number] = loop.create_future()
            messages.append((self._number, command))
            futures.append(future)
        self.writer.write(encode_frame(messages))
        return futures

    async def ask(self, *commands: Command) -> Any:
        """The reply, or a list of them for several commands."""
        replies = await asyncio.gather(*self.send(*commands))
        return replies[0] if len(commands) == 1 else replies

    async def run(self, run_id: str) -> Run:
        reply = await self.ask(Get(run_id))
        assert isinstance(reply, RunReply), reply
        return reply.run

    async def register(self, worker_id: str = "w1", **changes: Any) -> Registered:
        fields: dict[str, Any] = {
            "pid": os.getpid(),
            "group": "default",
            "concurrency": 20,
            "workflows": [WorkflowInfo("hello")],
        }
        reply = await self.ask(Register(worker_id, **(fields | changes)))
        assert isinstance(reply, Registered), reply
        return reply

    async def claim_one(self) -> ClaimedRun:
        reply = await self.ask(Claim(1))
        assert isinstance(reply, Claimed)
        return reply.runs[0]

    async def quiet(self) -> None:
        """Return when all that was sent before has been answered, if it is answered at all."""
        await self.ask(Get("nothing"))

    def close(self) -> None:
        self._listening.cancel()
        self.writer.transport.abort()

    async def _listen(self) -> None:
        frames = FrameReader()
        while data := await self._read():
            for body in frames.feed(data):
                messages = _decoder.decode(body)
                self.frames.append(messages)
                for number, message in messages:
                    if number:
                        self._replies.pop(number).set_result(message)
                    else:
                        self.pushes.put_nowait(message)
        self.hung_up.set()

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(1 << 16)
        except ConnectionError:
            return b""


class Served:
    """A served app, and the peers connected to it."""

    def __init__(self, app: AppFixture, server: Server) -> None:
        self.app, self.server = app, server

    async def peer(self) -> Peer:
        return await Peer.connect(self.app.socket)

    async def worker(self, worker_id: str = "w1", **changes: Any) -> Peer:
        peer = await self.peer()
        await peer.register(worker_id, **changes)
        return peer

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What another program sees in the file now."""
        with closing(sqlite3.connect(f"file:{self.app.db}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()


HELLO = {
    "workflows/hello.py": """
        from tako import Step, workflow

        @workflow("hello")
        async def hello(payload: str, step: Step) -> str:
            return payload.upper()
    """
}


@asynccontextmanager
async def served(
    folder: Path, files: dict[str, str] | None = None, *, toml: str = "", told: bool = True
) -> AsyncIterator[Served]:
    """An app that is served by this process; its workers are real processes.

    ``told``: the worker that tells the code has come and gone.
    """
    app = make_app(folder, HELLO if files is None else files, toml=toml)
    server = Server([load_app(app.dir)])
    await server.start()
    try:
        if told:
            await wait_until(lambda: _code_was_read(server), what="that the code is known")
        yield Served(app, server)
    finally:
        await close_all()
        await server.stop(hurry=True)


def _code_was_read(server: Server) -> bool:
    """Whether the worker that tells what the code is has come and gone, or cannot come."""
    supervisor, catalogue = server.apps[0].supervisor, server.apps[0].catalogue
    reading = any(process.solo for process in supervisor.fleet.processes.values())
    return not reading and (not supervisor.unread or bool(catalogue.failures))


def enqueue(payload: str = '"x"', **changes: Any) -> Enqueue:
    fields: dict[str, Any] = {"workflow": "hello", "group": "default"}
    return Enqueue(new_id(), payload=payload, **(fields | changes))
