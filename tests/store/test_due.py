"""What time and death bring: timeouts, leases, strikes, and when the timer must look."""

import json

import pytest

from tako.commands import (
    Enqueue,
    Fail,
    Heartbeat,
    Lost,
    Park,
    ShiftLeases,
    Signal,
    Stop,
    Tick,
)
from tests.store.driver import START, Driver, saving, waiting

LEASE = 30_000


@pytest.mark.parametrize("where", ["pending", "scheduled", "running", "waiting"])
def test_a_run_that_takes_too_long_is_cancelled_wherever_it_is(driver: Driver, where: str) -> None:
    run_id = driver.enqueue(timeout=5000, delay=2000 if where == "scheduled" else None)
    due = START + (7000 if where == "scheduled" else 5000)
    if where in ("running", "waiting"):
        (run,) = driver.claim(worker="b")
        if where == "waiting":
            driver.batch(waiting(run), Park(run.id, run.lease_id, ["wait"]))
    driver.tick(due - 1)
    assert driver.get(run_id).finished_at is None
    assert driver.store.next_due() == due
    driver.tick(due)
    stored = driver.get(run_id)
    assert (stored.state, stored.reason) == ("cancelled", "timed out after 5 s")
    assert driver.effects.ended == [run_id]
    assert [type(push) for _, push in driver.effects.pushes] == [Stop] * (where == "running")
    assert driver.store.next_due() is None


def test_a_timeout_counts_retries_and_waits_in(driver: Driver) -> None:
    run = driver.start(timeout=5000)
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=4000))
    driver.tick(START + 4000)
    (again,) = driver.claim()
    driver.tick(START + 5000)
    assert driver.state(again) == "cancelled"


def test_a_run_that_ended_in_time_is_left_alone(driver: Driver) -> None:
    run = driver.start(timeout=5000)
    driver.succeed(run)
    assert driver.store.next_due() is None
    driver.tick(START + 5000)
    assert driver.state(run) == "succeeded"


def test_an_outcome_and_the_runs_timeout_in_one_moment_end_it(driver: Driver) -> None:
    run = driver.start(timeout=5000)
    driver.batch(waiting(run, timeout=5000), Park(run.id, run.lease_id, ["wait"]))
    driver.tick(START + 5000)
    assert driver.state(run) == "cancelled"
    assert driver.claim() == []


def test_a_tick_does_at_most_its_limit_of_each_kind(driver: Driver) -> None:
    late = [driver.enqueue(delay=10 - n % 2) for n in range(6)]
    short = [driver.enqueue(timeout=20) for _ in range(4)]
    for _ in range(5):
        driver.signal("nobody", ttl=30)
    driver.now = START + 40
    driver.do(Tick(limit=3))
    assert [driver.get(i).run_at is None for i in late] == [n % 2 == 1 for n in range(6)]
    assert [driver.state(i) for i in short].count("cancelled") == 3
    assert driver.store.next_due() is not None
    driver.do(Tick(limit=3))
    assert driver.store.next_due() is None
    assert len(driver.claim(9)) == 6


def test_next_due_is_the_earliest_of_all_kinds(driver: Driver) -> None:
    assert driver.store.next_due() is None
    driver.signal("nobody", ttl=900)
    assert driver.store.next_due() == START + 900
    driver.enqueue(timeout=800)
    assert driver.store.next_due() == START + 800
    (run,) = driver.claim(lease=700)
    assert driver.store.next_due() == START + 700
    driver.enqueue(delay=600)
    assert driver.store.next_due() == START + 600
    driver.wait(run, timeout=500)
    assert driver.store.next_due() == START + 500


def test_a_lost_worker_gives_its_only_run_a_strike_and_a_new_attempt(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "load")
    driver.do(Lost("a", "killed by SIGSEGV", {run.id: "charge"}))
    assert driver.effects.ready == {"default"}
    stored = driver.get(run)
    assert (stored.state, stored.attempt, stored.strikes) == ("pending", 2, 1)
    error = json.loads(stored.error or "")
    assert "killed by SIGSEGV" in error["message"]
    assert "'charge'" in error["message"]
    assert error["step"] == "charge"
    (again,) = driver.claim(solo=True)
    assert [step.name for step in again.steps] == ["load"]


def test_runs_that_shared_a_lost_worker_have_no_strike_and_keep_their_attempt(
    driver: Driver,
) -> None:
    runs = [driver.start() for _ in range(3)]
    driver.do(Lost("a", "killed"))
    assert [(driver.get(r).strikes, driver.get(r).attempt) for r in runs] == [(0, 1)] * 3
    assert driver.claim(9) == []
    assert len(driver.claim(9, solo=True)) == 3


