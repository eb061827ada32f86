"""Delays between attempts: how they grow, where they end, how they are spread."""

import math
import random
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.retry import Backoff, to_backoff


def middle() -> float:
    return 0.5


def test_the_default_doubles_from_one_second_up_to_an_hour() -> None:
    delays = [Backoff().delay(n, middle) for n in range(1, 12)]
    assert delays == [2.0**n for n in range(11)]
    assert Backoff().delay(100, lambda: 1.0) == 3600


@pytest.mark.parametrize(("rolled", "expected"), [(0.0, 3.2), (0.5, 4.0), (1.0, 4.8)])
def test_jitter_spreads_a_delay_by_a_fifth_to_both_sides(rolled: float, expected: float) -> None:
    assert Backoff().delay(3, lambda: rolled) == pytest.approx(expected)


def test_delays_at_the_maximum_are_spread_too(rng: random.Random) -> None:
    delays = {Backoff().delay(50, rng.random) for _ in range(100)}
    assert len(delays) > 90
    assert 2400 <= min(delays) < max(delays) <= 3600


POSITIVE = st.floats(0, 1e300)


@given(
    st.builds(
        lambda first, factor, more, jitter: Backoff(first, factor, first + more, jitter),
        POSITIVE,
        st.floats(1, 1e300),
        POSITIVE,
        st.floats(0, 1),
    ),
    st.integers(0, 10**400),
    st.floats(0, 1),
)
def test_no_delay_is_negative_or_over_the_maximum_after_any_number_of_failures(
    backoff: Backoff, failures: int, rolled: float
) -> None:
    assert 0 <= backoff.delay(failures, lambda: rolled) <= backoff.maximum


@pytest.mark.parametrize("value", [5, 5.0, timedelta(seconds=5), "5s"])
@pytest.mark.parametrize("failures", [1, 2, 10**400])
def test_a_number_or_a_timedelta_is_a_constant_delay(value: Any, failures: int) -> None:
    assert to_backoff(value).delay(failures, lambda: 1.0) == 5


def test_zero_means_at_once_after_any_number_of_failures() -> None:
    assert to_backoff(0).delay(10**6, lambda: 1.0) == 0
    assert Backoff(first=0).delay(10**6, lambda: 1.0) == 0


def test_none_is_the_default_and_a_backoff_is_itself() -> None:
    assert to_backoff(None) == Backoff()
    own = Backoff(first=3)
    assert to_backoff(own) is own


@pytest.mark.parametrize("value", [True, [1], b"", Backoff])
def test_what_is_no_delay_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match=r"backoff is .*, which is no duration"):
        to_backoff(value)


@pytest.mark.parametrize("value", [-1, -0.1, math.nan, math.inf, timedelta(seconds=-1)])
def test_a_delay_that_is_negative_or_not_finite_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"backoff must (be a finite duration|not be negative)"):
        to_backoff(value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"first": -1}, "Backoff.first must be finite and not negative, not -1"),
        ({"maximum": math.inf}, "Backoff.maximum must be finite"),
        ({"factor": 0.5}, "Backoff.factor must be at least 1, not 0.5"),
        ({"jitter": 1.5}, "Backoff.jitter must be between 0 and 1, not 1.5"),
        ({"first": 7200}, "Backoff.maximum (3600.0 s) is under Backoff.first (7200 s)"),
    ],
)
def test_a_backoff_that_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Backoff(**options)


@pytest.mark.parametrize("value", [True, "1", None])
def test_an_option_of_a_backoff_that_is_no_number_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match=r"Backoff\.jitter must be a number, not "):
        Backoff(jitter=value)


def test_a_backoff_goes_over_the_wire_and_is_checked_there() -> None:
    own = Backoff(first=3, jitter=0)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(own), type=Backoff) == own
    with pytest.raises(msgspec.ValidationError, match="at least 1"):
        msgspec.convert({"factor": 0.5}, Backoff)
