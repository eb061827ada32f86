"""Schedules: which moment has a run, and what holds when code, clocks and servers change."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from tako.commands import Cancel, ListDue, ListRuns, ListWorkflows, Rerun, Tick
from tako.model import BrokenModule, Run, Schedule, WorkflowInfo
from tests.store.driver import INT, Driver

HOUR, DAY = 3_600_000, 86_400_000
NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() * 1000)  # a Monday
DAILY = "0 3 * * *"
FIRST = NOON + 15 * HOUR  # its next moment


def nightly(rule: str | None = DAILY, zone: str = "UTC", **options: Any) -> WorkflowInfo:
    payload, next_at = options.pop("payload", None), options.pop("next_at", None)
    schedule = None if rule is None else Schedule(rule, zone, payload, next_at)
    return WorkflowInfo("nightly", schedule=schedule, **options)


@pytest.fixture
def driver(driver: Driver) -> Driver:
    driver.now = NOON
    return driver


def runs(driver: Driver) -> list[Run]:
    """All of them, oldest first."""
    found: list[Run] = driver.do(ListRuns()).runs
    return found[::-1]


def ids(driver: Driver) -> list[str]:
    return [run.id for run in runs(driver)]


def known(driver: Driver, name: str = "nightly") -> Schedule | None:
    (found,) = [w for w in driver.do(ListWorkflows()).workflows if w.name == name]
    schedule: Schedule | None = found.schedule
    return schedule


def next_at(driver: Driver) -> int | None:
    schedule = known(driver)
    assert schedule is not None
    return schedule.next_at


def test_a_moment_that_comes_has_a_run_and_the_next_is_fixed(driver: Driver) -> None:
    driver.register(nightly())
    assert driver.effects.timed
    assert (known(driver), driver.store.next_due()) == (Schedule(DAILY, next_at=FIRST), FIRST)
    driver.tick(FIRST - 1)
    assert ids(driver) == []
    driver.tick(FIRST)
    assert driver.effects.ready == {"default"}
    assert driver.effects.runs == ["nightly-20261124T030000Z"]
    (run,) = runs(driver)
    assert (run.id, run.workflow, run.state) == ("nightly-20261124T030000Z", "nightly", "pending")
    assert (run.created_at, run.run_at) == (FIRST, None)
    assert json.loads(run.payload) == {"at": "2026-11-24T03:00:00Z"}
    assert known(driver) == Schedule(DAILY, next_at=FIRST + DAY, last_at=FIRST)
    assert driver.store.next_due() == FIRST + DAY
    (claimed,) = driver.claim(workflows=("nightly",))
    assert claimed.id == run.id


def test_its_run_is_like_one_that_was_enqueued_by_name(driver: Driver) -> None:
    driver.register(nightly(group="slow", timeout=HOUR, payload='{"region":"west"}'))
    driver.tick(FIRST)
    (run,) = runs(driver)
    assert (run.group, run.expires_at, run.payload) == ("slow", FIRST + HOUR, '{"region":"west"}')
    assert (run.retries, run.priority, run.unique_key, run.tags) == (None, 0, None, ())
    driver.tick(FIRST + HOUR)
    assert driver.state(run.id) == "cancelled"


def test_a_moment_is_told_as_the_zone_has_it(driver: Driver) -> None:
    driver.register(nightly(DAILY, "Europe/Zurich"))
    driver.tick(FIRST - HOUR)
    (run,) = runs(driver)
    assert run.id == "nightly-20261124T020000Z"
    assert json.loads(run.payload) == {"at": "2026-11-24T03:00:00+01:00"}


def test_a_second_tick_of_a_moment_changes_nothing(driver: Driver) -> None:
    driver.register(nightly())
    driver.now = FIRST
    driver.batch(Tick(), Tick())
    driver.tick(FIRST)
    assert ids(driver) == ["nightly-20261124T030000Z"]
    assert next_at(driver) == FIRST + DAY


def test_of_the_moments_that_were_missed_the_last_has_a_run(driver: Driver) -> None:
    driver.register(nightly("*/10 * * * *"))
    driver.restart()
    driver.tick(NOON + DAY + 61_000)
    (run,) = runs(driver)
    assert json.loads(run.payload) == {"at": "2026-11-24T12:00:00Z"}
    assert known(driver) == Schedule(
        "*/10 * * * *", next_at=NOON + DAY + 600_000, last_at=NOON + DAY
    )


def test_two_schedules_of_one_moment_have_a_run_each(driver: Driver) -> None:
    driver.register(nightly(), WorkflowInfo("other", schedule=Schedule(DAILY)))
    driver.tick(FIRST)
    assert ids(driver) == ["nightly-20261124T030000Z", "other-20261124T030000Z"]


def test_what_a_tick_has_no_room_for_is_due_still(driver: Driver) -> None:
    driver.register(*[WorkflowInfo(f"w{n}", schedule=Schedule(DAILY)) for n in range(5)])
    driver.now = FIRST
    for done in (2, 4, 5):
        assert driver.store.next_due() == FIRST
        driver.do(Tick(limit=2))
        assert len(ids(driver)) == done
    assert driver.store.next_due() == FIRST + DAY


def test_moments_do_not_wait_for_the_run_of_the_one_before(driver: Driver) -> None:
    driver.register(nightly(concurrency=1))
    for day in range(3):
        driver.tick(FIRST + day * DAY)
    (first,) = driver.claim(9, workflows=("nightly",))
    assert driver.claim(9, workflows=("nightly",)) == []
    driver.succeed(first)
    assert [run.id for run in driver.claim(9, workflows=("nightly",))] == [ids(driver)[1]]


# --- the code changes


def test_a_registration_that_says_the_same_leaves_the_next_moment(driver: Driver) -> None:
    driver.register(nightly())
    driver.now = FIRST + HOUR  # it is due, and nobody has ticked
    driver.register(nightly(), worker="b")
    assert next_at(driver) == FIRST
    driver.tick()
    assert ids(driver) == ["nightly-20261124T030000Z"]


@pytest.mark.parametrize(
    ("changed", "upcoming"),
    [
        (nightly("0 5 * * *"), NOON + 17 * HOUR),
        (nightly(DAILY, "Europe/Zurich"), FIRST - HOUR),
        (nightly("0 1 * * *"), NOON + 13 * HOUR),
    ],
)
def test_another_rule_or_zone_counts_from_now(
    driver: Driver, changed: WorkflowInfo, upcoming: int
) -> None:
    driver.register(nightly())
    driver.register(changed)
    assert (next_at(driver), driver.store.next_due()) == (upcoming, upcoming)
    driver.tick(upcoming)
    assert len(ids(driver)) == 1


def test_another_rule_says_nothing_of_what_is_past(driver: Driver) -> None:
    driver.register(nightly())
    driver.now = FIRST + HOUR
    driver.register(nightly("0 5 * * *"))  # its moment of today comes later, that of before not
    driver.tick()
    assert ids(driver) == []
    assert next_at(driver) == FIRST + 2 * HOUR


def test_another_payload_leaves_the_next_moment_and_is_what_it_gets(driver: Driver) -> None:
    driver.register(nightly(payload="1"))
    driver.now = FIRST + 1
    driver.register(nightly(payload="2"))
    driver.tick()
    assert [(run.id, run.payload) for run in runs(driver)] == [("nightly-20261124T030000Z", "2")]


def test_a_rule_that_comes_back_does_not_run_a_moment_twice(driver: Driver) -> None:
    driver.register(nightly())
    driver.tick(FIRST)
    driver.now = FIRST - HOUR  # a clock that was set back, so that the moment is ahead again
    driver.register(nightly("0 4 * * *"))
    driver.register(nightly())
    assert next_at(driver) == FIRST
    driver.tick(FIRST)
    assert ids(driver) == ["nightly-20261124T030000Z"]
    assert next_at(driver) == FIRST + DAY


def test_a_schedule_that_is_gone_from_the_code_is_forgotten(driver: Driver) -> None:
    driver.register(nightly())
    driver.register(nightly(None))
    assert (known(driver), driver.store.next_due()) == (None, None)
    driver.tick(FIRST)
    assert ids(driver) == []


def test_a_workflow_that_is_gone_from_the_code_takes_its_schedule_along(driver: Driver) -> None:
    driver.register(nightly(), WorkflowInfo("other"))
    driver.register(WorkflowInfo("other"))
    assert driver.store.next_due() is None
    driver.tick(FIRST)
    assert ids(driver) == []
    driver.register(nightly(), WorkflowInfo("other"))
    assert known(driver) == Schedule(DAILY, next_at=FIRST + DAY)


def test_a_worker_that_comes_again_does_not_bring_its_old_code_back(driver: Driver) -> None:
    driver.register(nightly(group="old", concurrency=1), worker="old")
    driver.register(nightly("0 5 * * *"), worker="new")
    driver.register(nightly(group="old", concurrency=1), worker="old", again=True)
    (found,) = driver.do(ListWorkflows()).workflows
    assert found == nightly("0 5 * * *", next_at=NOON + 17 * HOUR)


def test_a_module_that_is_broken_keeps_its_schedule_and_its_runs_wait(driver: Driver) -> None:
    driver.register(nightly())
    driver.register(WorkflowInfo("other"), broken=[BrokenModule("workflows.nightly", "no")])
    driver.tick(FIRST)
    assert driver.claim(workflows=("other",)) == []
    driver.register(nightly(), WorkflowInfo("other"))
    assert [run.id for run in driver.claim(workflows=("nightly",))] == ["nightly-20261124T030000Z"]


def test_what_was_due_before_the_new_code_is_known_is_done(driver: Driver) -> None:
    driver.register(nightly(payload="1"))
    driver.restart()
    driver.tick(FIRST + 1)  # a new server looks at once; its first worker comes later
    driver.register(nightly("0 5 * * *", payload="2"))
    assert [(run.id, run.payload) for run in runs(driver)] == [("nightly-20261124T030000Z", "1")]
    assert next_at(driver) == FIRST + 2 * HOUR


def test_a_payload_that_no_longer_fits_is_a_run_that_tells_so(driver: Driver) -> None:
    """The worker checks it when it loads the code; what slips through must not stop the clock."""
    driver.register(nightly(schema=INT, payload='"text"'))
    driver.tick(FIRST)
    assert [run.payload for run in runs(driver)] == ['"text"']


@pytest.mark.parametrize(
    "schedule", [Schedule("no rule"), Schedule(DAILY, "Mars/Olympus"), Schedule("")]
)
def test_a_rule_that_only_the_worker_understands_stands_still_and_all_else_goes_on(
    driver: Driver, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    """The workers' Python may be another one, with other time zones."""
    bad = WorkflowInfo("bad", schedule=schedule)
    with caplog.at_level(logging.ERROR, "tako.store"):
        driver.register(bad, nightly())
    assert "the schedule of bad stands still: " in caplog.text
    assert known(driver, "bad") == schedule
    driver.tick(FIRST)
    assert ids(driver) == ["nightly-20261124T030000Z"]


