"""From outside: cancel in every state, rerun, and looking."""

from collections.abc import Callable

import pytest

from tako.commands import (
    Bail,
    Cancel,
    Changed,
    ClaimedRun,
    Enqueue,
    Fail,
    Get,
    ListRuns,
    ListSteps,
    Lost,
    Rerun,
    Stop,
)
from tako.model import WorkflowInfo
from tests.store.driver import START, Driver, saving

OOPS = '{"type":"ValueError","message":"oops"}'


def pending(driver: Driver) -> str:
    return driver.enqueue()


def scheduled(driver: Driver) -> str:
    return driver.enqueue(delay=1000)


def running(driver: Driver) -> str:
    return driver.start().id


def parked(driver: Driver) -> str:
    return driver.parked(timeout=500).id


def backing_off(driver: Driver) -> str:
    run = driver.start()
    driver.wait(run, name="w2", timeout=500)
    driver.do(Fail(run.id, run.lease_id, OOPS, retry_in=1000))
    return run.id


def isolated(driver: Driver) -> str:
    run = driver.start()
    driver.do(Lost("a", "killed"))
    return run.id


UNFINISHED = [pending, scheduled, running, parked, backing_off, isolated]


@pytest.mark.parametrize("make", UNFINISHED)
def test_an_unfinished_run_can_be_cancelled(driver: Driver, make: Callable[[Driver], str]) -> None:
    run_id = make(driver)
    driver.now += 5
    assert driver.do(Cancel(run_id, "not wanted")) == Changed(True, "cancelled")
    assert driver.effects.ended == [run_id]
    run = driver.get(run_id)
    assert (run.state, run.reason, run.finished_at) == ("cancelled", "not wanted", START + 5)
    assert (run.run_at, run.worker_id) == (None, None)
    assert driver.waiters(run_id) == []
    assert driver.store.next_due() is None
    assert driver.claim() == driver.claim(solo=True) == []
    assert driver.do(Cancel(run_id, "again")) == Changed(False, "cancelled")
    assert driver.effects.ended == []
    assert driver.get(run_id).reason == "not wanted"


