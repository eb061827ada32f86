"""The numbers that people look at all the time agree with what there is, whatever has happened."""

from asyncio import Runner
from collections import Counter
from pathlib import Path
from random import Random

import apsw
import pytest

from tako.commands import (
    Bail,
    Cancel,
    CountRuns,
    Enqueue,
    Error,
    Fail,
    GetStorage,
    GetWorkflowStats,
    ListRuns,
    Release,
    Rerun,
    Tick,
)
from tako.store.statements import load_migrations
from tests.store.driver import START, Driver

HOUR = 3_600_000
DAY = 24 * HOUR
ERROR = '{"type":"E","message":"m","traceback":""}'


def counts(driver: Driver, workflow: str | None = None) -> dict[str, int]:
    found: dict[str, int] = driver.do(CountRuns(workflow)).counts
    return {state: number for state, number in found.items() if number}


def listed(driver: Driver, workflow: str | None = None) -> dict[str, int]:
    """Counted one by one."""
    runs = driver.do(ListRuns(workflow=workflow, limit=1_000)).runs
    return Counter(str(run.state) for run in runs)


def agree(driver: Driver) -> None:
    for workflow in (None, "w", "v"):
        assert counts(driver, workflow) == listed(driver, workflow)
    assert driver.do(GetStorage()).runs == sum(counts(driver).values())


def test_counts_agree_after_every_move_of_a_run(driver: Driver) -> None:
    succeeded, failed, bailed = (driver.start(workflow) for workflow in ("w", "v", "w"))
    agree(driver)
    driver.succeed(succeeded)
    driver.do(Fail(failed.id, failed.lease_id, ERROR))
    driver.do(Bail(bailed.id, bailed.lease_id, "no"))
    agree(driver)
    driver.do(Rerun(failed.id))
    driver.do(Rerun(bailed.id))
    agree(driver)
    driver.do(Cancel(failed.id, "no"))
    (again,) = driver.claim()
    driver.do(Fail(again.id, again.lease_id, ERROR, retry_in=5_000))
    agree(driver)
    driver.now += 5_000
    driver.do(Tick())
    (again,) = driver.claim()
    driver.do(Release(again.id, again.lease_id))
    agree(driver)
    driver.do(Cancel(again.id, "no"))
    woken, parked = driver.parked("go"), driver.parked("never")
    agree(driver)
    driver.signal("go")
    driver.do(Cancel(parked.id, "no"))
    agree(driver)
    assert counts(driver) == {"pending": 1, "succeeded": 1, "cancelled": 3}
    driver.restart()
    agree(driver)
    assert driver.state(woken) == "pending"


def test_a_store_from_before_there_were_counts_gets_them(tmp_path: Path, runner: Runner) -> None:
    path = tmp_path / "runs.db"
    db = apsw.Connection(str(path))
    db.pragma("application_id", 0x74616B6F)
    for number, script in enumerate(load_migrations()[:4], 1):
        db.execute(script)
        db.pragma("user_version", number)
    insert = "INSERT INTO runs (id, workflow, worker_group, state, created_at, finished_at, payload"
    insert += ", result, reason) VALUES (?, 'w', 'default', ?, 1, ?, 'null', ?, ?)"
    rows: list[tuple[object, ...]] = [("a", "pending", None, None, None)]
    rows += [("b", "waiting", None, None, None)]
    rows += [("c", "succeeded", 2, "1", None), ("d", "cancelled", 2, None, "no")]
    db.executemany(insert, rows)
    db.close()
    driver = Driver.on_file(path, runner)
    agree(driver)
    assert counts(driver) == {"pending": 1, "waiting": 1, "succeeded": 1, "cancelled": 1}
    driver.store.close()


def test_pending_runs_are_listed_newest_first_however_they_wait_for_a_worker(
    driver: Driver,
) -> None:
    first = driver.enqueue()
    later = driver.enqueue(delay=HOUR)
    other = driver.enqueue("v", group="other")
    found = driver.do(ListRuns(state="pending")).runs
    assert [run.id for run in found] == [other, later, first]
    of_one = driver.do(ListRuns(state="pending", workflow="w", before=later)).runs
    assert [run.id for run in of_one] == [first]


def test_runs_of_each_day_are_counted_on_when_new_ones_come(driver: Driver) -> None:
    driver.now = START - START % HOUR + 5
    driver.enqueue()
    driver.now += DAY
    for _ in range(2):
        driver.enqueue()
    assert per_day(driver) == (0, 1, 2)
    driver.enqueue()
    driver.enqueue("v")
    assert per_day(driver) == (0, 1, 3), "what came in since was not counted on"
    driver.now += HOUR
    driver.enqueue()
    assert per_day(driver) == (0, 1, 4)


@pytest.mark.parametrize("seed", range(5))
def test_runs_go_from_one_day_to_the_next_as_hours_pass(driver: Driver, seed: int) -> None:
    chance, came = Random(seed), []
    for _ in range(40):
        driver.now += chance.choice([0, HOUR // 3, HOUR, 5 * HOUR, DAY, 2 * DAY])
        for _ in range(chance.randrange(3)):
            driver.enqueue()
            came.append(driver.now)
        driver.enqueue("v")
        end = (driver.now // HOUR + 1) * HOUR
        ages = [(end - 1 - moment) // DAY for moment in came]
        assert per_day(driver) == (ages.count(2), ages.count(1), ages.count(0))


def test_what_was_counted_in_a_batch_that_is_rolled_back_is_forgotten(driver: Driver) -> None:
    enqueue = Enqueue("a", "w", "1", "default")
    impossible = Enqueue("b", "w", None, "default")  # type: ignore[arg-type]
    *_, stats, refused = driver.batch(enqueue, GetWorkflowStats("w"), impossible)
    assert isinstance(refused, Error)
    assert stats.stats[0].per_day[-1] == 1


def per_day(driver: Driver) -> tuple[int, ...]:
    (stat,) = driver.do(GetWorkflowStats("w", days=3)).stats
    found: tuple[int, ...] = stat.per_day
    return found


def test_failures_are_told_in_equal_parts_from_the_oldest_on(driver: Driver) -> None:
    for number in range(41):  # so that a part has three
        run = driver.start()
        if number in (0, 1, 40):
            driver.do(Fail(run.id, run.lease_id, ERROR))
        else:
            driver.succeed(run)
    driver.start()  # has not ended
    (stat,) = driver.do(GetWorkflowStats("w")).stats
    assert stat.failures == (67, *(0,) * 12, 50)
    assert (stat.sample, stat.failed) == (41, 3)


def test_what_waits_took_is_told_of_a_workflow_and_sleeps_are_none(driver: Driver) -> None:
    for number, seconds in enumerate((1, 9, 2, 4)):
        driver.parked(f"e{number}")
        driver.now += 1_000 * seconds
        driver.signal(f"e{number}")
        (run,) = driver.claim()
        driver.save(run)
        driver.succeed(run)
    driver.parked(None, timeout=60_000)
    driver.tick(driver.now + 60_000)
    (stat,) = driver.do(GetWorkflowStats("w")).stats
    assert stat.waits == (2_000, 9_000, 9_000)