def test_a_zone_that_has_gone_from_this_machine_stops_one_schedule_and_no_tick(
    driver: Driver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver.register(nightly(), WorkflowInfo("other", schedule=Schedule(DAILY)))
    with apsw.Connection(str(tmp_path / "runs.db")) as db:
        db.execute("UPDATE schedules SET zone = 'Mars/Olympus' WHERE workflow = 'nightly'")
    driver.tick(FIRST)
    assert ids(driver) == ["other-20261124T030000Z"]
    assert "the schedule of nightly stands still" in caplog.text
    assert next_at(driver) is None
    driver.register(nightly(), WorkflowInfo("other", schedule=Schedule(DAILY)))
    assert next_at(driver) == FIRST + DAY


# --- clocks, cancels, ids


def test_a_clock_that_is_set_forward_brings_one_run_of_its_schedule(driver: Driver) -> None:
    driver.register(nightly())
    driver.tick(FIRST + 30 * DAY + 1)
    assert ids(driver) == ["nightly-20261224T030000Z"]
    assert next_at(driver) == FIRST + 31 * DAY


def test_a_clock_that_is_set_back_brings_nothing_twice_and_the_schedule_waits(
    driver: Driver,
) -> None:
    driver.register(nightly())
    driver.tick(FIRST)
    driver.now = FIRST - DAY
    driver.register(nightly())
    for at in (FIRST - DAY, FIRST, FIRST + DAY - 1):
        driver.tick(at)
    assert ids(driver) == ["nightly-20261124T030000Z"]
    driver.tick(FIRST + DAY)
    assert ids(driver)[1:] == ["nightly-20261125T030000Z"]


@pytest.mark.parametrize(
    ("rule", "night", "expected"),
    [
        # 2:00 becomes 3:00
        ("30 2 * * *", "2026-03-28T12:00Z", ["2026-03-29T03:00:00+02:00"]),
        ("0 * * * *", "2026-03-29T00:30Z", ["2026-03-29T03:00:00+02:00"]),
        # 3:00 becomes 2:00
        ("30 2 * * *", "2026-10-24T12:00Z", ["2026-10-25T02:30:00+02:00"]),
        (
            "0 * * * *",
            "2026-10-24T23:30Z",
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"],
        ),
    ],
)
def test_in_the_nights_in_which_clocks_change_each_moment_has_its_run(
    driver: Driver, rule: str, night: str, expected: list[str]
) -> None:
    driver.now = int(datetime.fromisoformat(night).timestamp() * 1000)
    driver.register(nightly(rule, "Europe/Berlin"))
    for _ in expected:
        driver.tick(next_at(driver))
    assert [json.loads(run.payload)["at"] for run in runs(driver)] == expected


def test_who_cancels_a_run_of_a_schedule_cancels_that_one(driver: Driver) -> None:
    driver.register(nightly())
    driver.tick(FIRST)
    driver.do(Cancel("nightly-20261124T030000Z", "not tonight"))
    driver.tick(FIRST + DAY)
    assert [run.state for run in runs(driver)] == ["cancelled", "pending"]
    driver.do(Rerun("nightly-20261124T030000Z"))
    assert [run.state for run in runs(driver)] == ["pending", "pending"]


def test_a_run_that_somebody_enqueued_under_its_id_is_the_run_of_the_moment(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.register(nightly())
    driver.enqueue("nightly", run_id="nightly-20261124T030000Z", payload='"mine"')
    driver.tick(FIRST)
    assert [run.payload for run in runs(driver)] == ['"mine"']
    assert "run nightly-20261124T030000Z was there before its schedule was due" in caplog.text
    assert next_at(driver) == FIRST + DAY


def test_a_schedule_is_among_what_is_due(driver: Driver) -> None:
    driver.register(nightly())
    driver.enqueue(delay=HOUR)
    things = driver.do(ListDue()).things
    assert [(t.at, t.kind, t.name) for t in things] == [
        (NOON + HOUR, "run", "w"),
        (FIRST, "schedule", "nightly"),
    ]
    assert things[1].run_id == ""


def test_schedules_are_there_after_a_restart(driver: Driver) -> None:
    driver.register(nightly(payload='{"a":[1]}'))
    before = known(driver)
    driver.restart()
    assert known(driver) == before
    driver.tick(FIRST)
    assert [run.payload for run in runs(driver)] == ['{"a":[1]}']
