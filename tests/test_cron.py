"""Cron rules: when they come, also in the nights in which clocks are changed."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.cron import check, due, following, in_words, moment_json, moment_of_run, run_id_of

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = "2026-03-29", "2026-10-25"  # 2:00 becomes 3:00; 3:00 becomes 2:00
HOUR = 3_600_000


def ms(text: str) -> int:
    """A moment in Berlin; ``Z`` at its end: in UTC."""
    found = datetime.fromisoformat(text)
    return int(
        (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(BERLIN))).timestamp() * 1e3
    )


def moments(rule: str, zone: str, after: str, count: int) -> list[str]:
    """The next moments, as a clock on a wall there shows them, with the offset."""
    found, at = [], ms(after)
    for _ in range(count):
        upcoming = following(rule, zone, at)
        assert upcoming is not None
        assert upcoming > at
        at = upcoming
        shown = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone))
        found.append(shown.strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("rule", "zone", "after", "expected"),
    [
        ("0 3 * * 1-5", "UTC", "2026-11-20T02:00Z", ["11-20 03:00 +0000", "11-23 03:00 +0000"]),
        ("0 3 * * 1-5", BERLIN, "2026-11-20T02:00Z", ["11-23 03:00 +0100", "11-24 03:00 +0100"]),
        ("0 9 * * *", BERLIN, f"{SPRING}T00:00", ["03-29 09:00 +0200", "03-30 09:00 +0200"]),
        # What has a time of day in the hour that is not there comes at its end, once.
        ("30 2 * * *", BERLIN, f"{SPRING}T00:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"]),
        ("0,30 2 * * *", BERLIN, f"{SPRING}T00:00", ["03-29 03:00 +0200", "03-30 02:00 +0200"]),
        # In the hour that is there twice it comes the first time only.
        ("30 2 * * *", BERLIN, f"{AUTUMN}T00:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        # Asked in the second of the two hours, what was in the first is not ahead any more.
        ("30 2 * * *", BERLIN, f"{AUTUMN}T01:15Z", ["10-26 02:30 +0100"]),
        # What comes all day long goes by what has passed, not by the clock on the wall.
        ("*/30 * * * *", BERLIN, f"{SPRING}T01:15", ["03-29 01:30 +0100", "03-29 03:00 +0200"]),
        (
            "*/30 * * * *",
            BERLIN,
            f"{AUTUMN}T01:45",
            [
                "10-25 02:00 +0200",
                "10-25 02:30 +0200",
                "10-25 02:00 +0100",
                "10-25 02:30 +0100",
                "10-25 03:00 +0100",
            ],
        ),
        ("0 0 L * *", "UTC", "2028-02-01T00:00Z", ["02-29 00:00 +0000", "03-31 00:00 +0000"]),
        ("0 0 * 2 MON#5", "UTC", "2026-01-01T00:00Z", ["02-29 00:00 +0000"]),
    ],
)
def test_a_rule_comes_when_it_says_in_its_zone(
    rule: str, zone: str, after: str, expected: list[str]
) -> None:
    assert moments(rule, zone, after, len(expected)) == expected


def test_a_rule_of_six_fields_begins_with_the_seconds() -> None:
    at = ms("2026-11-23T10:00:00Z")
    assert following("*/5 * * * * *", "UTC", at) == at + 5000
    assert following("*/5 * * * * *", "UTC", at + 1) == at + 5000
    assert following("*/5 * * * * *", "UTC", at - 1) == at


RULES = ["* * * * *", "30 2 * * *", "0,30 1-3 * * *", "0 */2 * * *", "*/20 1 * * 0", "5 5 2 * * *"]


@given(
    st.sampled_from(RULES),
    st.sampled_from([BERLIN, "America/Santiago", "Atlantic/Azores", "UTC"]),
    st.sampled_from([SPRING, AUTUMN, "2026-09-06", "2026-04-05"]),
    st.integers(-5 * HOUR, 5 * HOUR),
    st.integers(0, 9 * HOUR),
)
def test_of_missed_moments_the_last_is_found_as_if_all_were_looked_at(
    rule: str, zone: str, day: str, since: int, away: int
) -> None:
    first = following(rule, zone, ms(f"{day}T02:00") + since)
    assert first is not None
    now = first + away
    passed = [first]
    while passed[-1] <= now:
        upcoming = following(rule, zone, passed[-1])
        assert upcoming is not None
        passed.append(upcoming)
    assert all(a < b for a, b in pairwise(passed))
    assert due(rule, zone, first, now) == (passed[-2], passed[-1])


def test_a_server_that_was_away_for_ten_years_looks_at_few_moments() -> None:
    first = ms("2026-01-01T00:00:00Z")
    now = ms("2036-01-01T00:00:00.500Z")
    assert due("* * * * * *", "UTC", first, now) == (now - 500, now + 500)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("", "wrong number of fields"),
        ("0 3 * *", "wrong number of fields"),
        ("@daily", "wrong number of fields"),
        ("61 3 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 3 0 * *", "bad day-of-month"),
        ("0 3 * 13 *", "bad month"),
        ("0 3 * * MOO", "bad day-of-week"),
        ("61 0 3 * * *", "bad second"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("٣ * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */31 2 1#5", "never comes"),
        ("0 0 31 4,6 */8", "bad day-of-month"),
        ("0," * 200 + "0 * * * *", "longer than 200 characters"),
    ],
)
def test_what_is_no_rule_is_refused_and_shown(rule: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        check(rule, "UTC")
    assert repr(rule[:40])[:-1] in str(refused.value)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "Europe", "/", "UTC\0"])
def test_what_is_no_zone_is_refused_and_shown(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone") as refused:
        check("0 3 * * *", zone)
    assert repr(zone) in str(refused.value)


@pytest.mark.parametrize(("rule", "zone"), [(3, "UTC"), (None, "UTC"), ("0 3 * * *", None)])
def test_what_is_no_text_is_refused(rule: str, zone: str) -> None:
    with pytest.raises(TypeError, match="must be a text"):
        check(rule, zone)


def test_the_end_of_all_times_is_an_error_like_others() -> None:
    with pytest.raises(ValueError, match="schedule"):
        following("0 0 1 1 *", BERLIN, ms("9999-12-31T12:00Z"))


@given(st.text("0123456789*/-,#LW MONJAN", max_size=30))
def test_any_text_is_a_rule_with_words_or_a_value_error(rule: str) -> None:
    try:
        check(rule, "UTC")
    except ValueError:
        return
    assert in_words(rule)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("0 3 * * 1-5", "At 03:00 on Monday through Friday"),
        ("0 0 31 1 1", "At 00:00 on the 31st day of month and on Monday in January"),
        (
            "0 0 1,12,22,23 * *",
            "At 00:00 on the first, the 12th, the 22nd, and the 23rd day of month",
        ),
        ("*/10 * * * * *", "Every 10th second of every minute"),
    ],
)
def test_a_rule_in_words(rule: str, words: str) -> None:
    assert in_words(rule) == words


def test_a_moment_is_given_with_the_offset_of_its_zone() -> None:
    assert moment_json(ms("2026-11-23T02:00:00Z"), BERLIN) == '{"at":"2026-11-23T03:00:00+01:00"}'
    assert moment_json(0, "UTC") == '{"at":"1970-01-01T00:00:00Z"}'


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


@given(NAMES, st.integers(0, 250_000_000_000))
def test_a_runs_id_tells_its_moment_and_fits(name: str, second: int) -> None:
    run_id = run_id_of(name, second * 1000)
    assert len(run_id) <= 200
    assert moment_of_run(run_id, name) == second * 1000
    assert moment_of_run(run_id, name + "x") is None


def test_a_runs_id_can_be_read() -> None:
    at = ms("2026-11-23T02:00:00Z")
    assert run_id_of("nightly", at) == "nightly-20261123T020000Z"
    assert moment_of_run("nightly-20261123T020000Z", "nightly") == at
    assert moment_of_run("nightly-20261123T02000Z", "nightly") is None
    assert moment_of_run("nightly-20261123T 20000Z", "nightly") is None
    assert moment_of_run("nightly", "nightly") is None
    assert moment_of_run("", "nightly") is None


def test_long_names_that_begin_alike_have_other_ids() -> None:
    assert run_id_of("w" * 199 + "a", 0) != run_id_of("w" * 199 + "b", 0)
