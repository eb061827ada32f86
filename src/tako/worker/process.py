"""The worker process: it registers, claims runs, lends each what it needs, and goes home.

OS signals only set a flag. A worker goes when it has been idle for long, when it is told to drain,
when it was solo and its run is over, or when the server stays away longer than a lease.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tako.commands import (
    Claim,
    Claimed,
    ClaimedRun,
    Deliver,
    Drain,
    Push,
    Register,
    Registered,
    Stop,
)
from tako.discovery import Discovery
from tako.errors import TakoError, Unavailable
from tako.wire import Link
from tako.worker.blackbox import NO_SLOT, BlackBox
from tako.worker.context import current_pass
from tako.worker.executor import execute
from tako.worker.heartbeat import Heartbeats
from tako.worker.pools import Pool
from tako.worker.replay import Pass, Services
from tako.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from tako.config import AppConfig

_log = logging.getLogger("tako.worker")

EXIT_DONE, EXIT_REFUSED, EXIT_GONE = 0, 1, 69  # EX_UNAVAILABLE: the server stayed away
_UNWIND_GRACE = 5.0  # s for the clean-up of handlers whose run has left
_GOODBYE = 2.0  # s for the server to take back what is released at the end
_FIRST_PATIENCE = 30.0  # s, until the server tells the lease


class Worker:
    """One worker; `run` returns its exit status."""

    def __init__(self, settings: WorkerSettings, found: Discovery) -> None:
        self._settings = settings
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._places = 1 if settings.solo else settings.concurrency
        self._blackbox = BlackBox(
            None if settings.blackbox is None else Path(settings.blackbox), self._places
        )
        self._known = False  # to the server, or to one before it
        self._passes: dict[str, Pass] = {}  # by lease, until the store has the outcome
        self._executing: dict[asyncio.Task[None], Pass] = {}
        self._leaving: dict[Pass, float] = {}  # until when its handler may take to end
        self._sweep: asyncio.TimerHandle | None = None
        self._used = 0  # places
        self._asked = 0  # runs that outstanding claims may bring
        self._asking = False
        self._going = False  # claims no more
        self._draining = False  # and gives back what it has
        self._claimed_any = False
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # of its own, held so that they live
        self._done: asyncio.Future[int] = self._loop.create_future()
        self._grace = 10.0  # s, after a Stop
        self._heartbeats = Heartbeats(Path(settings.socket), settings.worker_id, self._is_busy)
        self._link = Link(
            Path(settings.socket),
            patience=_FIRST_PATIENCE,
            hello=self._hello,
            on_push=self._push_soon,
            on_gone=self._gone,
        )
        self._services = Services(
            link=self._link,
            loop=self._loop,
            handlers=Pool("handler", self._places, self._strayed),
            steps=Pool("step", self._places, self._strayed),
            max_value=1_048_576,
            thread=threading.get_ident(),
            context=copy_context(),
            let_go=self._let_go,
            app=cache(partial(_app_in, settings.app_dir)),
        )

    async def run(self) -> int:
        """Work until there is a reason to go; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._drain)
        self._heartbeats.start()
        self._ask_soon()
        self._look_idle()
        status = await self._done
        if self._executing:
            await asyncio.wait(list(self._executing), timeout=_UNWIND_GRACE)
        if status == EXIT_DONE:  # what was given back is ours until the server says so
            await self._link.settle(_GOODBYE)
        self._heartbeats.stop()
        self._link.close()
        self._services.handlers.close()
        self._services.steps.close()
        return status

    @property
    def has_strays(self) -> bool:
        """Whether threads are left that would keep the process from ending."""
        return bool(self._services.handlers.strays or self._services.steps.strays)

    # --- the conversation

    async def _hello(self, link: Link) -> None:
        settings, found = self._settings, self._found
        register = Register(
            worker_id=settings.worker_id,
            pid=os.getpid(),
            group=settings.group,
            concurrency=settings.concurrency,
            solo=settings.solo,
            workflows=found.infos,
            broken=found.broken,
            leases=list(self._passes),
            again=self._known,
        )
        reply = await link.say_first(register)
        assert isinstance(reply, Registered)
        self._known = True
        link.patience = reply.lease / 1000
        self._heartbeats.set_lease(reply.lease)
        self._grace = reply.cancel_grace / 1000
        self._services = self._services._replace(max_value=reply.max_value)
        for lease in reply.lost:
            if lease in self._passes:
                self._passes[lease].stop("its lease was lost while the server was away")
        for pass_ in self._passes.values():
            pass_.parking.reconnected()

    def _push_soon(self, push: Push) -> None:
        # After the callbacks of the replies before it: the run may have been claimed just now.
        self._loop.call_soon(self._pushed, push)

    def _pushed(self, push: Push) -> None:
        if type(push) is Drain:
            self._drain()
            return
        assert isinstance(push, Deliver | Stop)
        pass_ = self._passes.get(push.lease_id)
        if pass_ is not None and type(push) is Deliver:
            pass_.deliver(push.record)
        elif pass_ is not None and type(push) is Stop:
            pass_.stop(push.reason)

    def _gone(self, error: TakoError) -> None:
        """The server stayed away for longer than the lease: others have our runs by now."""
        _log.error("%s: letting go of %d runs", error, len(self._passes))
        for pass_ in list(self._passes.values()):
            pass_.stop(str(error))
        self._finish(EXIT_GONE if isinstance(error, Unavailable) else EXIT_REFUSED)

    # --- claiming

    def _ask_soon(self) -> None:
        if not self._asking:
            self._asking = True
            # In nobody's context, so that a claim that is held keeps no ended run in memory.
            self._loop.call_soon(self._ask, context=self._services.context)

    def _ask(self) -> None:
        """One claim per turn of the loop, for all places that have become free in it."""
        self._asking = False
        free = self._places - self._used - self._asked
        if free <= 0 or self._going or self._done.done():
            return
        if self._settings.solo and self._claimed_any:
            return
        self._asked += free
        reply = self._link.request(Claim(limit=free, solo=self._settings.solo))
        reply.add_done_callback(lambda done: self._claimed(free, done))

    def _claimed(self, limit: int, done: "asyncio.Future[Any]") -> None:
        self._asked -= limit
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or self._done.done():
            return
        if error is not None:
            _log.error("cannot claim: %s", error)
            self._finish(EXIT_GONE if isinstance(error, Unavailable) else EXIT_REFUSED)
            return
        reply = done.result()
        assert isinstance(reply, Claimed)
        for run in reply.runs:
            self._start(run)
        self._ask_soon()

    def _start(self, run: ClaimedRun) -> None:
        self._used += 1
        self._claimed_any = True
        self._heartbeats.wake()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        workflow = self._found.workflows[run.workflow]
        pass_ = Pass(run, workflow, self._services, self._blackbox.take(run.id))
        self._passes[run.lease_id] = pass_
        pass_.context.run(current_pass.set, pass_)
        task = pass_.context.run(self._loop.create_task, execute(pass_))
        self._executing[task] = pass_
        task.add_done_callback(self._executed)
        if self._draining:
            pass_.drain()

    # --- the end of a run

    def _let_go(self, pass_: Pass) -> None:
        """The pass is over. Its place is free at once, but for a handler that is told to stop."""
        if pass_.stopped is None:
            self._free(pass_)
        if not pass_.ended:
            grace = _UNWIND_GRACE if pass_.stopped is None else self._grace
            self._leaving[pass_] = self._loop.time() + grace
            self._sweep_in(grace)

    def _free(self, pass_: Pass) -> None:
        if not pass_.freed:
            pass_.freed = True
            slot, pass_.slot = pass_.slot, NO_SLOT
            self._blackbox.give_back(slot)
            self._used -= 1
            self._ask_soon()

    def _executed(self, task: "asyncio.Task[None]") -> None:
        pass_ = self._executing.pop(task)
        self._passes.pop(pass_.run.lease_id, None)
        self._leaving.pop(pass_, None)
        self._free(pass_)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("run %s: %r", pass_.run.id, error, exc_info=error)
        self._look_idle()

    def _sweep_in(self, delay: float) -> None:
        if self._sweep is None or self._sweep.when() > self._loop.time() + delay:
            if self._sweep is not None:
                self._sweep.cancel()
            self._sweep = self._loop.call_later(delay, self._sweep_leaving)

    def _sweep_leaving(self) -> None:
        self._sweep = None
        now = self._loop.time()
        for pass_, until in list(self._leaving.items()):
            if until <= now:
                self._give_up_on(pass_)
        if self._leaving:
            self._sweep_in(max(min(self._leaving.values()) - now, 0.01))

    def _give_up_on(self, pass_: Pass) -> None:
        """Its handler has not ended within its grace: nobody waits for it any longer."""
        del self._leaving[pass_]
        _log.warning(
            "run %s of %s does not end its handler (%s): it is let go",
            pass_.run.id,
            pass_.run.workflow,
            pass_.stopped or "the run has left this worker",
        )
        for task in [task for task, own in self._executing.items() if own is pass_]:
            task.remove_done_callback(self._executed)
            del self._executing[task]
        pass_.cancel_tasks()
        self._passes.pop(pass_.run.lease_id, None)
        self._free(pass_)
        if pass_.thread is not None:
            self._retire()
        self._look_idle()

    def _strayed(self, work: "Future[Any]") -> None:
        """A thread is left to itself; if it never ends, the pool is the smaller for it."""
        self._loop.call_later(self._grace, self._retire_for, work)

    def _retire_for(self, work: "Future[Any]") -> None:
        if not work.done():
            self._retire()

    def _retire(self) -> None:
        if not self._going:
            _log.warning(
                "a thread is stuck: this worker ends, as soon as its runs can go elsewhere"
            )
            self._drain()

    # --- going home

    def _is_busy(self) -> bool:
        return bool(self._passes)

    def _look_idle(self) -> None:
        if self._passes or self._executing or self._done.done():
            return
        if self._settings.solo and self._claimed_any:
            self._finish(EXIT_DONE)
        elif self._going:
            if not self._asked:
                self._finish(EXIT_DONE)
        elif self._settings.idle_timeout is not None and self._idle is None:
            self._idle = self._loop.call_later(self._settings.idle_timeout, self._idle_out)

    def _idle_out(self) -> None:
        self._idle = None
        if not self._passes and not self._going:
            self._going = True
            self._begin(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        """After this reply no claim of ours is left, and no run can come any more."""
        goodbye = self._link.request(Claim(limit=0, solo=self._settings.solo))
        if not self._passes:  # nothing is at stake: a server that is away is not waited for
            await asyncio.wait([goodbye], timeout=_GOODBYE)
            if not goodbye.done() and not self._link.connected:
                self._finish(EXIT_GONE)
                return
        try:
            await goodbye
        except TakoError:
            self._finish(EXIT_GONE)
            return
        if self._passes and not self._draining:  # work came at the very last moment
            self._going = False
            self._ask_soon()
        self._look_idle()

    def _drain(self) -> None:
        """Claim nothing more, give back what comes to its next step, and be gone in time."""
        if self._draining:
            return
        self._going = self._draining = True
        self._begin(self._say_goodbye())
        for pass_ in list(self._passes.values()):
            pass_.drain()
        self._loop.call_later(self._settings.drain, lambda: self._begin(self._time_is_up()))

    async def _time_is_up(self) -> None:
        released = []
        for pass_ in list(self._passes.values()):
            released.append(pass_.release())
            pass_.cancel_tasks()
        replies = [reply for reply in released if reply is not None]
        if replies:
            await asyncio.wait(replies, timeout=_GOODBYE)
        self._finish(EXIT_DONE)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, context=self._services.context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _finish(self, status: int) -> None:
        if not self._done.done():
            self._done.set_result(status)


def _app_in(folder: str) -> "AppConfig":
    from tako.config import load_app  # only those need it who tell people something

    return load_app(folder)
