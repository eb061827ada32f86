"""The body of a step: called in the loop or in a thread, within its time, as often as it may."""

import asyncio
import inspect
from collections.abc import Callable
from random import random
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from tako.durations import seconds
from tako.errors import StepError
from tako.retry import Backoff, to_backoff
from tako.worker.context import current_body

if TYPE_CHECKING:
    from tako.step import Delay, Duration
    from tako.worker.replay import Pass

FAILURES = (Exception, SystemExit, KeyboardInterrupt)
"""What makes a step fail. A cancellation does not: nothing of it is saved."""


class Options(NamedTuple):
    """What `step.run` was told beyond name and function. Times are in seconds."""

    retries: int
    backoff: Backoff
    timeout: float | None
    retry: bool


def options_of(
    key: str, retries: int, backoff: "Delay", timeout: "Duration | None", retry: bool
) -> Options:
    """Raises StepError, TypeError or ValueError for what cannot be used."""
    if type(retries) is not int or retries < 0:
        raise StepError(f"step {key!r}: retries must be 0 or more, not {retries!r}")
    if retries and not retry:
        raise StepError(f"step {key!r}: retries={retries} and retry=False contradict one another")
    limit = None if timeout is None else seconds(timeout, what=f"timeout of step {key!r}")
    return Options(retries, to_backoff(backoff), limit, bool(retry))


def not_callable(name: str, fn: object) -> StepError:
    if inspect.iscoroutine(fn):
        fn.close()
    return StepError(
        f"step {name!r} was given {fn!r}, which cannot be called: pass the function and its "
        f"arguments, as in step.run({name!r}, fetch, url)"
    )


async def attempts(
    pass_: "Pass", key: str, fn: Callable[..., Any], args: tuple[Any, ...], options: Options
) -> Any:
    """The result of the first try that succeeds. Raises what the last one raised."""
    failed = 0
    while True:
        try:
            return await _timed(pass_, key, fn, args, options.timeout)
        except FAILURES as error:
            failed += 1
            if failed > options.retries or isinstance(error, StepError):
                raise
        await pass_.pause(options.backoff.delay(failed, random))


async def _timed(
    pass_: "Pass",
    key: str,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    timeout: float | None,
) -> Any:
    if timeout is None:
        return await once(pass_, key, fn, args)
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await once(pass_, key, fn, args)
    except TimeoutError:
        if deadline.expired():
            raise TimeoutError(f"step {key!r} took longer than {timeout:g} s") from None
        raise


async def once(pass_: "Pass", key: str, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call and await the body, noted in the black box while it runs."""
    current_body.set(key)
    pass_.slot.enter(key)
    try:
        if type(fn) is FunctionType and fn.__code__.co_flags & inspect.CO_COROUTINE:
            return await fn(*args)
        if _is_async(fn):
            return await fn(*args)
        value = await pass_.services.steps.call(fn, *args)
        return await value if hasattr(value, "__await__") else value
    finally:
        pass_.slot.leave()
        current_body.set(None)


def _is_async(fn: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - the method itself is wanted
    )
