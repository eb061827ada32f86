"""The `@workflow` decorator, and what it makes of a handler."""

import inspect
import sys
import typing
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack, cast, overload

from tako import codec
from tako.builtin import RESERVED
from tako.durations import to_ms
from tako.model import Schedule, WorkflowInfo
from tako.retry import Backoff, to_backoff
from tako.step import Step, SyncStep

if TYPE_CHECKING:
    from pathlib import Path

    from tako.client import ManyOptions, Options
    from tako.handle import Handle
    from tako.schedule import Cron

In = TypeVar("In")
Out = TypeVar("Out")

DEFAULT_RETRIES = 2
_LONGEST_NAME = 200

declared: dict[str, list["Workflow[Any, Any]"]] = {}
"""Every workflow of this process, by the module that its handler is written in."""


class Workflow(Generic[In, Out]):
    """A named handler and its options. Calling it calls the handler itself, for plain tests."""

    def __init__(
        self,
        name: str,
        handler: Callable[[In, Any], Any],
        *,
        retries: int = DEFAULT_RETRIES,
        backoff: Backoff | timedelta | float | str | None = None,
        timeout: timedelta | float | str | None = None,
        group: str = "default",
        concurrency: int | None = None,
        schedule: "Cron | str | None" = None,
    ) -> None:
        _check(name, handler, retries, group, concurrency)
        if timeout is not None:
            to_ms(timeout, what=f"timeout of workflow {name!r}")
        self.name = name
        self.handler = handler
        self.retries = retries
        self.backoff = to_backoff(backoff)
        self.timeout = timeout
        self.group = group
        self.concurrency = concurrency
        self.schedule = None if schedule is None else _to_cron(schedule)
        self.__doc__ = handler.__doc__
        declared.setdefault(handler.__module__, []).append(self)

    def __repr__(self) -> str:
        return f"<workflow {self.name!r} of {self.source}>"

    def __call__(self, payload: In, step: Any) -> Any:
        return self.handler(payload, step)

    @property
    def source(self) -> str:
        """Where its handler is written, as ``file:line``."""
        code = inspect.unwrap(self.handler).__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def app_dir(self) -> "Path":
        """The folder above the package `workflows` that it is in; else the file's own folder."""
        from pathlib import Path

        folder = Path(self.source.rpartition(":")[0]).parent
        above = [
            parent.parent for parent in (folder, *folder.parents) if parent.name == "workflows"
        ]
        return above[0] if above else folder

    @cached_property  # asked by every attempt
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(inspect.unwrap(self.handler))

    @cached_property  # asked by every attempt
    def payload_type(self) -> Any:
        """As the handler's first parameter declares it; `codec.UNTYPED` if it does not.

        Raises NameError if the annotation names something that does not exist.
        """
        handler = inspect.unwrap(self.handler)
        first = next(iter(inspect.signature(handler).parameters))
        annotation = handler.__annotations__.get(first, codec.UNTYPED)
        if isinstance(annotation, str):
            scope = vars(sys.modules[handler.__module__])
            holder = cast("Any", type("holder", (), {"__annotations__": {first: annotation}}))
            return typing.get_type_hints(holder, scope, include_extras=True)[first]
        return annotation

    @cached_property  # asked by every attempt
    def result_type(self) -> Any:
        """As the handler declares it; `codec.UNTYPED` if it does not."""
        return codec.return_type(self.handler)

    def info(self, app_dir: "Path | None" = None) -> WorkflowInfo:
        """What a worker tells the server. Raises what `payload_type` raises, and CodecError."""
        timeout = self.timeout
        return WorkflowInfo(
            name=self.name,
            group=self.group,
            source=self.source.removeprefix(f"{app_dir}/"),
            concurrency=self.concurrency,
            timeout=None if timeout is None else to_ms(timeout, what="timeout"),
            schema=codec.json_schema(self.payload_type),
            schedule=self._schedule(),
        )

    def _schedule(self) -> Schedule | None:
        if self.schedule is None:
            return None
        from tako.schedule import to_schedule

        return to_schedule(self.schedule, self.name, self.payload_type)

    async def enqueue(self, payload: In, **options: Unpack["Options"]) -> "Handle[Out]":
        """Create a run; see `tako.enqueue` for the options and the errors."""
        from tako import client

        return await client.enqueue(self, payload, **options)

    def enqueue_sync(self, payload: In, **options: Unpack["Options"]) -> "Handle[Out]":
        """Like `enqueue`, blocking."""
        from tako import client

        return client.enqueue_sync(self, payload, **options)

    async def enqueue_many(
        self, payloads: Iterable[In], **options: Unpack["ManyOptions"]
    ) -> "list[Handle[Out]]":
        """Create a run for each payload, in one go."""
        from tako import client

        return await client.enqueue_many(self, payloads, **options)

    def enqueue_many_sync(
        self, payloads: Iterable[In], **options: Unpack["ManyOptions"]
    ) -> "list[Handle[Out]]":
        """Like `enqueue_many`, blocking."""
        from tako import client

        return client.enqueue_many_sync(self, payloads, **options)


