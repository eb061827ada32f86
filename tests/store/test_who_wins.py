"""Two things happen to a parked run in one batch, in either order: see docs/who-wins.md."""

from collections.abc import Callable

import pytest

from tako.commands import (
    Cancel,
    Changed,
    ClaimedRun,
    Command,
    ListWaits,
    Rerun,
    Signal,
    Signalled,
    Tick,
)
from tests.store.driver import START, Driver

DEADLINE = 1_000  # ms after its start


def signal(_run: ClaimedRun) -> Command:
    return Signal("event-1", "e", '"yes"')


def cancel(run: ClaimedRun) -> Command:
    return Cancel(run.id, "not needed")


def rerun(run: ClaimedRun) -> Command:
    return Rerun(run.id)


def deadline(_run: ClaimedRun) -> Command:
    return Tick()


Happening = Callable[[ClaimedRun], Command]


def kept_events(driver: Driver) -> list[str]:
    return [event.event for event in driver.do(ListWaits()).events]


@pytest.mark.parametrize(
    ("first", "second", "state", "kept"),
    [
        (signal, cancel, "cancelled", []),
        (cancel, signal, "cancelled", ["e"]),
        (deadline, cancel, "cancelled", []),
        (cancel, deadline, "cancelled", []),
        (cancel, rerun, "pending", []),
        (signal, rerun, "pending", []),
    ],
)
def test_of_two_things_in_one_batch_the_first_is_done_and_the_second_finds_it_so(
    driver: Driver, first: Happening, second: Happening, state: str, kept: list[str]
) -> None:
    run = driver.parked(timeout=DEADLINE)
    if deadline in (first, second):
        driver.now = START + DEADLINE
    driver.batch(first(run), second(run))
    assert driver.state(run) == state
    assert driver.waiters(run) == []
    assert kept_events(driver) == kept


def test_a_run_that_a_signal_has_woken_can_still_be_cancelled(driver: Driver) -> None:
    run = driver.parked()
    assert driver.signal() == Signalled("delivered", 1)
    assert driver.do(cancel(run)) == Changed(True, "cancelled")
    assert driver.claim() == []
    assert driver.step(run) == ("ok", "1"), "it was delivered, and is not delivered again"
    assert kept_events(driver) == []


def test_a_run_whose_deadline_has_passed_can_still_be_cancelled(driver: Driver) -> None:
    run = driver.parked(timeout=DEADLINE)
    driver.tick(START + DEADLINE)
    assert driver.do(cancel(run)) == Changed(True, "cancelled")
    assert driver.claim() == []


def test_a_signal_after_the_deadline_is_kept_though_nobody_has_noticed_the_deadline(
    driver: Driver,
) -> None:
    run = driver.parked(timeout=DEADLINE)
    driver.restart()  # no server ran at the deadline
    driver.now = START + DEADLINE + 5_000
    assert driver.signal() == Signalled("buffered", 0)
    driver.tick()
    assert driver.step(run) == ("timeout", None)


def test_a_signal_before_the_deadline_wins_though_the_clock_is_set_forward_after_it(
    driver: Driver,
) -> None:
    run = driver.parked(timeout=DEADLINE)
    driver.signal()
    driver.tick(START + 10 * DEADLINE)
    assert driver.step(run) == ("ok", "1")


def test_a_deadline_waits_for_a_clock_that_was_set_back(driver: Driver) -> None:
    run = driver.parked(timeout=DEADLINE)
    driver.tick(START - 60_000)
    assert driver.state(run) == "waiting"
    driver.tick(START + DEADLINE)
    assert driver.state(run) == "pending"


def test_a_clock_that_was_set_forward_brings_the_deadline(driver: Driver) -> None:
    run = driver.parked(timeout=DEADLINE)
    driver.tick(START + 60_000)
    assert driver.step(run) == ("timeout", None)
