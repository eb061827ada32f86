"""A run waits, with its worker or without one, and each wait ends exactly once."""

from tako.commands import (
    Command,
    Exists,
    Fail,
    NotParked,
    Ok,
    Park,
    Parked,
    Release,
    Signal,
    Unwait,
    Waiting,
)
from tako.model import StepRecord
from tests.store.driver import INT, START, TEXT, Driver, saving, waiting


def test_a_parked_run_has_no_worker_and_no_lease(driver: Driver) -> None:
    run = driver.start()
    assert driver.wait(run, "e") == Waiting(None)
    assert driver.park(run) == Parked()
    stored = driver.get(run)
    assert (stored.state, stored.worker_id) == ("waiting", None)
    assert driver.store.running_workers() == []
    assert driver.store.next_due() is None
    assert driver.refused(saving(run)) == "lease_lost"


def test_wait_and_park_go_in_one_batch(driver: Driver) -> None:
    run = driver.start()
    replies = driver.batch(waiting(run, timeout=10), Park(run.id, run.lease_id, ["wait"]))
    assert replies == [Waiting(START + 10), Parked()]
    assert driver.effects.timed


def test_a_signal_wakes_a_parked_run_and_its_outcome_is_saved(driver: Driver) -> None:
    run = driver.parked()
    driver.now += 7
    driver.signal("e", '{"approved":true}')
    assert driver.effects.ready == {"default"}
    assert driver.effects.pushes == []
    assert driver.state(run) == "pending"
    assert driver.steps(run) == [
        StepRecord("wait", "wait_for", "ok", '{"approved":true}', 1, START, START + 7)
    ]
    (again,) = driver.claim(worker="b")
    assert (again.id, again.attempt) == (run.id, 1), "parking uses no attempt up"
    assert [step.name for step in again.steps] == ["wait"]
    assert again.waiters == []
    assert driver.wait(again) == Exists(again.steps[0])


def test_a_sleep_is_a_wait_without_an_event(driver: Driver) -> None:
    run = driver.parked(None, timeout=1000)
    assert driver.store.next_due() == START + 1000
    driver.tick(START + 999)
    assert driver.state(run) == "waiting"
    driver.tick(START + 1000)
    assert driver.effects.ready == {"default"}
    assert driver.step(run) == ("ok", "null")
    assert driver.state(run) == "pending"


def test_a_sleep_until_a_moment_that_has_passed_is_over(driver: Driver) -> None:
    run = driver.start()
    reply = driver.wait(run, None, until=START - 5)
    assert reply == Exists(StepRecord("wait", "sleep", "ok", "null", 1, START, START))
    assert driver.step(run) == ("ok", "null")


def test_a_wait_without_time_is_over_unless_its_event_is_there(driver: Driver) -> None:
    run = driver.start()
    driver.signal("there", "5")
    assert driver.wait(run, "there", name="w1", timeout=0).record.value == "5"
    assert driver.wait(run, "missing", name="w2", timeout=0).record.outcome == "timeout"


def test_a_deadline_is_fixed_when_it_is_first_asked_for(driver: Driver) -> None:
    run = driver.start()
    assert driver.wait(run, timeout=1000) == Waiting(START + 1000)
    driver.now += 400
    assert driver.wait(run, timeout=1000) == Waiting(START + 1000)
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=0))
    (again,) = driver.claim()
    assert driver.wait(again, timeout=5000) == Waiting(START + 1000)


def test_a_deadline_that_passes_is_an_outcome_that_is_kept(driver: Driver) -> None:
    run = driver.parked(timeout=1000)
    driver.tick(START + 1000)
    assert driver.step(run) == ("timeout", None)
    assert driver.signal().outcome == "buffered", "nobody waits any more"
    (again,) = driver.claim()
    assert driver.wait(again, timeout=1000).record.outcome == "timeout"


