"""What a handler receives: `Step` in an async function, `SyncStep` in a plain one.

Both are a thin face: the work is done by the pass (`worker/replay.py`) that executes the run.
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    TypeVarTuple,
    Unpack,
    overload,
)

from tako import codec
from tako.model import RunError
from tako.retry import Backoff
from tako.runlog import RunLog

if TYPE_CHECKING:
    from tako.asking import Asking
    from tako.decision import Decision
    from tako.worker.replay import Pass

T = TypeVar("T")
D = TypeVar("D")
Ts = TypeVarTuple("Ts")

Duration = timedelta | float | str
Delay = Backoff | Duration | None
Decided = Literal["reject", "approve", "raise"]


class _Face:
    """What both kinds have: who the run is, and the two ways to end it at once."""

    __slots__ = ("_log", "_pass")

    def __init__(self, pass_: "Pass") -> None:
        self._pass = pass_
        self._log: RunLog | None = None

    @property
    def run_id(self) -> str:
        return self._pass.run.id

    @property
    def workflow_name(self) -> str:
        return self._pass.run.workflow

    @property
    def attempt(self) -> int:
        """1, 2, 3: only a failed try of the handler counts, not a wait."""
        return self._pass.run.attempt

    @property
    def log(self) -> RunLog:
        """A logger whose lines carry the run's id; ``tako.run.<workflow>`` to `logging`.

        From INFO on they are also kept with the run: 1,000 lines, 256 KiB, 4 KiB of each.
        """
        if self._log is None:
            self._log = RunLog(self._pass)
        return self._log

    def bail(self, reason: str) -> NoReturn:
        """End the run ``cancelled``, with a reason that people read."""
        self._pass.bail(reason)

    def fail(self, error: str | BaseException | RunError) -> NoReturn:
        """End the run ``failed``, without another attempt."""
        self._pass.fail(error)


class Step(_Face):
    """The steps of an async handler. Every call must be awaited, in whatever task.

    A name is numbered when the step is called: used again by the same task it gets ``#2``, ``#3``.
    All raise StepError if the name cannot be used, `Parked` (let it pass) when the run has left.
    """

    __slots__ = ()

    @overload
    def run(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: type[T],
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[[Unpack[Ts]], Awaitable[T]],
        /,
        *args: *Ts,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[[Unpack[Ts]], T],
        /,
        *args: *Ts,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: Any,
    ) -> Coroutine[Any, Any, Any]: ...
    def run(  # type: ignore[misc]  # a TypeVarTuple against *args
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: Any = codec.UNTYPED,
    ) -> Coroutine[Any, Any, Any]:
        """Call ``fn(*args)``, save its result, and give it back at once on every later pass.

        Async callables run here, others in a thread. The result goes through JSON: it comes back
        as what ``fn``'s annotation or ``returns`` says, else as plain JSON values.

        Args:
            name: 1 to 200 characters, unique among the run's concurrent tasks.
            fn, args: for keyword arguments use functools.partial or a lambda.
            retries: how often a failure is tried again in place, before it is raised.
            backoff: the delay between these.
            timeout: how long each try may take; then it raises TimeoutError. A thread cannot be
                stopped: it is left to itself.
            retry: False: a failure is final for the run, no attempt follows unless it is caught.
            returns: the type of the result, where the annotation does not say.

        Raises:
            Whatever ``fn`` raised last; in a later pass of the same attempt again, as the same
            type. StepFailed if that type cannot be built. CodecError, TooLarge: the result cannot
            be saved.
        """
        return self._pass.run_step(name, fn, args, retries, backoff, timeout, retry, returns)

    def sleep(self, name: str, duration: Duration) -> Coroutine[Any, Any, None]:
        """Go on after ``duration``, counted once, from the first time this is asked."""
        return self._pass.sleep(name, duration)

    def sleep_until(self, name: str, when: datetime) -> Coroutine[Any, Any, None]:
        """Go on at ``when``, which has a timezone; at once if it has passed."""
        return self._pass.sleep_until(name, when)

    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: None = None,
        name: str | None = None,
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: Duration | None = None,
        name: str | None = None,
    ) -> Coroutine[Any, Any, T | None]: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: Duration | None = None,
        default: D,
        name: str | None = None,
    ) -> Coroutine[Any, Any, T | D]: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: Any = codec.UNTYPED,
        *,
        timeout: Duration | None = None,
        default: Any = None,
        name: str | None = None,
    ) -> Coroutine[Any, Any, Any]: ...
    def wait_for(
        self,
        event: str,
        type: Any = codec.UNTYPED,  # noqa: A002
        *,
        timeout: Duration | None = None,
        default: Any = None,
        name: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal to ``event``, for as long as it takes, at no cost.

        Args:
            event: what `signal` names. It is the step's name as well, unless ``name`` is given.
            type: what the payload must be; one that does not fit is refused to its sender.
            timeout: after it ``default`` comes back; counted once, from the first time.
        """
        return self._pass.wait_for(event, type, timeout, default, name)

    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: type[T],
        on_timeout: Decided = "reject",
        **more: Unpack["Asking"],
    ) -> Coroutine[Any, Any, "Decision[T]"]: ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: type[T],
        on_timeout: Literal["none"],
        **more: Unpack["Asking"],
    ) -> Coroutine[Any, Any, "Decision[T] | None"]: ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: None = None,
        on_timeout: Decided = "reject",
        **more: Unpack["Asking"],
    ) -> Coroutine[Any, Any, "Decision[None]"]: ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: None = None,
        on_timeout: Literal["none"],
        **more: Unpack["Asking"],
    ) -> Coroutine[Any, Any, "Decision[None] | None"]: ...
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: Any = None,
        on_timeout: str = "reject",
        **more: Unpack["Asking"],
    ) -> Coroutine[Any, Any, Any]:
        """Ask people, and wait for their decision for as long as it takes, at no cost.

        Args:
            title: what it is about, on one line: 1 to 200 characters.
            form: a dataclass, Struct or pydantic model: what an answer other than "reject" must
                fill in. It comes back as `Decision.value`.
            on_timeout: what a deadline means: "reject" or "approve" decide so, "raise" raises,
                with "none" None comes back.
            more: see `tako.asking.Asking`: body, options, to, exclude, requester, quorum, veto,
                timeout, remind, escalate, notify, reuse.

        Asked again by a later pass with other content, the answers so far no longer count.

        Raises:
            ApprovalTimeout: nobody decided in time; no attempt follows, unless it is caught.
            TypeError, ValueError, CodecError, ConfigError: an argument that cannot be used.
        """
        return self._pass.approval(name, title, form, on_timeout, more)


