"""The bridge from the threads of a plain handler to the loop that runs its steps."""

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from tako.errors import Parked, StepError
from tako.worker.context import current_pass

if TYPE_CHECKING:
    from tako.worker.replay import Pass

Call = Coroutine[Any, Any, Any]


class HandlerThread:
    """Where the handler of a plain workflow runs, and whether it is waiting for a step."""

    def __init__(self, pass_: "Pass", task: "asyncio.Task[Any]") -> None:
        self.task = task  # that waits for the thread
        self.in_step_call = False  # the handler's own thread is inside one
        self._pass = pass_
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """This thread is the one."""
        self._thread = threading.current_thread()

    def block_on(self, call: Call) -> Any:
        """For any thread of the handler: what a step call returns or raises."""
        pass_ = self._pass
        if threading.get_ident() == pass_.services.thread:
            call.close()
            raise StepError("a SyncStep was used on the event loop, which it would block")
        if pass_.has(inspect.getcoroutinelocals(call)["key"]):
            return _finish(call)
        mine = threading.current_thread() is self._thread
        context = copy_context() if current_pass.get() is pass_ else pass_.context.copy()
        result: Future[Any] = Future()
        pass_.loop.call_soon_threadsafe(self._start, call, result, mine, context=context)
        return result.result()

    def _start(self, call: Call, result: "Future[Any]", mine: bool) -> None:
        self.in_step_call = self.in_step_call or mine
        task = self._pass.loop.create_task(call)
        task.add_done_callback(lambda task: self._done(task, result, mine))

    def _done(self, task: "asyncio.Task[Any]", result: "Future[Any]", mine: bool) -> None:
        if mine:
            self.in_step_call = False
        if task.cancelled():
            result.set_exception(Parked("the run has left this worker"))
        elif (error := task.exception()) is not None:
            result.set_exception(error)
        else:
            result.set_result(task.result())


def _finish(call: Call) -> Any:
    """What a saved step returns: it waits for nothing, so the loop is not needed."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a saved step waited for something")
