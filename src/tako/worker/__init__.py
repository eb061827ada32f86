"""A worker process: `main` runs one until it is idle, told to go, or left by the server."""

import asyncio
import gc
import os
import sys
from pathlib import Path

import msgspec

from tako.discovery import Discovery, discover
from tako.ids import new_id
from tako.worker.loop import new_loop
from tako.worker.notify import with_notify
from tako.worker.output import finish_output, prefix_output
from tako.worker.process import Worker
from tako.worker.settings import WorkerSettings

__all__ = ["WorkerSettings", "main"]


def main(settings: WorkerSettings) -> None:
    """Be a worker, and return when all is done.

    Raises SystemExit: with 1 if the server refused it, 69 if the server stayed away. Ends the
    process itself when threads are left that nobody can stop.
    """
    prefix_output()
    os.chdir(settings.app_dir)
    settings = _named(settings)
    found = with_notify(discover(Path(settings.app_dir)), settings.group)
    gc.freeze()  # what is loaded stays: no collection need look at it
    loop = new_loop()
    asyncio.set_event_loop(loop)
    try:
        worker = loop.run_until_complete(_make(settings, found))
        status = _run_through(loop, worker)
    finally:
        finish_output()
    if worker.has_strays:
        os._exit(status)
    loop.close()
    if status:
        sys.exit(status)


def _named(settings: WorkerSettings) -> WorkerSettings:
    """With this process's id where the spawner could not know it."""
    pid = str(os.getpid())
    blackbox = settings.blackbox
    return msgspec.structs.replace(
        settings,
        worker_id=settings.worker_id.replace("{pid}", pid) or f"{pid}-{new_id()}",
        blackbox=None if blackbox is None else blackbox.replace("{pid}", pid),
    )


async def _make(settings: WorkerSettings, found: Discovery) -> Worker:
    return Worker(settings, found)


def _run_through(loop: asyncio.AbstractEventLoop, worker: Worker) -> int:
    """A task of the user's that ends with SystemExit stops the loop: it goes on."""
    running = loop.create_task(worker.run())
    while not running.done():
        try:
            loop.run_until_complete(running)
        except (SystemExit, KeyboardInterrupt):
            continue
    return running.result()