def test_the_third_strike_fails_the_run(driver: Driver) -> None:
    run = driver.start()
    for strike in (1, 2):
        driver.do(Lost("a", "killed"))
        assert driver.get(run).strikes == strike
        assert driver.effects.ended == []
        driver.claim(solo=True)
    driver.do(Lost("a", "killed"))
    stored = driver.get(run)
    assert (stored.state, driver.effects.ended) == ("failed", [run.id])
    assert stored.strikes == 3
    assert "killed" in (stored.error or "")
    assert driver.claim(9) == driver.claim(9, solo=True) == []


def test_a_worker_that_the_server_itself_ended_is_no_strike(driver: Driver) -> None:
    run = driver.start()
    driver.do(Lost("a", "the server stopped", blame=False))
    stored = driver.get(run)
    assert (stored.state, stored.strikes, stored.attempt) == ("pending", 0, 1)
    assert [claimed.id for claimed in driver.claim(9)] == [run.id]


def test_a_poison_run_that_waits_has_no_waiter_left_when_it_fails(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    for _ in range(3):
        driver.do(Lost("a", "killed"))
        driver.claim(solo=True)
    assert driver.waiters(run) == []
    assert driver.signal().outcome == "buffered"


def test_a_pass_that_ends_well_takes_a_run_back_among_the_others(driver: Driver) -> None:
    run = driver.start()
    driver.do(Lost("a", "killed"))
    (solo,) = driver.claim(solo=True)
    driver.wait(solo)
    driver.park(solo)
    driver.signal()
    (again,) = driver.claim()
    assert (again.id, again.strikes) == (run.id, 1)


def test_strikes_do_not_use_up_retries(driver: Driver) -> None:
    run = driver.start(retries=1)
    driver.do(Lost("a", "killed"))
    (solo,) = driver.claim(solo=True)
    assert (solo.attempt, solo.strikes, solo.retries) == (2, 1, 1)
    driver.do(Fail(solo.id, solo.lease_id, "{}", retry_in=0))
    (again,) = driver.claim()
    assert (again.id, again.attempt, again.strikes) == (run.id, 3, 1)


def test_a_lost_worker_that_held_nothing_is_no_matter(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.do(Lost("a", "killed"))
    assert driver.state(run) == "running"


def test_a_lease_that_is_not_renewed_is_lost_and_the_worker_told_to_stop(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.tick(START + LEASE - 1)
    assert driver.state(run) == "running"
    driver.tick(START + LEASE)
    assert driver.effects.ready == {"default"}
    assert driver.effects.pushes == [("b", Stop(run.id, run.lease_id, "the lease expired"))]
    stored = driver.get(run)
    assert (stored.state, stored.strikes, stored.attempt) == ("pending", 1, 2)
    assert "stopped answering" in (stored.error or "")
    assert driver.refused(saving(run)) == "lease_lost"


def test_a_heartbeat_renews_all_leases_of_its_worker_and_no_others(driver: Driver) -> None:
    runs = [driver.start(worker="b"), driver.start(worker="b"), driver.start(worker="c")]
    driver.now = START + 20_000
    driver.do(Heartbeat("b"))
    driver.tick(START + LEASE)
    assert [driver.state(run) for run in runs] == ["running", "running", "pending"]
    assert driver.store.next_due() == START + 50_000
    driver.tick(START + 50_000)
    assert [driver.get(run).strikes for run in runs] == [0, 0, 1]


def test_leases_move_with_the_clock(driver: Driver) -> None:
    run = driver.start()
    driver.now = START + 86_400_000
    driver.batch(ShiftLeases(86_400_000), Tick())
    assert driver.state(run) == "running"
    assert driver.store.next_due() == driver.now + LEASE
    driver.do(ShiftLeases(-86_400_000))
    assert driver.effects.timed
    assert driver.store.next_due() == START + LEASE


def test_a_signal_in_the_batch_of_a_loss_is_found_at_the_next_claim(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    driver.batch(Lost("a", "killed"), Signal("x", "e", "5"))
    assert driver.delivered() == []
    assert driver.claim(solo=True)[0].steps[0].value == "5"
    assert driver.get(run).strikes == 1


def test_a_delayed_run_whose_time_has_come_wakes_its_group(driver: Driver) -> None:
    driver.batch(
        Enqueue("r1", "w", "{}", "mail", delay=5), Enqueue("r2", "w", "{}", "default", delay=9)
    )
    driver.tick(START + 5)
    assert driver.effects.ready == {"mail"}
    assert driver.effects.timed
