"""One timer for the earliest due thing of an app; nothing is polled."""

import asyncio
import math
from collections.abc import Callable

from tako.clock import monotonic, now_ms
from tako.commands import Command, ShiftLeases, Tick
from tako.errors import StorageError
from tako.store import Store

_LONGEST = 60.0  # s of sleep, so that a suspended machine or a stepped clock is noticed
_SOON = 0.005  # s: many changes, one look
_AFTER_TROUBLE = 1.0  # s
_LATE = 0.25  # s after which a timer has been held up by more than work
_STUCK = 1_000  # ticks on one due time after which it is not progress any more


class Timers:
    """``add`` puts a command into the next batch; a `Tick` ends with a call of `ticked`.

    ``beat`` is the time between two heartbeats, in ms. Leases count only the time in which the
    server could have heard one: if it was stopped or starved itself, they last longer by that.
    """

    def __init__(self, store: Store, add: Callable[[Command], None], beat: int) -> None:
        self._store = store
        self._add = add
        self._beat = beat
        self._expected = math.inf  # when the earliest timer should fire, on the monotonic clock
        self._loop = asyncio.get_running_loop()
        self._sleeping: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._ticking = False
        self._last_due: tuple[int, int] = (0, 0)  # and how often
        self._closed = False

    def changed(self) -> None:
        """A time was written: look again, soon."""
        if self._looking is None and not self._ticking and not self._closed:
            self._expect_in(_SOON)
            self._looking = self._loop.call_later(_SOON, self.look)

    def look(self) -> None:
        """Do what is due, and sleep until the next is."""
        self._cancel()
        if self._closed or self._ticking:
            return
        try:
            due = self._store.next_due()
        except StorageError:
            self._sleep(_AFTER_TROUBLE)  # the next command says loudly what is wrong
            return
        if due is None:
            self._sleep(_LONGEST)
            return
        wait = (due - now_ms()) / 1000
        if wait > 0:
            self._sleep(min(wait, _LONGEST))
        elif self._is_stuck(due):
            self._sleep(_AFTER_TROUBLE)
        else:
            self._fire()

    def ticked(self, worked: bool) -> None:
        """The tick has been committed, or could not be."""
        self._ticking = False
        if worked:
            self.look()
        elif not self._closed:
            self._sleep(_AFTER_TROUBLE)

    def close(self) -> None:
        self._closed = True
        self._cancel()

    def _is_stuck(self, due: int) -> bool:
        before, times = self._last_due
        self._last_due = (due, times + 1 if due == before else 1)
        return self._last_due[1] > _STUCK

    def _sleep(self, seconds: float) -> None:
        self._cancel()
        self._expect_in(seconds)
        self._sleeping = self._loop.call_later(seconds, self._fire)

    def _was_held_up(self) -> None:
        """Leave the leases the time in which this process did not run."""
        late = monotonic() - self._expected
        self._expected = math.inf
        if late > _LATE:
            self._add(ShiftLeases(round(late * 1000) + self._beat))

    def _expect_in(self, seconds: float) -> None:
        self._expected = min(self._expected, monotonic() + seconds)

    def _fire(self) -> None:
        """Also when nothing seems due: each batch compares the clocks."""
        self._cancel()
        if not self._ticking and not self._closed:
            self._ticking = True
            self._add(Tick())

    def _cancel(self) -> None:
        self._was_held_up()
        for handle in (self._sleeping, self._looking):
            if handle is not None:
                handle.cancel()
        self._sleeping = self._looking = None
