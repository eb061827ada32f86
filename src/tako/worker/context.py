"""Which pass a piece of code belongs to: by context variable, task factory, and a mark on locks."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tako.worker.replay import Pass

current_pass: "ContextVar[Pass | None]" = ContextVar("tako_pass", default=None)
current_body: ContextVar[str | None] = ContextVar("tako_body", default=None)
"""The name of the step whose body this is."""

_MARK = "_tako_pass"


def task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: "Coroutine[Any, Any, Any]",
    context: Context | None = None,
    **options: Any,
) -> "asyncio.Task[Any]":
    """Every task that is made while a handler runs is a task of its run."""
    task = asyncio.Task(coro, loop=loop, context=context, **options)
    pass_ = current_pass.get() if context is None else context.get(current_pass)
    if pass_ is not None:
        pass_.adopt(task)
    return task


def mark_primitives() -> None:
    """Let asyncio's locks and queues remember the pass they were made in, from now on."""
    for cls in (asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.Queue):
        cls.__init__ = _marking(cls.__init__)  # type: ignore[method-assign]


def made_by(primitive: object) -> object:
    """The pass that ``primitive`` was made in; None if it was made elsewhere."""
    return getattr(primitive, _MARK, None)


def _marking(init: Callable[..., None]) -> Callable[..., None]:
    if getattr(init, _MARK, False):  # marked before: a second worker in this process
        return init

    @wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        init(self, *args, **kwargs)
        pass_ = current_pass.get()
        if pass_ is not None:
            setattr(self, _MARK, pass_)

    setattr(__init__, _MARK, True)
    return __init__
