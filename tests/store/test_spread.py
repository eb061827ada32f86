"""An event for very many waiters is delivered bit by bit, and means the same as if at once."""

import pytest

from tako.commands import (
    Cancel,
    Claim,
    ClaimedRun,
    Command,
    Enqueue,
    ListWaits,
    Park,
    Signal,
    Signalled,
    Spread,
    Tick,
    Waiting,
)
from tako.store.waiting import AT_ONCE
from tests.store.driver import INT, START, Driver, waiting

MANY = 2 * AT_ONCE + 200


def crowd(driver: Driver, count: int = MANY, event: str = "e", **options: object) -> list[str]:
    """Runs that wait for one event, in the order of their waits."""
    ids = [driver.new("run") for _ in range(count)]
    driver.batch(*[Enqueue(run_id, "w", "{}", "default") for run_id in ids])
    (reply,) = driver.batch(Claim(count, "crowd", "default", ("w",)))
    runs: list[ClaimedRun] = reply.runs
    assert [run.id for run in runs] == ids
    waits: list[Command] = [waiting(run, event, **options) for run in runs]
    driver.batch(*waits, *[Park(run.id, run.lease_id, ["wait"]) for run in runs])
    return ids


def states(driver: Driver, ids: list[str]) -> set[str]:
    return {driver.state(run_id) for run_id in ids}


def test_not_so_many_waiters_are_woken_at_once(driver: Driver) -> None:
    ids = crowd(driver, AT_ONCE)
    assert driver.signal() == Signalled("delivered", AT_ONCE)
    assert states(driver, ids) == {"pending"}


def test_more_waiters_are_woken_a_part_at_a_time(driver: Driver) -> None:
    ids = crowd(driver)
    assert driver.signal("e", "5", event_id="x") == Signalled("delivered", AT_ONCE, spreading=True)
    assert driver.effects.spreading == ["x"]
    assert driver.store.spreading() == ["x"]
    assert states(driver, ids[:AT_ONCE]) == {"pending"}
    assert states(driver, ids[AT_ONCE:]) == {"waiting"}
    assert driver.do(Spread("x")) == Signalled("delivered", 2 * AT_ONCE, spreading=True)
    assert driver.effects.spreading == ["x"]
    assert driver.do(Spread("x")) == Signalled("delivered", MANY)
    assert driver.effects.spreading == []
    assert driver.store.spreading() == []
    assert {driver.step(run_id) for run_id in ids} == {("ok", "5")}