def test_the_worker_of_a_cancelled_run_is_told_to_stop(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.do(Cancel(run.id, "not wanted"))
    assert driver.effects.pushes == [("b", Stop(run.id, run.lease_id, "cancelled: not wanted"))]
    assert driver.refused(saving(run)) == "lease_lost"


def test_a_cancelled_run_frees_its_place_under_a_limit(driver: Driver) -> None:
    driver.register(WorkflowInfo("w", concurrency=1), worker="registrar")
    first, second = driver.enqueue(), driver.enqueue()
    driver.claim(2)
    driver.do(Cancel(first, "x"))
    assert driver.effects.ready == {"default"}
    assert [run.id for run in driver.claim(2)] == [second]


def succeeded(driver: Driver) -> str:
    run = driver.start()
    driver.succeed(run)
    return run.id


def failed(driver: Driver, **options: str) -> str:
    run = driver.start(**options)
    driver.do(Fail(run.id, run.lease_id, OOPS))
    return run.id


def bailed(driver: Driver) -> str:
    run = driver.start()
    driver.do(Bail(run.id, run.lease_id, "rejected"))
    return run.id


@pytest.mark.parametrize(
    ("make", "state"), [(succeeded, "succeeded"), (failed, "failed"), (bailed, "cancelled")]
)
def test_a_run_that_has_ended_cannot_be_cancelled(
    driver: Driver, make: Callable[[Driver], str], state: str
) -> None:
    run_id = make(driver)
    before = driver.get(run_id)
    assert driver.do(Cancel(run_id, "late")) == Changed(False, state)
    assert driver.get(run_id) == before


def test_what_is_not_there_is_not_found(driver: Driver) -> None:
    for command in (Cancel("no", "x"), Rerun("no"), Get("no"), ListSteps("no")):
        assert driver.refused(command) == "run_not_found"


def done(driver: Driver, end: str = "fail") -> ClaimedRun:
    """A run with three steps, a caught failure and a wait, that has failed or was cancelled."""
    run = driver.start(timeout=10_000)
    driver.batch(saving(run, "load"), saving(run, "try", outcome="failed", value=OOPS))
    driver.signal("e", "5")
    driver.wait(run)
    driver.save(run, "charge")
    driver.save(run, "ship")
    driver.do(Fail(run.id, run.lease_id, OOPS) if end == "fail" else Cancel(run.id, "x"))
    return run


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_rerun_keeps_its_results_and_forgets_its_failures(driver: Driver, end: str) -> None:
    run = done(driver, end)
    driver.now += 20_000
    assert driver.do(Rerun(run.id)) == Changed(True, "pending")
    assert driver.effects.ready == {"default"}
    assert driver.effects.timed
    stored = driver.get(run)
    assert (stored.attempt, stored.error, stored.reason, stored.finished_at) == (
        1,
        None,
        None,
        None,
    )
    assert stored.expires_at == driver.now + 10_000, "its time starts anew"
    (again,) = driver.claim()
    assert sorted(step.name for step in again.steps) == ["charge", "load", "ship", "wait"]
    driver.succeed(again)
    assert driver.state(run) == "succeeded"


@pytest.mark.parametrize(
    ("from_step", "kept"),
    [
        ("load", []),
        ("wait", ["load"]),
        ("charge", ["load", "wait"]),
        ("ship", ["load", "wait", "charge"]),
        ("try", ["load"]),
    ],
)
def test_a_rerun_from_a_step_keeps_what_was_saved_before_it(
    driver: Driver, from_step: str, kept: list[str]
) -> None:
    run = done(driver)
    driver.do(Rerun(run.id, from_step))
    assert [step.name for step in driver.steps(run)] == kept


def test_a_rerun_from_a_step_holds_after_a_restart_with_the_clock_set_back(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "first")
    driver.now -= 3_600_000
    driver.restart()
    driver.save(run, "second")
    driver.do(Fail(run.id, run.lease_id, OOPS))
    driver.do(Rerun(run.id, "second"))
    assert [step.name for step in driver.steps(run)] == ["first"]


def test_a_rerun_from_a_step_that_is_not_there_changes_nothing(driver: Driver) -> None:
    run = done(driver)
    before = driver.get(run), driver.steps(run)
    assert driver.refused(Rerun(run.id, "nonsense")) == "step_not_found"
    assert (driver.get(run), driver.steps(run)) == before


@pytest.mark.parametrize("make", [*UNFINISHED, succeeded])
def test_only_a_failed_or_cancelled_run_can_be_rerun(
    driver: Driver, make: Callable[[Driver], str]
) -> None:
    run_id = make(driver)
    before = driver.get(run_id)
    assert driver.refused(Rerun(run_id)) == "wrong_state"
    assert driver.get(run_id) == before


def test_a_rerun_whose_unique_key_is_held_is_a_conflict(driver: Driver) -> None:
    run_id = failed(driver, unique_key="k")
    holder = driver.enqueue(unique_key="k")
    assert driver.refused(Rerun(run_id)) == "conflict"
    assert driver.state(run_id) == "failed"
    driver.do(Cancel(holder, "x"))
    assert driver.do(Rerun(run_id)).changed
    assert driver.do(Enqueue("r", "w", "{}", "default", unique_key="k")).run_id == run_id


def test_two_runs_without_a_key_do_not_conflict(driver: Driver) -> None:
    run_id = failed(driver)
    driver.enqueue()
    assert driver.do(Rerun(run_id)).changed


def test_a_rerun_starts_with_no_strikes_and_among_others(driver: Driver) -> None:
    run = driver.start()
    driver.do(Lost("a", "killed"))
    driver.do(Cancel(run.id, "x"))
    driver.do(Rerun(run.id))
    (again,) = driver.claim()
    assert (again.strikes, again.attempt) == (0, 1)


def test_a_wait_is_asked_for_anew_after_a_rerun(driver: Driver) -> None:
    run = driver.parked(timeout=1000)
    driver.do(Cancel(run.id, "x"))
    driver.now += 400
    driver.do(Rerun(run.id))
    (again,) = driver.claim()
    assert again.waiters == []
    assert driver.wait(again, timeout=1000).deadline == START + 1400


def test_runs_are_listed_newest_first_page_by_page(driver: Driver) -> None:
    ids = [driver.enqueue("v" if n % 2 else "w") for n in range(7)]
    first = driver.do(ListRuns(limit=3)).runs
    assert [run.id for run in first] == ids[:3:-1]
    second = driver.do(ListRuns(limit=3, before=first[-1].id)).runs
    assert [run.id for run in second] == ids[3:0:-1]
    assert [run.id for run in driver.do(ListRuns(before=ids[1])).runs] == [ids[0]]


def test_runs_are_listed_by_state_and_workflow(driver: Driver) -> None:
    ids = [driver.enqueue("v" if n % 2 else "w") for n in range(4)]
    driver.claim(1)
    assert [run.id for run in driver.do(ListRuns("running")).runs] == [ids[0]]
    assert [run.id for run in driver.do(ListRuns(workflow="v")).runs] == [ids[3], ids[1]]
    assert [run.id for run in driver.do(ListRuns("pending", "w")).runs] == [ids[2]]
