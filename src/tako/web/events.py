"""`GET /live?page=...&after=...`: the stream of events that keeps a page up to date."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tako.checks import LONGEST_ID
from tako.clock import monotonic
from tako.model import Role
from tako.web.live import TOPICS, Live, News, Stream, live_of
from tako.web.problems import Trouble
from tako.web.security import no_time_out
from tako.web.who import NotLoggedIn, Who, require, who_of

HEARTBEAT = 15.0  # s without news until a sign of life, for proxies and for the page (app.js)
THROTTLE = 0.75  # s between two events of one stream
_LIFE = 900.0  # s until a stream ends, and its person has to be known anew
_RETRY = 2_000  # ms until a browser comes back
_ALIVE = "event: alive\ndata:\n\n"
_FOR_ALL = ("inbox", "approval")  # of who is asked, though they may have no role


def routes() -> list[BaseRoute]:
    return [Route("/live", events, methods=["GET"])]


async def events(request: Request) -> Response:
    """``change`` with JSON: ``page``: fetch it again; ``inbox``: how many wait. Else ``alive``."""
    topic = request.query_params.get("page", "")
    kind, _, id_ = topic.partition(":")
    named = kind in ("run", "approval") and 1 <= len(id_) <= LONGEST_ID
    if topic not in TOPICS and not named:
        raise Trouble("bad_request", "page must be one of those that are live", field="page")
    who = await who_of(request, "page")
    if who is None:
        raise NotLoggedIn("nobody is logged in")
    if kind not in _FOR_ALL:
        require(who, Role.VIEWER)
    live_of(request).admit(who.actor.person)
    no_time_out(request.scope)
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    after = int(given) if given.isascii() and given.isdecimal() and len(given) < 16 else 0
    return _Events(live_of(request), who, topic, after)


class _Events(Response):
    """Lasts until the browser or the server ends it."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, who: Who, topic: str, after: int) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._who = who
        self._topic = topic
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        person = self._who.actor.person
        with self._live.listening(person, self._topic, self._after) as stream:
            gone = asyncio.ensure_future(_gone(receive, stream))
            try:
                await send(
                    {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                )
                await _send(send, f"retry: {_RETRY}\n\n")
                await self._tell(stream, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                gone.cancel()

    async def _tell(self, stream: Stream, send: Send) -> None:
        until = monotonic() + _LIFE
        while not stream.ended and monotonic() < until:
            news = await stream.next(HEARTBEAT)
            if not news:
                await _send(send, _ALIVE)
                continue
            await _send(send, await self._event(stream, news))
            await stream.rest(THROTTLE)

    async def _event(self, stream: Stream, news: News) -> str:
        count = await self._live.count(self._who.actor) if news.inbox else None
        data = msgspec.json.encode({"page": news.page, "inbox": count}).decode()
        return f"id: {stream.version}\nevent: change\ndata: {data}\n\n"


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _gone(receive: Receive, stream: Stream) -> None:
    """End the stream when the browser hangs up."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        stream.end()
