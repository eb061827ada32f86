"""Steps are saved once, for the one who holds the lease; the pass ends, or is tried again."""

import msgspec
import pytest

from tako.commands import (
    Bail,
    Claim,
    ClaimedRun,
    Enqueue,
    Error,
    Exists,
    Fail,
    ListSteps,
    Load,
    Ok,
    Park,
    Release,
    Succeed,
    Unwait,
)
from tako.model import RunState, StepRecord
from tests.store.driver import START, Driver, saving, waiting

OOPS = '{"type":"ValueError","message":"oops"}'


def nobody(run: ClaimedRun) -> ClaimedRun:
    return msgspec.structs.replace(run, lease_id="nobody")


def test_a_saved_step_is_there_as_it_was_given(driver: Driver) -> None:
    run = driver.start()
    driver.now += 5
    assert driver.save(run, "charge", value='{"a":1}', started_at=START + 1) == Ok()
    record = StepRecord("charge", "run", "ok", '{"a":1}', 1, START + 1, START + 5)
    assert driver.steps(run) == [record]


def test_the_first_save_of_a_step_wins(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "s", value="1")
    reply = driver.save(run, "s", value="2")
    assert reply == Exists(StepRecord("s", "run", "ok", "1", 1, START, START))
    assert driver.step(run, "s") == ("ok", "1")


def test_the_first_save_wins_within_one_batch_too(driver: Driver) -> None:
    run = driver.start()
    replies = driver.batch(saving(run, "s", value="1"), saving(run, "s", value="2"))
    assert [type(reply) for reply in replies] == [Ok, Exists]
    assert driver.step(run, "s") == ("ok", "1")


def test_many_saves_in_one_batch_are_each_answered(driver: Driver) -> None:
    run, other = driver.start(), driver.start()
    driver.save(run, "old", value="0")
    replies = driver.batch(
        saving(run, "new"), saving(run, "old"), saving(nobody(other)), saving(other)
    )
    assert [type(reply) for reply in replies] == [Ok, Exists, Error, Ok]
    assert driver.step(other, "s") == ("ok", "1")


def test_a_remembered_failure_holds_for_its_attempt_and_gives_way_to_the_next(
    driver: Driver,
) -> None:
    run = driver.start()
    driver.save(run, "s", outcome="failed", value=OOPS)
    assert isinstance(driver.save(run, "s", value="2"), Exists)
    driver.do(Fail(run.id, run.lease_id, OOPS, retry_in=0))
    (again,) = driver.claim()
    assert again.attempt == 2
    assert driver.save(again, "s", value="2") == Ok()
    assert driver.step(run, "s") == ("ok", "2")


def test_a_result_is_kept_by_every_later_attempt(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "s", value="1")
    driver.do(Fail(run.id, run.lease_id, OOPS, retry_in=0))
    (again,) = driver.claim()
    assert isinstance(driver.save(again, "s", value="2"), Exists)


def test_steps_are_listed_in_the_order_they_finished(driver: Driver) -> None:
    run = driver.start()
    driver.batch(saving(run, "c"), saving(run, "a"))
    driver.now -= 60_000
    driver.restart()
    driver.save(run, "b")
    assert [step.name for step in driver.steps(run)] == ["c", "a", "b"]


def test_a_run_that_succeeded_has_its_result_and_no_lease(driver: Driver) -> None:
    run = driver.start()
    driver.now += 3
    driver.succeed(run, '"shipped"')
    assert driver.effects.ended == [run.id]
    stored = driver.get(run)
    assert (stored.state, stored.result, stored.finished_at) == (
        "succeeded",
        '"shipped"',
        START + 3,
    )
    assert stored.worker_id is None
    assert driver.store.running_workers() == []


def test_a_run_that_bails_is_cancelled_with_its_reason(driver: Driver) -> None:
    run = driver.start()
    assert driver.do(Bail(run.id, run.lease_id, "rejected by ana")) == Ok()
    assert driver.effects.ended == [run.id]
    assert (driver.state(run), driver.get(run).reason) == ("cancelled", "rejected by ana")


def test_a_run_that_fails_for_good_has_its_error(driver: Driver) -> None:
    run = driver.start()
    driver.do(Fail(run.id, run.lease_id, OOPS))
    assert driver.effects.ended == [run.id]
    assert (driver.state(run), driver.get(run).error, driver.get(run).attempt) == (
        "failed",
        OOPS,
        1,
    )


