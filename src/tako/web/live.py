"""Pages are told that something has changed: `GET /live`, as server-sent events.

While somebody listens one `Watch` is open, and what it says goes to all streams. An event says
only that there is something new; the page fetches what it shows (static/app.js). Its id is the
version: a stream that was dropped comes back with it, and hears what it has missed.
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator

import msgspec
from starlette.requests import HTTPConnection

from tako.commands import Changes, Count, CountApprovals, Watch
from tako.errors import TakoError
from tako.model import Actor
from tako.web.engine import Engine
from tako.web.limits import TooMany

_log = logging.getLogger("tako.web")

PER_PERSON = 100
IN_ALL = 1_000
_LINGER = 10.0  # s that the watch goes on without listeners: people go from page to page
_AGAIN = 1.0  # s until the engine is asked again after it was away
_KEPT = 100  # changes, for streams that come back
_RENDERED = 200  # fragments, for others who look at the same

TOPICS = ("inbox", "runs", "workflows", "waiting", "system")  # and run:ID, approval:ID


class News(msgspec.Struct, frozen=True):
    """What a stream has to tell. ``page``: what it shows is new; ``inbox``: the count may be."""

    page: bool = False
    inbox: bool = False

    def __bool__(self) -> bool:
        return self.page or self.inbox


class Stream:
    """One open page that shows ``topic``: one of `TOPICS`, "run:ID" or "approval:ID"."""

    def __init__(self, topic: str, version: int) -> None:
        self.topic = topic
        self.version = version
        self.ended = False
        self._news = News()
        self._changed = asyncio.Event()
        self._over = asyncio.Event()

    def hear(self, changes: Changes) -> None:
        self.version = changes.version
        page = changes.more or _concerns(self.topic, changes)
        inbox = changes.more or bool(changes.approvals)
        if page or inbox:
            self._news = News(self._news.page or page, self._news.inbox or inbox)
            self._changed.set()

    def end(self) -> None:
        self.ended = True
        self._over.set()
        self._changed.set()

    async def next(self, within: float) -> News:
        """What is new; nothing after ``within`` seconds, or at the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within)
        if not self.ended:
            self._changed.clear()
        news, self._news = self._news, News()
        return news

    async def rest(self, seconds: float) -> None:
        """Tell nothing for so long, unless it ends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)


def _concerns(topic: str, changes: Changes) -> bool:
    kind, _, id_ = topic.partition(":")
    match kind:
        case "run":
            return id_ in changes.runs
        case "approval":
            return id_ in changes.approvals
        case "inbox":
            return bool(changes.approvals)
        case "runs" | "workflows":
            return bool(changes.runs)
    return True


class Live:
    """The streams of one app, and the `Watch` that feeds them.

    ``version`` is what was heard last; 0: nobody has listened for a while, so nothing is known.
    """

    def __init__(self, engine: Engine) -> None:
        self.version = 0
        self._engine = engine
        self._streams: set[Stream] = set()
        self._people: Counter[str] = Counter()
        self._log: deque[Changes] = deque(maxlen=_KEPT)
        self._watching: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        self._counts: dict[Actor, int] = {}
        self._rendered: dict[str, str] = {}

    def admit(self, person: str) -> None:
        """Raises TooMany: so many streams are open already, of this person or in all."""
        if self._people[person] >= PER_PERSON or len(self._streams) >= IN_ALL:
            raise TooMany(30)

    @contextlib.contextmanager
    def listening(self, person: str, topic: str, after: int) -> Iterator[Stream]:
        """A stream, for as long as somebody listens. ``after``: the version they have seen."""
        stream = Stream(topic, after)
        self._streams.add(stream)
        self._people[person] += 1
        self._wake(after)
        if self._closed:
            stream.end()
        elif after != self.version:
            stream.hear(self._since(after))
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._people -= Counter([person])
            self._rest_soon()

    async def count(self, actor: Actor) -> int:
        """How many approvals wait for this person; read once for each version."""
        found = self._counts.get(actor)
        if found is None:
            found = self._counts[actor] = await waiting_for(self._engine, actor)
        return found

    async def shared(self, key: str, render: Callable[[], Awaitable[str]]) -> str:
        """What ``render`` returns, once for each version; for what is the same for everybody."""
        found = self._rendered.get(key)
        if found is None:
            version = self.version
            found = await render()
            if version and version == self.version and len(self._rendered) < _RENDERED:
                self._rendered[key] = found
        return found

    def close(self) -> None:
        """End all streams; those who come now are sent away."""
        self._closed = True
        for stream in self._streams:
            stream.end()
        self._stop()

    # --- the watch

    def _wake(self, after: int) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._watching is None and not self._closed:
            self.version = after
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    def _rest_soon(self) -> None:
        if not self._streams and self._watching is not None and self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(_LINGER, self._stop)

    def _stop(self) -> None:
        self._resting = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self.version = 0
        self._forget()
        self._log.clear()

    async def _watch(self) -> None:
        while True:
            try:
                changes = await self._engine.ask(Watch(self.version), Changes)
            except TakoError:
                await asyncio.sleep(_AGAIN)  # it is away: what it says then includes what was
            except Exception:
                _log.exception("watching what changes went wrong; it is tried again")
                await asyncio.sleep(_AGAIN)
            else:
                if changes.version != self.version:
                    self._told(changes)

    def _told(self, changes: Changes) -> None:
        self.version = changes.version
        self._forget()
        if changes.more:
            self._log.clear()
        self._log.append(changes)
        for stream in self._streams:
            stream.hear(changes)

    def _forget(self) -> None:
        self._counts.clear()
        self._rendered.clear()

    def _since(self, after: int) -> Changes:
        """All that a stream has missed which heard ``after`` last."""
        versions = [changes.version for changes in self._log]
        if after not in versions:
            return Changes(self.version, more=True)
        missed = list(self._log)[versions.index(after) + 1 :]
        runs = {run for changes in missed for run in changes.runs}
        approvals = {approval for changes in missed for approval in changes.approvals}
        return Changes(self.version, tuple(runs), tuple(approvals))


async def waiting_for(engine: Engine, actor: Actor) -> int:
    """How many open approvals wait for this person."""
    return (await engine.read(CountApprovals(actor.person, actor.groups), Count)).count


def live_of(request: HTTPConnection) -> Live:
    live: Live = request.app.state.live
    return live
