"""Stands between an app's server and everybody else, and strikes at one moment of what they say.

The server keeps its bound socket under another name; the proxy listens in its place. Every
command has a label ("SaveStep:load:ok", "Claim#2"); at the one that is asked for it calls
``strike``, either before the server has got the command or after the server has answered it but
before anybody has heard the answer.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from tako.commands import Await, Claim, Get, Heartbeat, Register, Requests, SaveStep
from tako.wire import FrameReader, encode_frame
from tests.support import PATIENCE

_requests = msgspec.msgpack.Decoder(Requests)
_replies = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw]])
_KEPT = 0.05  # s after which a claim is one that the server keeps
_ACCEPTING = 10  # turns of the loop in which a connection may still come up
_UNCOUNTED = (Heartbeat, Get)  # when they come is a matter of the clock


class Moment(NamedTuple):
    """``when``: "before" the server gets the command, or "after" it has executed it."""

    label: str
    when: str


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Proxy:
    """``strike`` is called once, at the moment; from then on the proxy only passes on."""

    def __init__(
        self,
        path: Path,
        moment: Moment | None = None,
        strike: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.seen: list[str] = []  # labels, as the commands came
        self.answered: set[str] = set()  # labels of those whose reply was passed on
        self.pids: list[int] = []  # of the workers that have registered
        self.struck = asyncio.Event()
        self.gone = asyncio.Event()
        self._path = path
        self._real = path.with_name("real.sock")
        self._moment = moment
        self._strike = strike
        self._counts: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._striking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._path.rename(self._real)
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        return self

    async def __aexit__(self, *error: object) -> None:
        for _ in range(_ACCEPTING):
            self.step_aside()
            await asyncio.gather(*self._conversations)
            await asyncio.sleep(0)

    def step_aside(self) -> None:
        """Listen no longer and hang up on everybody, as when the server dies."""
        self.gone.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    async def hit(self) -> None:
        """Strike, once. On return whoever is to die has been killed; the rest follows."""
        assert self._strike is not None
        if self._striking is None:
            self.struck.set()
            self._striking = asyncio.ensure_future(self._strike())
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Return when the strike, and all it does, is over."""
        await asyncio.wait_for(self.struck.wait(), PATIENCE)
        assert self._striking is not None
        await self._striking

    def label(self, command: Any) -> str:
        """Its name among all commands so far; "" if it is not counted."""
        if isinstance(command, _UNCOUNTED):
            return ""
        if isinstance(command, Register):
            self.pids.append(command.pid)
        kind = type(command).__name__
        if isinstance(command, SaveStep):
            kind = f"{kind}:{command.name}:{command.outcome}"
        self._counts[kind] += 1
        label = kind if self._counts[kind] == 1 else f"{kind}#{self._counts[kind]}"
        self.seen.append(label)
        return label

    def is_moment(self, label: str, when: str) -> bool:
        return self._moment == (label, when) and not self.struck.is_set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            await _Conversation(self, reader, writer).run(self._real)
        except OSError:
            pass  # one of the two is gone: the other will notice
        finally:
            self._conversations.discard(task)
            await closed(writer)


class _Conversation:
    """One connection of a client or a worker, and ours to the server on its behalf."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._labels: dict[int, str] = {}  # by request id
        self._awaited = 0  # the request whose answer nobody is to hear
        self._cut = asyncio.Event()  # the moment has come

    async def run(self, real: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(real)
        tasks = [
            asyncio.ensure_future(self._pass_requests(writer)),
            asyncio.ensure_future(self._pass_replies(reader)),
            asyncio.ensure_future(self._cut.wait()),
            asyncio.ensure_future(self._proxy.gone.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._cut.is_set():
                await self._proxy.hit()  # before either side can notice anything
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await closed(writer)

    async def _pass_requests(self, server: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        while data := await self._reader.read(65_536):
            for body in frames.feed(data):
                if not self._pass(_requests.decode(body), server):
                    await self._never()
            await server.drain()

    def _pass(self, messages: list[tuple[int, Any]], server: asyncio.StreamWriter) -> bool:
        """Send them on, or those up to the moment. False: nothing more is to be sent."""
        for at, (number, command) in enumerate(messages):
            label = self._labels[number] = self._proxy.label(command)
            if self._proxy.is_moment(label, "before"):
                self._send(messages[:at], server)
                self._cut.set()
                return False
            if self._proxy.is_moment(label, "after"):
                self._awaited = number
                if isinstance(command, Await):
                    continue  # its answer takes more of the same conversation
                if isinstance(command, Claim):  # the server may keep it for ever
                    asyncio.get_running_loop().call_later(_KEPT, self._cut.set)
                self._send(messages[: at + 1], server)
                return False
        self._send(messages, server)
        return True

    @staticmethod
    def _send(messages: list[tuple[int, Any]], to: asyncio.StreamWriter) -> None:
        if messages:
            to.write(encode_frame(messages))

    async def _never(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def _pass_replies(self, server: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await server.read(65_536):
            for body in frames.feed(data):
                replies = _replies.decode(body)
                if self._awaited and any(number == self._awaited for number, _ in replies):
                    self._cut.set()
                    return
                self._writer.write(encode_frame(replies))
                self._proxy.answered.update(self._labels.get(n, "") for n, _ in replies)
            await self._writer.drain()