def test_a_failed_attempt_is_tried_again_when_its_backoff_is_over(driver: Driver) -> None:
    run = driver.start()
    driver.do(Fail(run.id, run.lease_id, OOPS, retry_in=1000))
    assert driver.effects.ended == []
    assert driver.effects.timed
    stored = driver.get(run)
    assert (stored.state, stored.attempt, stored.run_at) == ("pending", 2, START + 1000)
    assert stored.error == OOPS
    assert driver.claim() == []
    driver.tick(START + 1000)
    (again,) = driver.claim()
    assert (again.attempt, again.strikes) == (2, 0)
    driver.succeed(again)
    assert driver.get(run).error is None


def test_an_attempt_can_be_tried_again_at_once(driver: Driver) -> None:
    run = driver.start()
    driver.do(Fail(run.id, run.lease_id, OOPS, retry_in=0))
    assert driver.effects.ready == {"default"}
    assert driver.claim()[0].attempt == 2


def test_the_end_of_a_run_ends_its_waits(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    driver.succeed(run)
    assert driver.waiters(run) == []
    assert driver.signal().outcome == "buffered"


LATE = [
    lambda r: saving(r),
    lambda r: waiting(r),
    lambda r: Unwait(r.id, r.lease_id, "wait"),
    lambda r: Park(r.id, r.lease_id, ["wait"]),
    lambda r: Succeed(r.id, r.lease_id, "null"),
    lambda r: Bail(r.id, r.lease_id, "x"),
    lambda r: Fail(r.id, r.lease_id, "{}"),
    lambda r: Fail(r.id, r.lease_id, "{}", retry_in=0),
    lambda r: Release(r.id, r.lease_id),
    lambda r: Load(r.id, r.lease_id, ""),
]


@pytest.mark.parametrize("write", LATE)
def test_who_has_lost_the_lease_can_write_nothing(driver: Driver, write: object) -> None:
    run = driver.start()
    driver.do(Release(run.id, run.lease_id))
    (other,) = driver.claim(worker="b")
    before = driver.get(run)
    assert driver.refused(write(run)) == "lease_lost"  # type: ignore[operator]
    assert driver.get(run) == before
    assert (driver.steps(run), driver.waiters(run)) == ([], [])
    assert driver.save(other) == Ok()


@pytest.mark.parametrize("write", LATE)
def test_a_run_that_has_ended_takes_nothing_more(driver: Driver, write: object) -> None:
    run = driver.start()
    driver.succeed(run)
    assert driver.refused(write(run)) == "lease_lost"  # type: ignore[operator]
    assert driver.state(run) == "succeeded"


def test_a_command_that_breaks_a_rule_fails_alone(driver: Driver) -> None:
    run = driver.start()
    replies = driver.batch(
        Enqueue("r9", "w", "{}", "default"),
        saving(run, "good"),
        saving(run, "bad", kind="nonsense"),
        saving(run, "after"),
        Claim(1, "b", "default", ("w",)),
    )
    assert [type(reply).__name__ for reply in replies] == [
        "Enqueued",
        "Ok",
        "Error",
        "Ok",
        "Claimed",
    ]
    assert replies[2].code == "refused"
    assert "nothing was changed" in replies[2].message
    assert [step.name for step in driver.steps(run)] == ["good", "after"]
    assert driver.state("r9") == "running"
    assert driver.effects.ready == {"default"}


@pytest.mark.parametrize(
    "bad",
    [
        Enqueue("bad", "w", "{}", "default", priority=2**70),
        Enqueue("bad\ud800", "w", "{}", "default"),
        Claim(1, "b", "default", ("w",), lease=2**70),
    ],
)
def test_a_value_that_cannot_be_stored_fails_alone(
    driver: Driver, bad: Enqueue | Claim, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = driver.enqueue()
    replies = driver.batch(bad, Enqueue("good", "w", "{}", "default"))
    assert [type(reply).__name__ for reply in replies] == ["Error", "Enqueued"]
    assert "cannot be carried out" in caplog.text
    assert [run.id for run in driver.claim(9)] == [run_id, "good"]


def test_a_command_alone_that_breaks_a_rule_is_refused_and_not_raised(driver: Driver) -> None:
    run = driver.start()
    assert driver.refused(waiting(run, None)) == "refused"
    assert driver.refused(saving(run, outcome="nonsense")) == "refused"
    assert driver.state(run) == RunState.RUNNING


def test_what_one_batch_saves_the_next_command_of_it_sees(driver: Driver) -> None:
    run = driver.start()
    _, reply, _ = driver.batch(
        saving(run), ListSteps(run.id), Succeed(run.id, run.lease_id, "null")
    )
    assert [step.name for step in reply.steps] == ["s"]
