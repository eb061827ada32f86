"""When a run does nothing but wait, and how it is then given to the store.

A completion travels inside asyncio in a handful of callbacks, one turn of the loop each. So a run
counts as at rest only when nothing has changed for `_QUIET` turns.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from tako.commands import Ask, Exists, Park, Parked, Reply, Unwait, Wait
from tako.errors import LeaseLost, Refused, TakoError
from tako.model import StepRecord
from tako.worker.rest import WaitFuture, at_rest

if TYPE_CHECKING:
    from tako.worker.replay import Pass

_QUIET = 10  # turns of the loop
_LONGEST_LOOK = 200  # turns
_SHORTLY, _LATER = 0.05, 1.0  # s


class _Open:
    """A wait whose outcome is not here. ``sent``: the server knows; ``told``: or may know."""

    __slots__ = ("command", "future", "sent", "told")

    def __init__(self, command: Wait | Ask, loop: asyncio.AbstractEventLoop) -> None:
        self.command = command
        self.future = WaitFuture(loop=loop)
        self.sent = self.told = False


class Parking:
    """The open waits of one pass. They reach the server when the run rests, or is seen busy."""

    def __init__(self, pass_: "Pass") -> None:
        self._pass = pass_
        self._loop = pass_.loop
        self._open: dict[str, _Open] = {}
        self._stale = [w.name for w in pass_.run.waiters]  # of earlier passes, maybe unwanted now
        self._given_up: list[str] = []  # which the server is not told at once: see `_give_up`
        self._asked = False  # a Park is on its way
        self._looking = False
        self._timer: asyncio.TimerHandle | None = None
        self._refusals = 0

    async def wait(self, command: Wait | Ask) -> StepRecord:
        """The outcome of this wait, whenever it comes. Raises Parked when the run leaves."""
        entry = self._open[command.name] = _Open(command, self._loop)
        self.stir()
        try:
            return await entry.future  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            self._give_up(entry)
            raise

    def deliver(self, record: StepRecord) -> None:
        """The outcome of a wait is here."""
        entry = self._open.pop(record.name, None)
        if entry is not None and not entry.future.done():
            entry.future.set_result(record)
            self.look_after(_SHORTLY)

    def stir(self) -> None:
        """Something has changed: look from the next turn on whether the run rests."""
        if self._open and not (self._looking or self._asked or self._pass.over):
            self._looking = True
            self._loop.call_soon(self._look, 0, 0, None)

    def look_after(self, delay: float) -> None:
        """Something may have changed, or will: look once in ``delay`` s, if there is a wait."""
        wanted = self._open or self._given_up
        if wanted and self._timer is None and not self._pass.over:
            self._timer = self._loop.call_later(delay, self._time_to_look)

    def step_done(self) -> None:
        """A busy task may come to rest after its step."""
        if self._given_up:
            self._unwait_given_up()
        if self._open:
            self.look_after(_SHORTLY)

    def reconnected(self) -> None:
        """What the server pushed while we were away is lost: ask again."""
        for entry in self._open.values():
            entry.sent = False
        self.stir()

    def close(self, error: BaseException) -> None:
        """The pass is over: what waits gets ``error``."""
        if self._timer is not None:
            self._timer.cancel()
        open_, self._open = self._open, {}
        for entry in open_.values():
            if not entry.future.done():
                entry.future.set_exception(error)
                entry.future.exception()  # seen, also if nobody awaits it

    # --- looking

    def _time_to_look(self) -> None:
        self._timer = None
        if not self._pass.over:
            self._unwait_given_up()
            self.stir()

    def _look(self, turns: int, quiet: int, before: list[Any] | None) -> None:
        if self._asked or self._pass.over or not self._open:
            self._looking = False
            return
        tasks = self._pass.tasks
        now = [task._fut_waiter for task in tasks]  # type: ignore[attr-defined]
        quiet = quiet + 1 if now == before else 0
        alone = len(now) == 1 and isinstance(now[0], WaitFuture) and not now[0].done()
        if quiet < _QUIET and turns < _LONGEST_LOOK and not alone:
            self._loop.call_soon(self._look, turns + 1, quiet, now)
            return
        self._looking = False
        if (alone or quiet >= _QUIET) and self._rests():
            self._park()
        else:
            self._send_waits()
            self.look_after(_LATER)

    def _rests(self) -> bool:
        pass_ = self._pass
        if pass_.busy_outside():
            return False
        thread = pass_.thread
        return all(
            thread.in_step_call
            if thread is not None and task is thread.task
            else at_rest(task, pass_.tasks, pass_)
            for task in pass_.tasks
        )

    # --- what the server is told

    def _send_waits(self) -> None:
        for entry in self._open.values():
            if not entry.sent:
                entry.sent = entry.told = True
                reply = self._pass.link.request(entry.command)
                reply.add_done_callback(partial(self._waited, entry))

    def _park(self) -> None:
        self._unwait_given_up()
        stale, self._stale = self._stale, []
        for name in stale:
            if name not in self._open and name not in self._pass.records:
                self._unwait(name)
        self._send_waits()
        self._asked = True
        run = self._pass.run
        reply = self._pass.link.request(Park(run.id, run.lease_id, list(self._open)))
        reply.add_done_callback(self._parked)

    def _waited(self, entry: _Open, done: "asyncio.Future[Reply]") -> None:
        reply = self._reply(done)
        if reply is None:
            error = None if done.cancelled() else done.exception()
            if isinstance(error, Refused) and not entry.future.done():
                entry.future.set_exception(error)
            entry.sent = False
            self.look_after(_LATER)
        elif type(reply) is Exists:
            self._pass.deliver(reply.record)

    def _parked(self, done: "asyncio.Future[Reply]") -> None:
        self._asked = False
        reply = self._reply(done)
        if type(reply) is Parked:
            self._pass.leave()
            return
        # Something has arrived. If its push was lost on the way, the same waits tell again.
        for entry in self._open.values():
            entry.sent = False
        self._refusals += 1
        self.look_after(min(_SHORTLY * self._refusals, _LATER))

    def _give_up(self, entry: _Open) -> None:
        """Cancelled by its own code. If that is because the attempt fails, as in a TaskGroup, the
        waiter must stay, so that the next attempt finds its deadline: so this waits a moment."""
        name = entry.command.name
        if self._open.get(name) is entry and not self._pass.over:
            del self._open[name]
            if entry.told or name in self._stale:
                self._given_up.append(name)
            self.look_after(_SHORTLY)

    def _unwait_given_up(self) -> None:
        names, self._given_up = self._given_up, []
        for name in names:
            self._unwait(name)

    def _unwait(self, name: str) -> None:
        run = self._pass.run
        reply = self._pass.link.request(Unwait(run.id, run.lease_id, name))
        reply.add_done_callback(self._reply)

    def _reply(self, done: "asyncio.Future[Reply]") -> Reply | None:
        """The reply, or None when there was none to act on."""
        if done.cancelled():
            return None
        error = done.exception()
        if isinstance(error, LeaseLost):
            self._pass.stop(str(error))
        elif error is not None and not isinstance(error, TakoError):
            raise error
        return None if error is not None else done.result()
