"""What is typed into the terminal of `tako dev`, or comes through a pipe, line by line."""

import asyncio
import os
import select
import sys
import threading
import time
from collections.abc import Callable

_LOOK_AGAIN = 1.0  # s, while another program has the terminal


def follow(on_line: Callable[[str], None]) -> None:
    """Call ``on_line`` with each line, on the running event loop, until stdin ends.

    On a thread of its own: an event loop makes what it reads non-blocking, and a terminal is
    shared with all who write to it.
    """
    if sys.stdin is None:  # closed: its number may be another file's by now
        return
    loop = asyncio.get_running_loop()
    say = lambda line: loop.call_soon_threadsafe(on_line, line)  # noqa: E731
    threading.Thread(target=_read, args=(0, say), name="tako-typed", daemon=True).start()


def _read(fd: int, say: Callable[[str], object]) -> None:
    rest = b""
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    try:
        while True:
            ready.poll()
            if not _is_ours(fd):
                time.sleep(_LOOK_AGAIN)
                continue
            data = os.read(fd, 4096)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                say(line.decode(errors="replace").strip())
    except (OSError, RuntimeError):  # the terminal is gone, or the loop has ended
        return


def _is_ours(fd: int) -> bool:
    """Whether we are in the foreground: who reads a terminal from behind is stopped."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # no terminal, or not the one that controls us
