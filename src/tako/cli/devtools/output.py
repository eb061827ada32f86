"""One stream of lines from many processes, each line after the name of who wrote it."""

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable

_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_WORKER = re.compile(r"\[worker (\d+)\] ?")
_WORKERS, _SERVER = 90, 37  # grey, white
_LONGEST = 65_536  # bytes of a line that has not ended


class Printer:
    """Writes lines to stdout; ``on_closed`` is called if nobody reads it any more."""

    def __init__(self, names: list[str]) -> None:
        self._width = max(len(name) for name in [*names, "worker 00000"])
        self._colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
        self._colours["server"] = _SERVER
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.on_closed: Callable[[], None] = lambda: None

    def line(self, name: str, text: str) -> None:
        """Print one line of ``name``."""
        label = f"{name:<{self._width}} |"
        if self._coloured:
            label = f"\x1b[{self._colours.get(name, _WORKERS)}m{label}\x1b[0m"
        try:
            print(label, text, flush=True)
        except (OSError, ValueError):  # a pipe that was closed, a terminal that is gone
            self.on_closed()

    def worker_line(self, text: str) -> None:
        """Print a line of the workers' common output, where each says which one it is."""
        found = _WORKER.match(text)
        if found:
            self.line(f"worker {found[1]}", text[found.end() :])
        else:
            self.line("worker", text)


class LogLines(logging.Handler):
    """What the server logs, as lines of "server"."""

    def __init__(self, printer: Printer) -> None:
        super().__init__()
        self._printer = printer
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        mark = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        for line in (mark + self.format(record)).splitlines():
            self._printer.line("server", line)


class LineProtocol(asyncio.Protocol):
    """Cuts what comes out of a pipe into lines of text; a last one without an end counts too."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._say(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._say(self._rest)

    def _say(self, line: bytes) -> None:
        self._on_line(line.decode(errors="replace").rstrip("\r"))


async def read_lines(fd: int, on_line: Callable[[str], None]) -> asyncio.BaseTransport:
    """Call ``on_line`` with each line that comes out of the pipe ``fd``, which is taken over."""
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(fd, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: LineProtocol(on_line), pipe)
    return transport