def test_a_deadline_while_the_run_executes_reaches_it_in_memory(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.wait(run, None, timeout=10)
    driver.tick(START + 10)
    assert driver.delivered() == [("b", run.id, "null")]
    assert driver.state(run) == "running"
    assert driver.park(run) == NotParked()


def test_a_wait_found_again_after_its_deadline_has_timed_out(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, timeout=10)
    driver.now += 10
    assert driver.wait(run, timeout=10).record.outcome == "timeout"
    driver.tick()
    assert driver.effects.pushes == []


def test_a_run_does_not_park_on_a_wait_that_has_its_outcome(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.wait(run, "e1", name="w1")
    driver.wait(run, "e2", name="w2")
    driver.signal("e1", "5")
    assert driver.delivered() == [("b", run.id, "5")]
    assert driver.park(run, "w1", "w2") == NotParked()
    assert driver.state(run) == "running"
    assert driver.park(run, "w2") == Parked()


def test_a_signal_and_a_park_in_one_batch_lose_nothing_in_either_order(driver: Driver) -> None:
    for number, swap in enumerate((False, True)):
        run = driver.start()
        driver.wait(run, event := f"e{number}")
        batch: list[Command] = [
            Signal(driver.new("event"), event, "1"),
            Park(run.id, run.lease_id, ["wait"]),
        ]
        driver.batch(*batch[:: -1 if swap else 1])
        assert driver.state(run) == ("pending" if swap else "running")
        assert driver.delivered() == ([] if swap else [("a", run.id, "1")])
        assert driver.step(run) == ("ok", "1")
        if swap:
            driver.claim()


def test_a_run_cannot_park_on_nothing(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    assert driver.refused(Park(run.id, run.lease_id, [])) == "refused"
    assert driver.refused(Park(run.id, "nobody", [])) == "lease_lost"


def test_several_waits_of_one_run_each_wake_it_with_its_own_outcome(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, "e1", name="w1")
    driver.wait(run, "e2", name="w2")
    driver.wait(run, None, name="w3", timeout=50)
    driver.park(run, "w1", "w2", "w3")
    driver.signal("e2", "2")
    driver.signal("e1", "1")
    (again,) = driver.claim()
    assert {s.name: s.value for s in again.steps} == {"w1": "1", "w2": "2"}
    assert [w.name for w in again.waiters] == ["w3"]
    assert driver.park(again, "w3") == Parked()
    driver.tick(START + 50)
    assert driver.state(run) == "pending"


def test_the_same_event_awaited_in_a_loop_gets_each_signal_once(driver: Driver) -> None:
    run = driver.start()
    for turn in range(3):
        name = f"wait#{turn}"
        driver.wait(run, "e", name=name)
        driver.park(run, name)
        assert driver.signal("e", str(turn)).delivered == 1
        (run,) = driver.claim()
    assert [step.value for step in driver.steps(run)] == ["0", "1", "2"]
    assert driver.wait(run, "e", name="wait#3") == Waiting(None), "nothing is left over"


def test_two_waits_of_one_run_for_one_event_both_get_it(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, name="w1")
    driver.wait(run, name="w2")
    driver.park(run, "w1", "w2")
    assert driver.signal("e", "5").delivered == 2
    assert [step.value for step in driver.steps(run)] == ["5", "5"]


def test_a_wait_that_is_given_up_takes_no_signal(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    assert driver.do(Unwait(run.id, run.lease_id, "wait")) == Ok()
    assert driver.waiters(run) == []
    assert driver.signal().outcome == "buffered"


def test_who_gives_a_wait_up_too_late_gets_its_outcome(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    driver.signal("e", "5")
    reply = driver.do(Unwait(run.id, run.lease_id, "wait"))
    assert (reply.record.outcome, reply.record.value) == ("ok", "5")


def test_a_wait_stays_open_while_its_run_is_between_two_attempts(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, "e", timeout=5000)
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=1000))
    assert driver.signal("e", "5").delivered == 1
    stored = driver.get(run)
    assert (stored.state, stored.run_at) == ("pending", START + 1000), "the backoff still holds"
    driver.tick(START + 1000)
    (again,) = driver.claim()
    assert [step.value for step in again.steps] == ["5"]


def test_an_outcome_while_its_run_is_pending_is_found_at_the_claim(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    driver.do(Release(run.id, run.lease_id))
    driver.signal("e", "5")
    assert driver.effects.pushes == []
    (again,) = driver.claim()
    assert again.steps[0].value == "5"


def test_a_remembered_failure_is_no_outcome_of_a_wait_in_a_later_attempt(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "wait", outcome="failed", value="{}")
    assert isinstance(driver.wait(run), Exists)
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=0))
    (again,) = driver.claim()
    assert driver.wait(again) == Waiting(None)
    driver.signal("e", "5")
    assert driver.step(run) == ("ok", "5")


def test_a_wait_finds_a_step_of_another_kind_that_has_its_name(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "wait", value="7")
    reply = driver.wait(run)
    assert (reply.record.kind, reply.record.value) == ("run", "7")


def test_changed_code_waits_for_its_new_event_by_the_old_deadline(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, "old", timeout=1000)
    driver.now += 100
    assert driver.wait(run, "new", timeout=1000) == Waiting(START + 1000)
    assert driver.signal("old").outcome == "buffered"
    assert driver.signal("new").outcome == "delivered"


def test_changed_code_whose_deadline_has_passed_takes_no_event_any_more(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, "old", timeout=1000)
    driver.now += 1000
    driver.signal("new")
    assert driver.wait(run, "new", timeout=1000).record.outcome == "timeout"


def test_changed_code_waits_with_its_new_type(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run, schema=INT)
    driver.wait(run, schema=TEXT)
    assert len(driver.waiters(run)) == 1
    assert driver.refused(Signal("x", "e", "1")) == "payload_refused"
    assert driver.signal("e", '"text"').delivered == 1
