"""One timer for the earliest due thing of an app; nothing is polled."""

import asyncio
from collections.abc import Callable

from tako.clock import now_ms
from tako.commands import Tick
from tako.errors import StorageError
from tako.store import Store

_LONGEST = 60.0  # s of sleep, so that a suspended machine or a stepped clock is noticed
_SOON = 0.005  # s: many changes, one look
_AFTER_TROUBLE = 1.0  # s
_STUCK = 1_000  # ticks on one due time after which it is not progress any more


class Timers:
    """``tick`` puts a `Tick` into the next batch, which ends with a call of `ticked`."""

    def __init__(self, store: Store, tick: Callable[[Tick], None]) -> None:
        self._store = store
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._sleeping: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._ticking = False
        self._last_due: tuple[int, int] = (0, 0)  # and how often
        self._closed = False

    def changed(self) -> None:
        """A time was written: look again, soon."""
        if self._looking is None and not self._ticking and not self._closed:
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
        self._sleeping = self._loop.call_later(seconds, self._fire)

    def _fire(self) -> None:
        """Also when nothing seems due: each batch compares the clocks."""
        self._cancel()
        if not self._ticking and not self._closed:
            self._ticking = True
            self._tick(Tick())

    def _cancel(self) -> None:
        for handle in (self._sleeping, self._looking):
            if handle is not None:
                handle.cancel()
        self._sleeping = self._looking = None
