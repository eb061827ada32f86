"""Deadlines in working days, across changes of the clock and holidays."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako import ConfigError, Workdays

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def ms(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def after(start: str, days: Workdays) -> str:
    """Both as wall clocks in the zone of ``days``, the result with its offset."""
    moment = datetime.fromtimestamp(days.after(ms(start, days.zone)) / 1000, ZoneInfo(days.zone))
    return moment.isoformat(sep=" ", timespec="minutes")


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-03-25 15:00", Workdays(1, zone=BERLIN), "2026-03-26 15:00+01:00"),
        ("2026-03-27 15:00", Workdays(1, zone=BERLIN), "2026-03-30 15:00+02:00"),  # put forward
        ("2026-10-23 15:00", Workdays(1, zone=BERLIN), "2026-10-26 15:00+01:00"),  # put back
        ("2026-03-06 09:30", Workdays(2, zone=NEW_YORK), "2026-03-10 09:30-04:00"),
        ("2026-10-30 09:30", Workdays(2, zone=NEW_YORK), "2026-11-03 09:30-05:00"),
        ("2026-08-01 08:00", Workdays(1, zone=BERLIN), "2026-08-03 08:00+02:00"),  # a Saturday
        ("2026-08-07 08:00", Workdays(5, zone=BERLIN), "2026-08-14 08:00+02:00"),
        ("2026-08-07 08:00", Workdays(1, zone=BERLIN, at=time(17)), "2026-08-10 17:00+02:00"),
    ],
)
def test_the_wall_clock_stays_and_weekends_do_not_count(
    start: str, days: Workdays, expected: str
) -> None:
    assert after(start, days) == expected


@pytest.mark.parametrize(
    ("start", "calendar", "expected"),
    [
        ("2026-12-23 12:00", "DE", "2026-12-28 12:00+01:00"),  # the 25th and 26th are holidays
        ("2026-04-02 12:00", "DE", "2026-04-08 12:00+02:00"),  # Good Friday, Easter Monday
        ("2026-01-05 12:00", "DE-BY", "2026-01-08 12:00+01:00"),  # Epiphany, in Bavaria
        ("2026-01-05 12:00", "DE", "2026-01-07 12:00+01:00"),
        ("2026-12-23 12:00", None, "2026-12-25 12:00+01:00"),
    ],
)
def test_public_holidays_do_not_count(start: str, calendar: str | None, expected: str) -> None:
    assert after(start, Workdays(2, zone=BERLIN, holidays=calendar)) == expected


def test_a_time_of_day_that_does_not_exist_is_later_by_as_much_as_the_clock_is_put_forward() -> (
    None
):
    # Clocks in Cairo went from 00:00 to 01:00 on Friday, 26 April 2024.
    assert after("2024-04-25 00:30", Workdays(1, zone="Africa/Cairo")) == "2024-04-26 01:30+03:00"


def test_of_a_time_of_day_that_comes_twice_the_first_counts() -> None:
    # Clocks in Cairo went from 24:00 back to 23:00 on Thursday, 31 October 2024.
    days = Workdays(1, zone="Africa/Cairo")
    assert after("2024-10-30 23:30", days) == "2024-10-31 23:30+03:00"
    second = ms("2024-10-31 23:30", "Africa/Cairo") + 3_600_000
    assert days.after(second) == ms("2024-11-01 23:30", "Africa/Cairo")


def test_today_is_today_in_the_zone() -> None:
    late = round(datetime(2026, 8, 6, 23, 0, tzinfo=UTC).timestamp() * 1000)  # Friday in Berlin
    assert Workdays(1, zone=BERLIN).after(late) == ms("2026-08-10 01:00", BERLIN)
    assert Workdays(1, zone="UTC").after(late) == ms("2026-08-07 23:00", "UTC")


@given(
    now=st.integers(946_684_800_000, 2_840_140_800_000),  # 2000 to 2060
    days=st.integers(1, 60),
    zone=st.sampled_from([BERLIN, NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    calendar=st.sampled_from([None, "DE", "US"]),
)
def test_it_is_a_working_day_as_many_of_them_later_and_at_the_same_time_of_day(
    now: int, days: int, zone: str, calendar: str | None
) -> None:
    found = Workdays(days, zone=zone, holidays=calendar).after(now)
    start, end = (datetime.fromtimestamp(at / 1000, ZoneInfo(zone)) for at in (now, found))
    free = holidays.country_holidays(calendar) if calendar else {}

    def works(day: date) -> bool:
        return day.weekday() < 5 and day not in free

    between = [start.date() + timedelta(n) for n in range(1, (end.date() - start.date()).days + 1)]
    assert works(end.date())
    assert sum(map(works, between)) == days
    assert end.time() == start.time().replace(fold=0)  # clocks change on Sundays in these zones


# --- what cannot be


HALF: Any = 2.5
TEXT: Any = "17:00"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Workdays(0, zone=BERLIN), "days must be 1 to 1000, not 0"),
        (lambda: Workdays(HALF, zone=BERLIN), "days must be a whole number, not 2.5"),
        (lambda: Workdays(True, zone=BERLIN), "days must be a whole number, not True"),
        (lambda: Workdays(1, zone="Berlin"), "'Berlin' is no time zone"),
        (lambda: Workdays(1, zone="../passwd"), "'../passwd' is no time zone"),
        (lambda: Workdays(1, zone="Europe"), "'Europe' is no time zone"),
        (lambda: Workdays(1, zone=BERLIN, at=TEXT), "at must be a datetime.time"),
        (lambda: Workdays(1, zone=BERLIN, at=time(17, tzinfo=UTC)), "give it no timezone"),
        (lambda: Workdays(1, zone=BERLIN, holidays="XX").after(0), "there is no calendar 'XX'"),
        (lambda: Workdays(1, zone=BERLIN, holidays="DE-XX").after(0), "no calendar 'DE-XX'"),
    ],
)
def test_what_cannot_be_is_said_by_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError, ConfigError), match=message):
        make()


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)  # as if it were not there
    with pytest.raises(ConfigError, match=r"pip install 'tako\[workdays\]'"):
        Workdays(1, zone=BERLIN, holidays="DE").after(0)
    assert Workdays(1, zone="UTC").after(0) == 86_400_000