class _Decorator(Protocol):
    @overload
    def __call__(self, handler: Callable[[In, Step], Awaitable[Out]]) -> Workflow[In, Out]: ...
    @overload
    def __call__(self, handler: Callable[[In, SyncStep], Out]) -> Workflow[In, Out]: ...


def workflow(
    name: str,
    *,
    retries: int = DEFAULT_RETRIES,
    backoff: Backoff | timedelta | float | str | None = None,
    timeout: timedelta | float | str | None = None,
    group: str = "default",
    concurrency: int | None = None,
    schedule: "Cron | str | None" = None,
) -> _Decorator:
    """Make a workflow of an async or plain function ``(payload, step)``.

    Args:
        name: what runs refer to, for as long as there are runs: 1 to 200 characters.
        retries: how often a failed attempt is tried again.
        backoff: the delay before that; a duration is a constant one.
        timeout: how long a run may take from its enqueue (or ``run_at``) to its end, waits
            included; after it, it ends cancelled.
        group: the worker group that executes it.
        concurrency: how many runs of it may execute at one time, over all workers.
        schedule: when it runs by itself: a cron rule in UTC, such as "0 3 * * *", or a `Cron`.

    Raises:
        TypeError, ValueError: an option that cannot be used, or a function of another shape.
    """
    if not isinstance(name, str):
        raise TypeError('write @workflow("its-name"): a workflow needs a name')
    if name.startswith(RESERVED):
        raise ValueError(f"workflow {name!r}: names that begin with {RESERVED!r} are tako's own")

    def decorate(handler: Callable[..., Any]) -> Any:
        return Workflow(
            name,
            handler,
            retries=retries,
            backoff=backoff,
            timeout=timeout,
            group=group,
            concurrency=concurrency,
            schedule=schedule,
        )

    return decorate


def _to_cron(schedule: "Cron | str") -> "Cron":
    from tako.schedule import to_cron  # only those pay for it who have a schedule

    return to_cron(schedule)


def _check(
    name: str, handler: Callable[..., Any], retries: int, group: str, concurrency: int | None
) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a workflow's name is 1 to 200 printable characters, not {name!r}")
    if not group:
        raise ValueError(f"workflow {name!r}: group must be a name, not {group!r}")
    if type(retries) is not int or retries < 0:
        raise ValueError(f"workflow {name!r}: retries must be 0 or more, not {retries!r}")
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise ValueError(f"workflow {name!r}: concurrency must be 1 or more, not {concurrency!r}")
    if not inspect.isfunction(inspect.unwrap(handler)):
        raise TypeError(f"workflow {name!r}: {handler!r} is no function")
    try:
        inspect.signature(handler).bind("payload", "step")
    except TypeError:
        raise TypeError(
            f"workflow {name!r}: {handler.__qualname__} must take two arguments, (payload, step)"
        ) from None
