"""Durations and moments: what is understood, what is refused, what people read."""

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.durations import format_ms, moment_ms, seconds, to_ms

CENTURY = 36_525 * 86_400


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500ms", 0.5),
        ("3s", 3),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604_800),
        ("1.5 h", 5400),
        (" 3s ", 3),
        (0, 0),
        (0.25, 0.25),
        (timedelta(days=1, microseconds=1), 86_400.000001),
        ("36525d", CENTURY),
    ],
)
def test_a_duration_is_understood(value: Any, expected: float) -> None:
    assert seconds(value, what="timeout") == expected


@pytest.mark.parametrize("value", [True, False, None, b"3s", [3], datetime.now(UTC)])
def test_what_is_no_duration_is_a_type_error_that_names_it(value: Any) -> None:
    with pytest.raises(TypeError, match=r"timeout is .*give a timedelta"):
        seconds(value, what="timeout")


@pytest.mark.parametrize("text", ["", "3", "s", "3 weeks", "-3s", "1e3s", "٣s", "3s5m", "3S"])
def test_a_text_that_is_no_duration_is_a_value_error_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r'timeout is .*such as "500ms"'):
        seconds(text, what="timeout")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-1, "must not be negative: -1"),
        (timedelta(microseconds=-1), "must not be negative"),
        (math.nan, "must be a finite duration, not nan"),
        (math.inf, "must be a finite duration, not inf"),
        (-math.inf, "must be a finite duration"),
        (CENTURY + 1, "at most 100 years"),
        (timedelta.max, "at most 100 years"),
        ("9" * 400 + "d", "finite"),
        (10**400, "at most 100 years"),
    ],
)
def test_a_duration_out_of_range_is_refused(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match="lease .*" + re.escape(says)):
        seconds(value, what="lease")


@given(st.integers(0, CENTURY * 1000))
def test_whole_milliseconds_stay_what_they_are(ms: int) -> None:
    assert to_ms(timedelta(milliseconds=ms), what="delay") == ms
    assert to_ms(f"{ms}ms", what="delay") == ms
    assert to_ms(ms / 1000, what="delay") == ms


@given(st.timedeltas(timedelta(0), timedelta(days=36_525)))
def test_a_part_of_a_millisecond_rounds_up(value: timedelta) -> None:
    assert to_ms(value, what="delay") == -(-value // timedelta(milliseconds=1))


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_is_the_next_whole_millisecond_since_the_epoch(when: datetime) -> None:
    ms = moment_ms(when, "run_at")
    past = timedelta(milliseconds=ms) - (when - datetime(1970, 1, 1, tzinfo=UTC))
    assert timedelta(0) <= past < timedelta(milliseconds=1)


def test_one_moment_in_two_timezones_is_one_number() -> None:
    here = datetime(2026, 7, 1, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    there = datetime(2026, 7, 1, 5, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert moment_ms(here, "run_at") == moment_ms(there, "run_at") == 1_782_900_000_000


def test_a_moment_without_a_timezone_is_refused_with_the_advice_to_add_one() -> None:
    with pytest.raises(ValueError, match=r"run_at has no timezone: 2026-01-02T.*datetime.now\(UTC"):
        moment_ms(datetime(2026, 1, 2), "run_at")  # noqa: DTZ001


@pytest.mark.parametrize("when", [date(2026, 1, 2), 3, "2026-01-02", None])
def test_what_is_no_moment_is_a_type_error(when: Any) -> None:
    with pytest.raises(TypeError, match="run_at must be a datetime with a timezone, not "):
        moment_ms(when, "run_at")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1500, "1.5 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min"),
        (90_500, "1 min 30 s"),
        (7_500_000, "2 h 5 min"),
        (3_600_000 + 5_000, "1 h"),
        (86_400_000, "1 day"),
        (604_800_000, "7 days"),
        (90_000_000, "1 day 1 h"),
        (-1500, "-1.5 s"),
    ],
)
def test_people_read_a_duration_in_its_two_largest_units(ms: int, text: str) -> None:
    assert format_ms(ms) == text
