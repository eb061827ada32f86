"""Deadlines in working days: `Workdays`, a pure calculation over a time zone and a calendar."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from tako.durations import moment_ms, moment_of, zone_of
from tako.errors import ConfigError

_MOST_DAYS = 1000
_SATURDAY = 5


@dataclass(frozen=True)
class Workdays:
    """The ``days``-th working day after today in ``zone``, at the time of day that it is now.

    Args:
        days: 1 to 1000; today does not count, nor do Saturdays and Sundays.
        zone: an IANA time zone, such as "Europe/Berlin"; "today" is today there.
        holidays: a country, or a country and a part of it, whose public holidays do not count:
            "DE", "DE-BY", "US-CA". Needs ``pip install 'tako[workdays]'``.
        at: a time of day there instead of that of now.

    A time of day that does not exist on that day, because clocks are put forward, is later by as
    much as they are; of one that comes twice the first counts.

    Raises:
        TypeError, ValueError: ``days`` or ``at`` cannot be used.
        ConfigError: there is no such time zone. (Of ``holidays``: when it is first used.)
    """

    days: int
    _: KW_ONLY
    zone: str
    holidays: str | None = None
    at: time | None = None

    def __post_init__(self) -> None:
        if type(self.days) is not int:
            raise TypeError(f"Workdays: days must be a whole number, not {self.days!r}")
        if not 1 <= self.days <= _MOST_DAYS:
            raise ValueError(f"Workdays: days must be 1 to {_MOST_DAYS}, not {self.days}")
        if self.at is not None and not isinstance(self.at, time):
            raise TypeError(f"Workdays: at must be a datetime.time, not {self.at!r}")
        if self.at is not None and self.at.tzinfo is not None:
            raise ValueError(f"Workdays: at is a time of day in {self.zone}: give it no timezone")
        _zone(self.zone)

    def after(self, now: int) -> int:
        """The moment, in ms since 1970, for somebody who asks at ``now`` (ms since 1970).

        Raises:
            ConfigError: the library `holidays` is missing, or it has no such calendar.
        """
        zone = _zone(self.zone)
        here = moment_of(now).astimezone(zone)
        is_free = _calendar(self.holidays)
        day, left = here.date(), self.days
        while left:
            day += timedelta(days=1)
            if day.weekday() < _SATURDAY and not is_free(day):
                left -= 1
        # fold=0: the first of two; of one in a gap, what the clock before the gap would say.
        clock = (self.at or here.time()).replace(fold=0)
        return moment_ms(datetime.combine(day, clock, tzinfo=zone), "the working day")


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(name, "Workdays")
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _calendar(code: str | None) -> Callable[[date], bool]:
    """Whether a day is a public holiday there."""
    if code is None:
        return lambda _: False
    try:
        import holidays as library  # 30 ms that only those pay who have a calendar
    except ImportError as error:
        raise ConfigError(
            f"Workdays: holidays={code!r} needs the library holidays: pip install 'tako[workdays]'"
        ) from error
    country, _, part = code.partition("-")
    try:
        known: Any = library.country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ConfigError(
            f"Workdays: there is no calendar {code!r}: {error}; write a country as "
            '"DE", a part of it as "DE-BY"'
        ) from error
    return known.__contains__  # type: ignore[no-any-return]
