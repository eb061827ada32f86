"""One link for each event loop and app, and the thread on which the synchronous twins run.

Links end with their loop. A forked child starts with none: what it inherited is kept referenced
and untouched, because closing it would reach into the parent's connections.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tako.commands import Await, Reply
from tako.wire import Link

if TYPE_CHECKING:
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")


class _LoopLinks:
    """The links of one event loop, and the ends of runs that are awaited over them."""

    def __init__(self) -> None:
        self._links: dict[tuple[Path, float], Link] = {}
        self._ends: dict[tuple[Link, str], asyncio.Future[Reply]] = {}
        self._guard = self._until_the_loop_ends()
        # A loop that shuts down closes the generators that were started in it: our only notice.
        with suppress(StopIteration):
            self._guard.__anext__().send(None)

    def link(self, path: "Path", patience: float) -> Link:
        found = self._links.get((path, patience))
        if found is None or found.closed:
            found = self._links[path, patience] = Link(path, patience=patience)
        return found

    def end(self, link: Link, run_id: str) -> "asyncio.Future[Reply]":
        """One `Await` for a run, however many wait for it or have given up waiting."""
        key = (link, run_id)
        future = self._ends.get(key)
        if future is None:
            future = self._ends[key] = link.request(Await(run_id))
            future.add_done_callback(lambda done: self._ended(key, done))
        return future

    def _ended(self, key: tuple[Link, str], done: "asyncio.Future[Reply]") -> None:
        self._ends.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: all who waited may have given up

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            _of_loop.pop(asyncio.get_running_loop(), None)
            for link in self._links.values():
                link.close()
            await asyncio.sleep(0)  # the transports close in the next turn


_of_loop: dict[asyncio.AbstractEventLoop, _LoopLinks] = {}
_inherited: list[object] = []


def links() -> _LoopLinks:
    """Those of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        for old in [old for old in _of_loop if old.is_closed()]:  # without a clean shutdown
            del _of_loop[old]
        found = _of_loop[loop] = _LoopLinks()
    return found


class _Portal:
    """A daemon thread with an event loop of its own."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="tako-sync", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a _sync function was called on tako's own thread: await its twin")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # a Ctrl-C: nobody waits for it any more
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=2)

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop.wait()


_portal: _Portal | None = None
_lock = threading.Lock()


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on the background thread and return what it returns."""
    global _portal
    with _lock:
        if _portal is None:
            _portal = _Portal()
    return _portal.run(work)


def blocking(fn: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The twin of ``fn``, with `_sync` in its name: on the background thread, and waits for it."""

    @wraps(fn)
    def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_sync(fn(*args, **kwargs))

    twin.__name__ = twin.__qualname__ = f"{fn.__name__}_sync"
    twin.__doc__ = f"Like `{fn.__name__}`, blocking."
    return twin


@atexit.register
def _close() -> None:
    global _portal
    with _lock:
        portal, _portal = _portal, None
    if portal is not None:
        portal.close()


def _forked() -> None:
    global _of_loop, _portal, _lock
    _inherited.append((_of_loop, _portal))
    _of_loop, _portal, _lock = {}, None, threading.Lock()


os.register_at_fork(after_in_child=_forked)
