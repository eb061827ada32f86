"""`step.log`: to `logging`, as any logger, and from INFO on to what is kept with the run.

Lines wait for the next command of their run and go with it in one frame; alone only if there is
none for a second. Nothing waits for them, and a run that logs nothing pays nothing for it.
"""

import logging
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from tako.checks import LOG_BYTES, LOG_LINES
from tako.model import LogLine

if TYPE_CHECKING:
    import asyncio

    from tako.commands import Command, Reply
    from tako.worker.replay import Pass

_LONGEST = 4 * 1024  # bytes of one message: a longer one loses its middle
_CUT = " [...] "
_SOON = 1.0  # s that a line waits for a command to go with
_TEXT = logging.Formatter("%(message)s")


class Requests(Protocol):
    """What a pass needs of its link to the server."""

    @property
    def closed(self) -> bool: ...

    def request(self, command: "Command") -> "asyncio.Future[Reply]": ...


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the run's id before each message, and into ``extra`` as ``run_id``."""

    def __init__(self, pass_: "Pass") -> None:
        run = pass_.run
        super().__init__(logging.getLogger(f"tako.run.{run.workflow}"), {"run_id": run.id})
        self._lines = _Lines(pass_)

    if not TYPE_CHECKING:  # a type checker says it by itself

        def __call__(self, *args: object, **kwargs: object) -> None:
            """Raises TypeError: it is a logger, as in other engines it may be a function."""
            raise TypeError("step.log is a logger, not a function: write step.log.info(...)")

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, Any]:
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"[{extra.get('run_id')}] {msg}", kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As of `logging`, and kept with the run if ``level`` is INFO or above."""
        if level >= logging.INFO:
            self._lines.add(level, _text(msg, args, kwargs))
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # who called us, not this line
        super().log(level, msg, *args, **kwargs)


def _text(msg: object, args: tuple[object, ...], kwargs: Mapping[str, Any]) -> str:
    """The message with the text of its exception, if it has one; never raises."""
    info: Any = kwargs.get("exc_info")
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif info and not isinstance(info, tuple):
        import sys

        info = sys.exc_info()
    try:
        record = logging.LogRecord("", 0, "", 0, msg, args, info or None)
        text = _TEXT.format(record)
    except Exception:  # `logging` itself says on stderr what is wrong with it
        text = f"{msg!r} {args!r}"
    return _cut(text)


def _cut(text: str) -> str:
    """At most `_LONGEST` bytes of UTF-8; of an exception the end says the most."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > _LONGEST:
        half = (_LONGEST - len(_CUT)) // 2
        data = data[:half] + _CUT.encode() + data[-half:]
    return data.decode("utf-8", "ignore")


class _Lines:
    """Lines of one pass that have not been sent. They come from any thread, and leave on the loop.

    Beyond what is kept of a run none is sent, but one: so that it is known that there were more.
    """

    def __init__(self, pass_: "Pass") -> None:
        self._pass = pass_
        self._lock = threading.Lock()
        self._lines: list[LogLine] = []
        self._last = self._count = self._size = 0
        self._listening = False

    def add(self, level: int, text: str) -> None:
        with self._lock:
            if self._count > LOG_LINES or self._size > LOG_BYTES:
                return
            self._count, self._size = self._count + 1, self._size + len(text.encode())
            self._last = max(self._last + 1, time.time_ns() // 1000)
            at, attempt = self._last // 1000, self._pass.run.attempt
            name = logging.getLevelName(level)
            self._lines.append(LogLine(self._last, at, name, text, attempt))
            first = len(self._lines) == 1
        if first:
            self._send_soon()

    def _send_soon(self) -> None:
        services = self._pass.services
        if threading.get_ident() == services.thread:
            self._wait()
        elif not services.loop.is_closed():  # a thread that was left to itself may outlive it
            services.loop.call_soon_threadsafe(self._wait, context=services.context)

    def _wait(self) -> None:
        services = self._pass.services
        if not self._listening:
            self._listening = True
            self._pass.link = _WithLines(self._pass.link, self)
        services.loop.call_later(_SOON, self._late, context=services.context)

    def _late(self) -> None:
        if not self._pass.over:
            self.send(self._pass.link)

    def take(self) -> list[LogLine]:
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

    def send(self, link: Requests) -> None:
        """Nobody waits for the reply: of a run that is not ours any more they are dropped."""
        lines = self.take()
        if lines:
            from tako.commands import Log

            run = self._pass.run
            reply = link.request(Log(run.id, run.lease_id, lines))
            reply.add_done_callback(lambda done: done.cancelled() or done.exception())


class _WithLines:
    """A link that sends the lines before each command."""

    def __init__(self, link: Requests, lines: _Lines) -> None:
        self._link = link
        self._lines = lines

    @property
    def closed(self) -> bool:
        return self._link.closed

    def request(self, command: "Command") -> "asyncio.Future[Reply]":
        self._lines.send(self._link)
        return self._link.request(command)
