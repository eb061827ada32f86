"""``python -m tako.web FD``: the HTTP doors of an app, in a process of their own.

Its server opens the socket FD, sends the app's settings by standard input, and holds that open for
as long as it wants us: so we end with it, however it ends. What is logged goes to standard output,
a JSON array a line: the server logs it.
"""

import asyncio
import gc
import logging
import os
import pickle
import socket
import sys

import msgspec

from tako.config import AppConfig
from tako.web.serving import serve

_NICE = 5  # where there is not enough time for both, runs go on first


class _ToServer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        line = msgspec.json.encode((record.name, record.levelno, self.format(record)))
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


async def _until_let_go(config: AppConfig, fd: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    loop.add_reader(sys.stdin, let_go)
    with socket.socket(fileno=fd) as listening:
        await serve(config, listening, stop)


def main() -> None:
    os.nice(_NICE)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_ToServer()])
    config: AppConfig = pickle.load(sys.stdin.buffer)
    gc.freeze()  # to look through what is loaded held up all pages for 28 ms, now and then
    gc.set_threshold(50_000, 20, 100)
    try:
        # Not uvloop: it writes at the end of a turn, so of ten pages the first waits for the last.
        asyncio.run(_until_let_go(config, int(sys.argv[1])))
    except Exception:
        logging.getLogger("tako.web").exception("app %s: HTTP has failed", config.name)
        sys.exit(1)


main()
