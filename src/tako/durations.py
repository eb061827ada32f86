"""Durations and moments as people write them, as the engine counts them, and back again."""

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TEXT = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d)", re.ASCII)
_LONGEST = 36_525 * 86_400.0  # 100 years
_HOW = 'give a timedelta, seconds as a number, or a text such as "500ms", "3s", "5m", "2h", "7d"'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def seconds(value: timedelta | float | str, *, what: str) -> float:
    """``value`` in seconds, between 0 and 100 years.

    Raises:
        TypeError: ``value`` is not a timedelta, a number or a text; a bool is none of them.
        ValueError: it is negative, not finite, longer than 100 years, or not a known text.
    """
    number = _number(value, what)
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a finite duration, not {value!r}")
    if number < 0:
        raise ValueError(f"{what} must not be negative: {value!r}")
    if number > _LONGEST:
        raise ValueError(f"{what} must be at most 100 years: {value!r}")
    return number


def to_ms(value: timedelta | float | str, *, what: str) -> int:
    """``value`` in whole milliseconds, rounded up, so that nothing happens early.

    Raises the same errors as :func:`seconds`.
    """
    # 1.1 s is 1100.0000000000002 ms to a float: what lies below a microsecond is not meant.
    return -(-timedelta(seconds=seconds(value, what=what)) // _MS)


def moment_ms(when: datetime, what: str) -> int:
    """A moment in milliseconds since the epoch, rounded up.

    Raises:
        TypeError: ``when`` is not a datetime.
        ValueError: it has no timezone, so that it could mean several moments.
    """
    if not isinstance(when, datetime):
        raise TypeError(
            f"{what} must be a datetime with a timezone, not {type(when).__name__} {when!r}"
        )
    if when.utcoffset() is None:
        raise ValueError(
            f"{what} has no timezone: {when.isoformat()}. Add one, e.g. datetime.now(UTC) or "
            "when.replace(tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    return -((_EPOCH - when) // _MS)


def zone_of(name: str, what: str) -> tzinfo:
    """An IANA time zone, such as "Europe/Berlin". Raises ValueError: it is not known here."""
    if name == "UTC":  # is there without a database of zones
        return UTC
    from zoneinfo import ZoneInfo  # only those pay for it who have a zone

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise ValueError(
            f"{what}: {name!r} is no time zone that is known here: write it as "
            '"Europe/Berlin"; if that is right, install the package tzdata'
        ) from error


def moment_of(ms: int) -> datetime:
    """The moment that is ``ms`` milliseconds after the epoch, in UTC."""
    return _EPOCH + ms * _MS


def format_ms(ms: int) -> str:
    """A duration for people, in its two largest units: "7 days", "2 h 5 min", "1.5 s"."""
    if ms < 0:
        return "-" + format_ms(-ms)
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        whole, tenth = divmod(ms // 100, 10)
        return f"{whole}.{tenth} s" if tenth else f"{whole} s"
    return _two_units(ms // 1000)


def _two_units(whole: int) -> str:
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (secs, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def _number(value: object, what: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _parsed(value, what)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is {value!r}, which is no duration: {_HOW}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} must be at most 100 years") from None


def _parsed(text: str, what: str) -> float:
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{what} is {text!r}, which is no duration: {_HOW}")
    return float(match[1]) * _UNITS[match[2]]


def ago(ms: int | None, now: int) -> str:
    """A moment as seen from ``now``: "3 s ago", "in 5 min"; "" for none."""
    if ms is None:
        return ""
    apart = abs(now - ms)
    if apart < 1000:
        return "now"
    text = format_ms(apart - apart % 1000)
    return f"{text} ago" if ms < now else f"in {text}"


def clock(ms: int) -> str:
    """A moment in local time, with its zone, to the second."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
