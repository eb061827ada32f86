"""What `signal` takes, and what it says has happened."""

from typing import Any

import pytest

import tako
from tests.support import AppFixture, until


def wait_for(event: str, count: int = 1) -> list[tako.Handle[Any]]:
    """So many runs that are parked on ``event``."""
    handles = [tako.enqueue_sync("ask", event) for _ in range(count)]
    until(lambda: {handle.status_sync().state for handle in handles} == {"waiting"})
    return handles


def test_a_signal_is_delivered_to_all_who_wait(served: AppFixture) -> None:
    handles = wait_for("signal:all", 3)
    assert tako.signal_sync("signal:all", {"by": "ana"}) == tako.SignalResult("delivered", 3)
    assert [handle.result_sync(timeout=60) for handle in handles] == [{"by": "ana"}] * 3


def test_a_signal_that_nobody_waits_for_is_kept_for_the_next(served: AppFixture) -> None:
    assert tako.signal_sync("signal:early", 1) == tako.SignalResult("buffered", 0)
    assert tako.enqueue_sync("ask", "signal:early").result_sync(timeout=60) == 1


def test_a_signal_with_the_same_key_is_a_duplicate(served: AppFixture) -> None:
    (handle,) = wait_for("signal:key")
    assert tako.signal_sync("signal:key", 1, key="k").outcome == "delivered"
    assert tako.signal_sync("signal:key", 2, key="k").outcome == "duplicate"
    assert handle.result_sync(timeout=60) == 1


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (("",), {}, ValueError, "event's name must have 1 to 500"),
    (("x" * 501,), {}, ValueError, "event's name must have 1 to 500"),
    (("a\0b",), {}, ValueError, "no control characters"),
    ((5,), {}, TypeError, "event's name must be a text"),
    (("e", object()), {}, tako.CodecError, "payload of signal 'e'"),
    (("e", "x" * 2**20), {}, tako.TooLarge, "payload of signal 'e'"),
    (("e", 1), {"key": ""}, ValueError, "key must have"),
]


@pytest.mark.parametrize(("args", "options", "error", "says"), WRONG)
def test_a_signal_that_cannot_be_sent_is_refused(
    served: AppFixture,
    args: tuple[Any, ...],
    options: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        tako.signal_sync(*args, **options)
