"""Threads for plain functions: one pool for handlers and one for steps, so that neither starves
the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


class Pool:
    """Threads that run plain functions for coroutines, with the caller's context variables."""

    def __init__(
        self, name: str, size: int, on_stray: Callable[["Future[Any]"], None] | None = None
    ) -> None:
        self._on_stray = on_stray
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=f"tako-{name}")
        self._strays: set[Future[Any]] = set()

    @property
    def strays(self) -> int:
        """Threads that still run something nobody waits for any more."""
        return len(self._strays)

    async def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """What ``fn(*args)`` returns or raises, whatever it is, StopIteration and SystemExit too.

        When the caller is cancelled, the thread is left to itself: nothing can stop it.
        """
        work = self._executor.submit(copy_context().run, _guarded, fn, args)
        try:
            value, error = await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.done():
                self._strays.add(work)
                work.add_done_callback(self._strays.discard)
                if self._on_stray is not None:
                    self._on_stray(work)
            raise
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Let idle threads end; does not wait for the others."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _guarded(fn: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    """A pair, because a future does not take every exception."""
    try:
        return fn(*args), None
    except StopIteration as error:  # would end whoever awaits it
        own = RuntimeError(f"{getattr(fn, '__qualname__', fn)} raised StopIteration")
        own.__cause__ = error
        return None, own
    except BaseException as error:
        return None, error
