"""One pass over a handler: saved steps return at once, new ones are run and saved."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import datetime
from random import random
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from tako import codec
from tako.clock import now_ms
from tako.commands import (
    Ask,
    Bail,
    ClaimedRun,
    Command,
    Exists,
    Fail,
    Release,
    Reply,
    SaveStep,
    Wait,
)
from tako.decision import Decision, decision_of
from tako.durations import moment_ms, to_ms
from tako.errors import (
    ApprovalTimeout,
    Bailed,
    Failed,
    LeaseLost,
    Parked,
    StepError,
    StorageError,
    Unavailable,
)
from tako.ids import new_id
from tako.model import RunError, StepKind, StepRecord
from tako.retry import Backoff
from tako.worker import failures
from tako.worker.blackbox import Slot
from tako.worker.bodies import FAILURES, Options, attempts, not_callable, once, options_of
from tako.worker.context import current_body
from tako.worker.names import Names
from tako.worker.parking import Parking
from tako.worker.pools import Pool
from tako.worker.threads import HandlerThread
from tako.workflow import Workflow

if TYPE_CHECKING:
    from tako.asking import Asked, Asking
    from tako.config import AppConfig
    from tako.runlog import Requests
    from tako.step import Delay, Duration
    from tako.wire import Link

RUN, SLEEP, WAIT = str(StepKind.RUN), str(StepKind.SLEEP), str(StepKind.WAIT)
APPROVAL = str(StepKind.APPROVAL)

_UNWINDING = (Parked, Bailed, Failed)
_LONGEST_EVENT = 500  # characters
_MOST_EXCUSES = 100  # step calls of a dead pass that raise; after them, they never return
_MANY_DEADLINES = 100
_SAVE_AGAIN = Backoff(first=0.05, maximum=2.0)


class Services(NamedTuple):
    """What the worker lends to each pass."""

    link: "Link"
    loop: asyncio.AbstractEventLoop
    handlers: Pool
    steps: Pool
    max_value: int  # bytes
    thread: int  # that the loop runs in
    context: Context  # that of nobody's run
    let_go: Callable[["Pass"], None]  # the pass needs its place no longer
    app: "Callable[[], AppConfig]"  # read when it is first wanted


class Pass:
    """Executes one claimed run until it ends, parks, or is lost; then it is ``over``.

    A pass that is over sends no more commands for its steps: their calls raise Parked.
    """

    def __init__(
        self, run: ClaimedRun, workflow: Workflow[Any, Any], services: Services, slot: Slot
    ) -> None:
        self.run = run
        self.workflow = workflow
        self.services = services
        self.link: Requests = services.link
        self.loop = services.loop
        self.slot = slot
        self.records: dict[str, StepRecord] = {record.name: record for record in run.steps}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.parking = Parking(self)
        self.over = False
        self.ended = False  # over because its handler has ended
        self.freed = False  # its place in the worker is somebody else's
        self.draining = False
        self.stopped: str | None = None  # why it was told to end
        self.verdict: Bail | Fail | None = None  # what `bail` and `fail` have decided
        self.outside = 0  # calls of its code into threads
        self.context = services.context.copy()  # that its handler runs in
        self.thread: HandlerThread | None = None  # of a plain handler
        self._deadlines: list[asyncio.TimerHandle] = []  # asyncio.timeout and the like
        self._names = Names()
        self._held: set[asyncio.Future[None]] = set()
        self._bodies = 0
        self._excuses = 0
        self._final: list[BaseException] = []
        self._waiter_kinds = {waiter.name: waiter.kind for waiter in run.waiters}

    # --- what a handler calls

    def run_step(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        retries: int,
        backoff: "Delay",
        timeout: "Duration | None",
        retry: bool,
        returns: Any,
    ) -> Coroutine[Any, Any, Any]:
        if not callable(fn):
            raise not_callable(name, fn)
        key = self._take(name)
        if retries == 0 and backoff is None and timeout is None and retry is True:
            options = None
        else:
            options = options_of(key, retries, backoff, timeout, retry)
        return self._run(key, fn, args, options, returns)

    def sleep(self, name: str, duration: "Duration") -> Coroutine[Any, Any, None]:
        key = self._take(name)
        return self._sleep(key, to_ms(duration, what=f"duration of step {key!r}"), None)

    def sleep_until(self, name: str, when: datetime) -> Coroutine[Any, Any, None]:
        key = self._take(name)
        return self._sleep(key, None, moment_ms(when, f"the moment of step {key!r}"))

    def wait_for(
        self, event: str, type_: Any, timeout: "Duration | None", default: Any, name: str | None
    ) -> Coroutine[Any, Any, Any]:
        if type(event) is not str or not 0 < len(event) <= _LONGEST_EVENT:
            raise StepError(f"an event is a text of 1 to {_LONGEST_EVENT} characters: {event!r}")
        key = self._take(event if name is None else name)
        ms = None if timeout is None else to_ms(timeout, what=f"timeout of step {key!r}")
        return self._wait_for(key, event, type_, ms, default)

    def approval(
        self, name: str, title: str, form: Any, on_timeout: str, more: "Asking"
    ) -> Coroutine[Any, Any, Any]:
        from tako.asking import asked  # most runs ask nobody

        key = self._take(name)
        if self.over or self.has(key):
            return self._approval(key, None, form, on_timeout)
        app = self.services.app
        what = asked(key, title, form, on_timeout, now=now_ms(), app=app, **more)
        return self._approval(key, what, form, on_timeout)

    def bail(self, reason: str) -> NoReturn:
        self._raise_if_over()
        if self.verdict is None:
            self.verdict = Bail(self.run.id, self.run.lease_id, str(reason))
        raise Bailed(reason)

    def fail(self, error: str | BaseException | RunError) -> NoReturn:
        self._raise_if_over()
        if isinstance(error, BaseException):
            told = failures.describe(error)
        else:
            told = error if isinstance(error, RunError) else RunError("Failed", str(error))
        if self.verdict is None:
            self.verdict = Fail(self.run.id, self.run.lease_id, failures.to_json(told))
        raise Failed(told.message) from error if isinstance(error, BaseException) else None

    def block_on(self, call: Coroutine[Any, Any, Any]) -> Any:
        """For a thread of a plain handler: the result of a step call, on the loop."""
        assert self.thread is not None
        return self.thread.block_on(call)

    # --- a step with a body

    async def _run(
        self,
        key: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        options: Options | None,
        returns: Any,
    ) -> Any:
        type_ = codec.return_type(fn) if returns is codec.UNTYPED else returns
        record = self.records.get(key)
        if record is not None and self._is_mine(record, RUN):
            return self._again(record, type_, options)
        self._refuse_other_kind(key, RUN)
        while self.over or self.draining:
            await self._hold()
        started = now_ms()
        self._bodies += 1
        try:
            if options is None:
                value = await once(self, key, fn, args)
            else:
                value = await attempts(self, key, fn, args, options)
            text, value = codec.round_trip(
                value, type_, what=f"result of step {key!r}", limit=self.services.max_value
            )
            reply = await self._save(key, "ok", text, started)
        except FAILURES as error:
            await self._failed(key, error, options, started)
            raise
        finally:
            self._bodies -= 1
            self._body_done()
        return value if type(reply) is not Exists else self._again(reply.record, type_, options)

    async def pause(self, delay: float) -> None:
        """Between two tries of a body, ``delay`` s: a worker that drains does not wait for it."""
        future = self.loop.create_future()
        timer = self.loop.call_later(delay, _wake, future)
        self._held.add(future)
        self._bodies -= 1
        try:
            self._release_if_idle()
            await future
        finally:
            self._bodies += 1
            self._held.discard(future)
            timer.cancel()
        while self.over or self.draining:
            await self._hold()

    async def _failed(
        self, key: str, error: BaseException, options: Options | None, started: int
    ) -> None:
        self._raise_if_over()
        if (options is not None and not options.retry) or isinstance(error, failures.FINAL):
            self._final.append(error)
        await self._save(key, "failed", failures.remember(error, key), started)

    async def _save(self, key: str, outcome: str, value: str, started: int) -> Reply:
        self._raise_if_over()
        run = self.run
        command = SaveStep(run.id, run.lease_id, key, RUN, outcome, value, run.attempt, started)
        return await self.insist(command)

    # --- a step that waits

    async def _sleep(self, key: str, ms: int | None, until: int | None) -> None:
        run = self.run
        wait = Wait(run.id, run.lease_id, key, SLEEP, None, ms, until, None, run.attempt)
        await self._outcome(key, SLEEP, lambda: wait)

    async def _wait_for(
        self, key: str, event: str, type_: Any, ms: int | None, default: Any
    ) -> Any:
        def wait() -> Wait:
            run, schema = self.run, codec.json_schema(type_)
            return Wait(run.id, run.lease_id, key, WAIT, event, ms, None, schema, run.attempt)

        record = await self._outcome(key, WAIT, wait)
        if record.value is None:
            return default
        return codec.decode(record.value, type_, what=f"the signal to {event!r}")

    async def _approval(
        self, key: str, asked: "Asked | None", form: Any, on_timeout: str
    ) -> "Decision[Any] | None":
        def ask() -> Ask:
            assert asked is not None  # neither over nor saved when it was called
            run, id_ = self.run, new_id()
            return Ask(run.id, run.lease_id, key, id_, *asked[:2], run.attempt, asked.reuse)

        record = await self._outcome(key, APPROVAL, ask)
        try:
            return decision_of(record, form, on_timeout, self.run.id)
        except ApprovalTimeout as error:
            self._final.append(error)  # another attempt would come to the same end
            raise

    async def _outcome(self, key: str, kind: str, ask: Callable[[], Wait | Ask]) -> StepRecord:
        """The saved outcome of a wait, or that of the one which ``ask`` makes."""
        record = self.records.get(key)
        if record is not None and self._is_mine(record, kind):
            return record
        self._refuse_other_kind(key, kind)
        while self.over:
            await self._hold()
        return await self.parking.wait(ask())

    # --- saved steps

    def _is_mine(self, record: StepRecord, kind: str) -> bool:
        """False for a failure of an earlier attempt, which is tried again."""
        if record.kind != kind:
            self._complain_of_kind(record.name, record.kind, kind)
        return self._is_current(record)

    def has(self, key: str) -> bool:
        """Whether this step is saved, so that its call returns at once."""
        record = self.records.get(key)
        return record is not None and self._is_current(record)

    def _is_current(self, record: StepRecord) -> bool:
        return record.outcome != "failed" or record.attempt == self.run.attempt

    def _refuse_other_kind(self, key: str, kind: str) -> None:
        waiting = self._waiter_kinds.get(key)
        if waiting is not None and waiting != kind:
            self._complain_of_kind(key, waiting, kind)

    def _complain_of_kind(self, key: str, saved: str, now: str) -> NoReturn:
        raise StepError(
            f"step {key!r} of run {self.run.id} was a step.{saved} when it was first called and "
            f"is a step.{now} in the code of now: give the new step a name of its own"
        )

    def _again(self, record: StepRecord, type_: Any, options: Options | None) -> Any:
        """What a saved step returns, or raises."""
        if record.outcome == "ok":
            what = f"saved result of step {record.name!r}"
            return codec.decode(record.value or "null", type_, what=what)
        error = failures.rebuild(record.value or "{}", record.name)
        if (options is not None and not options.retry) or isinstance(error, failures.FINAL):
            self._final.append(error)
        raise error

    def is_final(self, error: BaseException) -> bool:
        """Whether ``error`` comes from a step that must not be tried again."""
        causes = failures.origins(error)
        return any(cause is final for cause in causes for final in self._final)

    # --- the life of the pass

    def busy_outside(self) -> bool:
        """Whether something is going on that the awaits of its tasks do not show."""
        self._drop_deadlines()
        return self.outside > 0 or bool(self._deadlines)

    def note_deadline(self, handle: asyncio.TimerHandle) -> None:
        if len(self._deadlines) > _MANY_DEADLINES:
            self._drop_deadlines()
        self._deadlines.append(handle)

    def _drop_deadlines(self) -> None:
        now = self.loop.time()
        self._deadlines = [h for h in self._deadlines if not h.cancelled() and h.when() > now]

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """A task that was made by the run's code."""
        self.tasks.add(task)
        task.add_done_callback(self._task_done)

    def deliver(self, record: StepRecord) -> None:
        """A wait has its outcome."""
        if not self.over:
            self.records[record.name] = record
            self.parking.deliver(record)

    async def insist(self, command: Command) -> Reply:
        """The reply to ``command``, asked again while the store or the server is in trouble.

        Raises Parked if the run is not ours any more, another Refused if it cannot be done.
        """
        failed = 0
        while True:
            try:
                return await self.link.request(command)
            except LeaseLost as error:
                self.stop(str(error))
                raise Parked(str(error)) from None
            except (StorageError, Unavailable):
                failed += 1
            await asyncio.sleep(_SAVE_AGAIN.delay(failed, random))
            if self.link.closed:
                raise Parked("the server is gone")

    def leave(self) -> None:
        """The run goes on elsewhere, or later; this pass unwinds, and nothing of it counts."""
        if self.over:
            return
        self.over = True
        error = Parked(f"run {self.run.id} has left this worker")
        self.parking.close(error)
        held, self._held = self._held, set()
        for future in held:
            if not future.done():
                future.set_exception(error)
                future.exception()
        self.services.let_go(self)

    def stop(self, reason: str) -> None:
        """End the handler: its tasks get CancelledError, its step calls Parked."""
        if self.over:
            return
        self.stopped = reason
        self.leave()
        self.cancel_tasks()

    def cancel_tasks(self) -> None:
        for task in list(self.tasks):
            task.cancel()

    def drain(self) -> None:
        """Give the run back before its next step."""
        self.draining = True
        self._release_if_idle()

    def release(self) -> "asyncio.Future[Reply] | None":
        """Give the run back now; the server's reply, if there was something to give back."""
        if self.over:
            return None
        done = self.link.request(Release(self.run.id, self.run.lease_id))
        done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.leave()
        return done

    # --- inside

    def _take(self, name: str) -> str:
        body = current_body.get()
        if body is not None:
            raise StepError(
                f"step {name!r} was called inside the body of step {body!r}: a step cannot hold "
                "others; call both from the handler"
            )
        if self.over:
            return name
        caller = threading.current_thread() if self.thread else asyncio.current_task(self.loop)
        return self._names.take(name, caller)

    def _raise_if_over(self) -> None:
        if self.over:
            raise Parked(f"run {self.run.id} has left this worker")

    async def _hold(self) -> None:
        """Nothing new begins: raises Parked, now or when the run has been given back."""
        if self.over:
            self._excuses += 1
            if self._excuses <= _MOST_EXCUSES:
                self._raise_if_over()
        future = self.loop.create_future()
        if not self.over:
            self._held.add(future)
            self._release_if_idle()
        await future

    def _body_done(self) -> None:
        self.parking.step_done()
        self._release_if_idle()

    def _release_if_idle(self) -> None:
        if self.draining and self._bodies == 0 and self._held:
            self.release()

    def _task_done(self, task: "asyncio.Task[Any]") -> None:
        self.tasks.discard(task)
        error = task._exception  # unlike exception(), a look does not count as having seen it
        if error is not None and failures.unwind_of(error, _UNWINDING):
            task._log_traceback = False  # no error of anybody's
        if not self.over:
            self.parking.stir()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


# What Python says of a step that is never awaited names the coroutine.
Pass._run.__qualname__ = "Step.run"
Pass._sleep.__qualname__ = "Step.sleep"
Pass._wait_for.__qualname__ = "Step.wait_for"
Pass._approval.__qualname__ = "Step.approval"