def test_a_restart_in_the_middle_of_spreading_loses_nobody(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal()
    driver.restart()
    driver.spread_all()
    assert states(driver, ids) == {"pending"}
    assert [len(driver.steps(run_id)) for run_id in ids] == [1] * MANY


def test_a_spread_that_is_sent_again_changes_nothing(driver: Driver) -> None:
    crowd(driver)
    driver.signal(event_id="x")
    driver.spread_all()
    assert driver.do(Spread("x")) == Signalled("delivered", MANY)
    assert driver.effects.ready == set()
    assert driver.do(Spread("unknown")).delivered == 0


def test_a_signal_that_is_sent_again_while_it_spreads_is_not_a_second_one(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "5", event_id="x", key="k")
    assert driver.signal("e", "5", event_id="x", key="k") == Signalled("delivered", AT_ONCE, True)
    assert driver.signal("e", "6", key="k").outcome == "duplicate"
    driver.spread_all()
    assert {driver.step(run_id) for run_id in ids} == {("ok", "5")}


def test_who_comes_while_an_event_spreads_does_not_get_it(driver: Driver) -> None:
    crowd(driver)
    driver.signal("e", "5")
    late = driver.enqueue(priority=9)
    (run,) = driver.claim()
    assert run.id == late
    assert driver.wait(run) == Waiting(None)
    driver.park(run)
    driver.spread_all()
    assert driver.state(late) == "waiting"
    assert driver.signal("e", "6").delivered == 1


def test_who_takes_the_place_of_one_that_left_does_not_get_its_event(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "5")
    for run_id in ids[-3:]:
        driver.do(Cancel(run_id, "no longer"))
    late = driver.enqueue(priority=9)
    (run,) = driver.claim()
    driver.wait(run)
    driver.park(run)
    driver.spread_all()
    assert driver.state(late) == "waiting"


def test_a_woken_run_that_waits_again_is_not_given_the_same_event_twice(driver: Driver) -> None:
    crowd(driver)
    driver.signal("e", "5")
    (run,) = driver.claim()
    assert driver.wait(run, name="again") == Waiting(None)
    driver.spread_all()
    assert [step.name for step in driver.steps(run)] == ["wait"]


def test_a_second_signal_leaves_the_firsts_waiters_alone(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "1")
    assert driver.signal("e", "2") == Signalled("buffered", 0)
    driver.spread_all()
    assert {driver.step(run_id) for run_id in ids} == {("ok", "1")}
    late = driver.enqueue(priority=9)
    (run,) = driver.claim()
    assert run.id == late
    assert driver.wait(run).record.value == "2"


def test_a_key_counts_for_as_long_as_its_signal_is_being_delivered(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "1", key="k", ttl=1000)
    driver.now += 2000
    assert driver.signal("e", "2", key="k") == Signalled("duplicate", AT_ONCE)
    driver.spread_all()
    assert {driver.step(run_id) for run_id in ids} == {("ok", "1")}


def test_two_events_of_one_name_spread_each_to_its_own(driver: Driver) -> None:
    first = crowd(driver)
    driver.signal("e", "1", event_id="x1")
    driver.claim(AT_ONCE, worker="b")  # so that the next crowd claims its own runs
    second = crowd(driver, AT_ONCE + 200)
    assert driver.signal("e", "2", event_id="x2").spreading
    for event_id in ("x2", "x1", "x2", "x1", "x2"):
        driver.do(Spread(event_id))
    assert driver.store.spreading() == []
    assert {driver.step(run_id) for run_id in first} == {("ok", "1")}
    assert {driver.step(run_id) for run_id in second} == {("ok", "2")}


@pytest.mark.parametrize("timer_first", [True, False])
def test_a_deadline_in_the_middle_does_not_take_away_what_was_signalled_before_it(
    driver: Driver, timer_first: bool
) -> None:
    ids = crowd(driver, timeout=1000)
    driver.now = START + 999
    driver.signal("e", "5", event_id="x")
    driver.now = START + 1000
    if timer_first:
        driver.tick()
    driver.spread_all()
    driver.tick()
    assert {driver.step(run_id) for run_id in ids} == {("ok", "5")}
    assert driver.do(Spread("x")) == Signalled("delivered", MANY)


def test_a_deadline_before_the_signal_still_holds_while_it_spreads(driver: Driver) -> None:
    expired = crowd(driver, 3, timeout=1000)
    ids = crowd(driver)
    driver.now = START + 1000
    driver.signal("e", "5")
    driver.tick()
    driver.spread_all()
    assert {driver.step(run_id) for run_id in expired} == {("timeout", None)}
    assert {driver.step(run_id) for run_id in ids} == {("ok", "5")}


def test_spreading_goes_on_past_the_events_expiry(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "5", ttl=10)
    driver.tick(START + 10)
    assert driver.store.next_due() is None, "the timer does not spin while it goes on"
    driver.spread_all()
    assert states(driver, ids) == {"pending"}
    driver.tick()
    assert driver.store.next_due() is None


def test_one_wrong_type_in_a_crowd_refuses_for_all(driver: Driver) -> None:
    ids = crowd(driver) + crowd(driver, 1, schema=INT)
    assert driver.refused(Signal("x", "e", '"text"')) == "payload_refused"
    assert states(driver, ids) == {"waiting"}
    assert driver.store.spreading() == []


def test_those_the_first_signal_is_on_its_way_to_do_not_refuse_the_second(driver: Driver) -> None:
    crowd(driver, schema=INT)
    driver.signal("e", "1")
    assert driver.signal("e", '"text"').outcome == "buffered"


def test_cancelled_runs_are_passed_over(driver: Driver) -> None:
    ids = crowd(driver)
    driver.signal("e", "5", event_id="x")
    driver.do(Cancel(ids[AT_ONCE + 100], "no longer"))
    driver.spread_all()
    assert driver.state(ids[AT_ONCE + 100]) == "cancelled"
    assert driver.do(Spread("x")).delivered == MANY - 1


def test_a_tick_ends_at_most_its_limit_of_waits(driver: Driver) -> None:
    ids = crowd(driver, timeout=1000)
    driver.now = START + 1000
    driver.batch(Tick(limit=100))
    assert len([i for i in ids if driver.state(i) == "pending"]) == 100
    assert driver.store.next_due() == START + 1000, "more is due"
    while driver.store.next_due() is not None:
        driver.tick()
    assert states(driver, ids) == {"pending"}


@pytest.mark.parametrize("count", [AT_ONCE + 1, 2 * AT_ONCE, 2 * AT_ONCE + 1])
def test_the_edges_of_the_parts_are_whole(driver: Driver, count: int) -> None:
    ids = crowd(driver, count)
    driver.signal()
    driver.spread_all()
    assert states(driver, ids) == {"pending"}
    assert driver.do(ListWaits()).waiters == []
