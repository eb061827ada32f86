"""The event loop of a worker: it tells a pass of what its tasks have going outside of them.

A pending call into a thread, or a deadline such as `asyncio.timeout`, does not show in what a task
awaits. A run that has one is busy.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from tako.worker.context import current_pass, mark_primitives, task_factory

try:
    import uvloop

    _Base: Any = uvloop.Loop
except ImportError:  # not on this platform
    _Base = asyncio.SelectorEventLoop


class WorkerLoop(_Base):  # type: ignore[misc]
    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        pass_ = current_pass.get()
        if pass_ is not None:
            pass_.outside += 1
            future.add_done_callback(lambda _: _back(pass_))
        return future

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return _noted(super().call_at(when, callback, *args, **kw), callback)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return _noted(super().call_later(delay, callback, *args, **kw), callback)


def new_loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = WorkerLoop()
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]
    mark_primitives()
    return loop


def _back(pass_: Any) -> None:
    pass_.outside -= 1
    pass_.parking.step_done()


def _noted(handle: asyncio.TimerHandle, callback: Callable[..., Any]) -> asyncio.TimerHandle:
    pass_ = current_pass.get()
    if pass_ is not None and _is_deadline(callback):
        pass_.note_deadline(handle)
    return handle


def _is_deadline(callback: Callable[..., Any]) -> bool:
    owner = getattr(callback, "__self__", None)
    if owner is None:  # as_completed(timeout=)
        return getattr(callback, "__qualname__", "") == "as_completed.<locals>._on_timeout"
    return type(owner).__module__ in _DEADLINES or isinstance(owner, _OPENED_LATER)


_DEADLINES = {"asyncio.timeouts", "async_timeout", "anyio._backends._asyncio"}
_OPENED_LATER = (asyncio.Event, asyncio.Queue, asyncio.Semaphore)  # call_later(5, event.set)
