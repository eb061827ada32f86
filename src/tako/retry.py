"""How long to wait before the next attempt."""

import math
from collections.abc import Callable
from datetime import timedelta

import msgspec

from tako.durations import seconds


class Backoff(msgspec.Struct, frozen=True):
    """Delays that grow: ``first`` seconds, each time ``factor`` times longer, up to ``maximum``.

    A delay is spread by ``jitter`` to both sides (0.2: +-20 %), so that what failed together
    does not come back together. ``maximum`` is never exceeded, not even by the jitter: delays
    that have reached it are spread below it.

    Raises:
        TypeError: a value is not a number.
        ValueError: a value is negative or not finite, ``factor`` is under 1, ``jitter`` over 1,
            or ``maximum`` under ``first``.
    """

    first: float = 1.0  # seconds
    factor: float = 2.0
    maximum: float = 3600.0  # seconds
    jitter: float = 0.2

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            _check(f"Backoff.{field}", getattr(self, field))
        if self.factor < 1:
            raise ValueError(f"Backoff.factor must be at least 1, not {self.factor}")
        if self.jitter > 1:
            raise ValueError(f"Backoff.jitter must be between 0 and 1, not {self.jitter}")
        if self.maximum < self.first:
            raise ValueError(
                f"Backoff.maximum ({self.maximum} s) is under Backoff.first ({self.first} s): "
                "raise the maximum"
            )

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after the ``failures``-th failure in a row, counted from 1.

        ``random`` gives numbers from 0 to 1, as ``random.random`` does.
        """
        middle = min(self._grown(failures), self.maximum / (1 + self.jitter))
        return min(middle * (1 + self.jitter * (2 * random() - 1)), self.maximum)

    def _grown(self, failures: int) -> float:
        if not self.first:
            return 0.0
        try:
            return self.first * self.factor ** min(max(failures - 1, 0), 1 << 53)
        except OverflowError:
            return self.maximum


def to_backoff(value: Backoff | timedelta | float | str | None) -> Backoff:
    """What a ``backoff=`` option means: a duration as everywhere (seconds, a timedelta, "3s") is a
    constant delay without jitter, None is the default.

    Raises:
        TypeError: ``value`` is none of these; a bool is not.
        ValueError: the delay is negative, not finite, over 100 years, or no known text.
    """
    if value is None:
        return Backoff()
    if isinstance(value, Backoff):
        return value
    delay = seconds(value, what="backoff")
    return Backoff(first=delay, factor=1.0, maximum=delay, jitter=0.0)


def _check(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} must be a number, not {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{what} must be finite and not negative, not {value!r}")
