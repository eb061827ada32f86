"""A reply may be lost: whatever is then sent again does no harm."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tako.commands import (
    Bail,
    Cancel,
    ClaimedRun,
    Command,
    Enqueue,
    Fail,
    Heartbeat,
    ListRuns,
    ListWaits,
    ListWorkflows,
    Lost,
    Park,
    Register,
    Release,
    Rerun,
    Signal,
    Spread,
    Succeed,
    Tick,
    Unwait,
)
from tako.model import WorkflowInfo
from tests.store.driver import Driver, saving, waiting

Make = Callable[[ClaimedRun], Command]

COMMANDS: dict[str, Make] = {
    "enqueue": lambda r: Enqueue("new", "w", "{}", "default", delay=10),
    "enqueue unique": lambda r: Enqueue("new", "w", "{}", "default", unique_key="k"),
    "signal delivered": lambda r: Signal("x", "open", "1"),
    "signal with a key": lambda r: Signal("x", "open", "1", "k"),
    "signal kept": lambda r: Signal("x", "nobody", "1"),
    "cancel": lambda r: Cancel(r.id, "x"),
    "register": lambda r: Register("a", 1, "default", 1, workflows=[WorkflowInfo("w")]),
    "register with leases": lambda r: Register("a", 1, "default", 1, leases=[r.lease_id]),
    "save": saving,
    "save a failure": lambda r: saving(r, outcome="failed", value="{}"),
    "wait": lambda r: waiting(r, "e", timeout=50),
    "wait for what is there": lambda r: waiting(r, "kept"),
    "unwait": lambda r: Unwait(r.id, r.lease_id, "held"),
    "park": lambda r: Park(r.id, r.lease_id, ["held"]),
    "succeed": lambda r: Succeed(r.id, r.lease_id, "1"),
    "bail": lambda r: Bail(r.id, r.lease_id, "x"),
    "fail": lambda r: Fail(r.id, r.lease_id, "{}"),
    "fail and retry": lambda r: Fail(r.id, r.lease_id, "{}", retry_in=0),
    "release": lambda r: Release(r.id, r.lease_id),
    "heartbeat": lambda r: Heartbeat("a"),
    "tick": lambda r: Tick(),
    "spread": lambda r: Spread("kept-1"),
    "lost": lambda r: Lost("a", "killed"),
}


def everything(driver: Driver, runs: Sequence[str]) -> list[Any]:
    """All that can be seen of a store."""
    replies = driver.batch(ListRuns(), ListWaits(), ListWorkflows())
    return [*replies, *[driver.steps(run_id) for run_id in runs]]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_sent_again_changes_nothing_more(driver: Driver, name: str) -> None:
    driver.signal("kept", "7", event_id="kept-1")
    run = driver.start()
    driver.wait(run, "open", name="held")
    command = COMMANDS[name](run)
    driver.batch(command)
    before = everything(driver, [run.id])
    for _ in range(2):
        driver.batch(command)
        assert everything(driver, [run.id]) == before
        assert driver.effects.ended == []
        assert driver.effects.pushes == []


@pytest.mark.parametrize(
    "name",
    ["save", "save a failure", "wait", "signal delivered", "signal kept", "signal with a key"],
)
def test_a_command_that_is_sent_again_is_answered_as_before(driver: Driver, name: str) -> None:
    run = driver.start()
    driver.wait(run, "open", name="held")
    command = COMMANDS[name](run)
    first = driver.do(command)
    driver.now += 5
    assert driver.do(command) == first


def test_a_wait_whose_outcome_was_taken_is_answered_with_it_again(driver: Driver) -> None:
    driver.signal("kept", "7")
    run = driver.start()
    first = driver.wait(run, "kept")
    assert driver.wait(run, "kept") == first


def test_a_rerun_that_is_sent_again_says_that_it_is_no_longer_ended(driver: Driver) -> None:
    run = driver.start()
    driver.do(Fail(run.id, run.lease_id, "{}"))
    driver.do(Rerun(run.id))
    before = driver.get(run)
    assert driver.refused(Rerun(run.id)) == "wrong_state"
    assert driver.get(run) == before


def test_an_enqueue_that_is_sent_again_after_the_end_starts_nothing(driver: Driver) -> None:
    command = Enqueue("r1", "w", "{}", "default")
    driver.do(command)
    driver.succeed(driver.claim()[0])
    assert not driver.do(command).created
    assert driver.claim() == []


def test_a_claim_whose_reply_was_lost_is_given_back_when_its_worker_comes_again(
    driver: Driver,
) -> None:
    run_id = driver.enqueue()
    driver.claim()  # nobody ever saw this
    driver.register(worker="a", leases=[])
    assert [(run.id, run.attempt) for run in driver.claim()] == [(run_id, 1)]


def test_a_signal_that_is_sent_again_after_it_was_taken_is_not_kept_again(driver: Driver) -> None:
    signal = Signal("x", "e", "1")
    driver.do(signal)
    driver.wait(driver.start())
    assert driver.do(signal).delivered == 1
    assert driver.wait(driver.start()).deadline is None


def test_a_signal_that_is_sent_again_after_it_was_set_aside_was_kept(driver: Driver) -> None:
    signal = Signal("x", "e", '"text"')
    first = driver.do(signal)
    driver.wait(driver.start(), schema='{"type":"integer"}')
    assert driver.do(signal) == first