class SyncStep(_Face):
    """The steps of a plain handler: those of `Step`, blocking. Usable from any of its threads."""

    __slots__ = ()

    @overload
    def run(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: type[T],
    ) -> T: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[[Unpack[Ts]], Awaitable[T]],
        /,
        *args: *Ts,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
    ) -> T: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[[Unpack[Ts]], T],
        /,
        *args: *Ts,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
    ) -> T: ...
    @overload
    def run(
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: Any,
    ) -> Any: ...
    def run(  # type: ignore[misc]  # a TypeVarTuple against *args
        self,
        name: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        retries: int = 0,
        backoff: Delay = None,
        timeout: Duration | None = None,
        retry: bool = True,
        returns: Any = codec.UNTYPED,
    ) -> Any:
        """Like `Step.run`."""
        return self._pass.block_on(
            self._pass.run_step(name, fn, args, retries, backoff, timeout, retry, returns)
        )

    def sleep(self, name: str, duration: Duration) -> None:
        """Like `Step.sleep`."""
        self._pass.block_on(self._pass.sleep(name, duration))

    def sleep_until(self, name: str, when: datetime) -> None:
        """Like `Step.sleep_until`."""
        self._pass.block_on(self._pass.sleep_until(name, when))

    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: None = None,
        name: str | None = None,
    ) -> T: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: Duration | None = None,
        name: str | None = None,
    ) -> T | None: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: type[T],
        *,
        timeout: Duration | None = None,
        default: D,
        name: str | None = None,
    ) -> T | D: ...
    @overload
    def wait_for(
        self,
        event: str,
        type: Any = codec.UNTYPED,
        *,
        timeout: Duration | None = None,
        default: Any = None,
        name: str | None = None,
    ) -> Any: ...
    def wait_for(
        self,
        event: str,
        type: Any = codec.UNTYPED,  # noqa: A002
        *,
        timeout: Duration | None = None,
        default: Any = None,
        name: str | None = None,
    ) -> Any:
        """Like `Step.wait_for`."""
        return self._pass.block_on(self._pass.wait_for(event, type, timeout, default, name))

    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: type[T],
        on_timeout: Decided = "reject",
        **more: Unpack["Asking"],
    ) -> "Decision[T]": ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: type[T],
        on_timeout: Literal["none"],
        **more: Unpack["Asking"],
    ) -> "Decision[T] | None": ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: None = None,
        on_timeout: Decided = "reject",
        **more: Unpack["Asking"],
    ) -> "Decision[None]": ...
    @overload
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: None = None,
        on_timeout: Literal["none"],
        **more: Unpack["Asking"],
    ) -> "Decision[None] | None": ...
    def approval(
        self,
        name: str,
        *,
        title: str,
        form: Any = None,
        on_timeout: str = "reject",
        **more: Unpack["Asking"],
    ) -> Any:
        """Like `Step.approval`."""
        return self._pass.block_on(self._pass.approval(name, title, form, on_timeout, more))
