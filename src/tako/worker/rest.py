"""Whether a task of a run does nothing but wait for something else of its own run.

A task is at rest when its innermost await is one of the run's waits, another task of the run, or
asyncio's own gather, wait, as_completed, TaskGroup, lock or queue (those made in this run: others
may be opened by anybody). Anything else is busy: a run that is wrongly called busy stays in memory,
one wrongly called at rest would lose work.
"""

import asyncio
import gc
from types import CodeType
from typing import Any

from tako.worker.context import made_by

Future = asyncio.Future[Any]


class WaitFuture(asyncio.Future[Any]):
    """What a wait of a run blocks on."""


def at_rest(task: "asyncio.Task[Any]", tasks: "set[asyncio.Task[Any]]", owner: object) -> bool:
    """Whether ``task``, one of the ``tasks`` of ``owner``, waits only for its own run."""
    future = getattr(task, "_fut_waiter", None)
    if future is None:  # it runs, or is about to
        return False
    return _settled_by_run(future, tasks) or _in_asyncio(task, future, tasks, owner)


def _settled_by_run(future: Any, tasks: "set[asyncio.Task[Any]]") -> bool:
    if future.done():  # the task is about to go on
        return False
    if isinstance(future, WaitFuture):
        return True
    if isinstance(future, asyncio.Task):
        return future in tasks
    children = getattr(future, "_children", None)  # of a gather
    return children is not None and _all_settled(children, tasks)


def _all_settled(futures: Any, tasks: "set[asyncio.Task[Any]]") -> bool:
    return all(future.done() or _settled_by_run(future, tasks) for future in futures)


def _in_asyncio(
    task: "asyncio.Task[Any]", future: Future, tasks: "set[asyncio.Task[Any]]", owner: object
) -> bool:
    inner = _innermost(task.get_coro())
    code = getattr(inner, "cr_code", None)
    frame = getattr(inner, "cr_frame", None)
    if future.done() or code is None or frame is None:
        return False
    if code in _GROUPS:
        return True  # its children are tasks of the run
    local = frame.f_locals
    if code is _WAIT:
        return local["timeout"] is None and _all_settled(local["fs"], tasks)
    # A lock that was not made in this run may be opened by anybody.
    return code in _PRIMITIVES and made_by(local["self"]) is owner


def _innermost(coro: Any) -> Any:
    while True:
        found = _awaited(coro)
        if found is None:
            return coro
        coro = found


def _awaited(coro: Any) -> Any:
    """The coroutine or generator that ``coro`` awaits; None if that is a future."""
    for attribute in ("cr_await", "ag_await", "gi_yieldfrom"):
        found = getattr(coro, attribute, None)
        if found is not None:
            return _unwrapped(found)
    return None


def _unwrapped(found: Any) -> Any:
    if type(found).__name__ in _WRAPPERS:  # they do not tell what they wrap, but to the collector
        found = next((o for o in gc.get_referents(found) if _is_frame(o)), None)
    return found if _is_frame(found) else None


def _is_frame(found: Any) -> bool:
    return any(hasattr(found, name) for name in ("cr_code", "ag_code", "gi_code"))


_WRAPPERS = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow"}


def _code(owner: Any, *names: str) -> set[CodeType]:
    found = (getattr(owner, name, None) for name in names)
    return {fn.__code__ for fn in found if fn is not None}


_WAIT = asyncio.tasks._wait.__code__  # type: ignore[attr-defined]
_GROUPS = _code(asyncio.TaskGroup, "__aexit__", "_aexit")
_PRIMITIVES = (
    _code(asyncio.Lock, "acquire")
    | _code(asyncio.Event, "wait")
    | _code(asyncio.Condition, "wait")
    | _code(asyncio.Semaphore, "acquire")
    | _code(asyncio.Queue, "get", "put", "join")
)
