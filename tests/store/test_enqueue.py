"""A run comes in: once, at its time, of a workflow that is known."""

from typing import Any

import pytest

from tako.commands import Cancel, Enqueue, Enqueued, ListWorkflows, Rerun
from tako.model import BrokenModule, RunState, WorkflowInfo
from tests.store.driver import INT, START, Driver


def by_name(run_id: str, workflow: str = "w", payload: str = "{}") -> Enqueue:
    return Enqueue(run_id, workflow, payload)


def test_a_run_is_stored_as_it_was_given(driver: Driver) -> None:
    command = Enqueue("r1", "w", '{"a":1}', "mail", retries=4, unique_key="k", priority=3)
    assert driver.do(command) == Enqueued("r1", True)
    run = driver.get("r1")
    assert (run.id, run.workflow, run.group, run.payload) == ("r1", "w", "mail", '{"a":1}')
    assert (run.state, run.attempt, run.strikes) == (RunState.PENDING, 1, 0)
    assert (run.retries, run.unique_key, run.priority) == (4, "k", 3)
    assert (run.created_at, run.run_at, run.expires_at) == (START, None, None)
    assert driver.effects.ready == {"mail"}


def test_a_run_id_is_taken_for_ever(driver: Driver) -> None:
    run = driver.start(run_id="r1")
    driver.succeed(run)
    assert driver.do(Enqueue("r1", "other", "2", "default")) == Enqueued("r1", False)
    assert driver.get("r1").workflow == "w"


def test_the_same_run_twice_in_one_batch_is_created_once(driver: Driver) -> None:
    command = Enqueue("r1", "w", "{}", "default")
    assert driver.batch(command, command) == [Enqueued("r1", True), Enqueued("r1", False)]


def test_a_unique_key_answers_with_the_unfinished_run_that_holds_it(driver: Driver) -> None:
    run = driver.start(run_id="r1", unique_key="k")
    again = Enqueue("r2", "w", "{}", "default", unique_key="k")
    assert driver.do(again) == Enqueued("r1", False)
    driver.succeed(run)
    assert driver.do(again) == Enqueued("r2", True)


def test_a_unique_key_holds_while_its_run_is_parked(driver: Driver) -> None:
    run = driver.start(run_id="r1", unique_key="k")
    driver.wait(run)
    driver.park(run)
    assert driver.do(Enqueue("r2", "w", "{}", "default", unique_key="k")).run_id == "r1"


def test_a_unique_key_is_per_workflow(driver: Driver) -> None:
    driver.enqueue(unique_key="k")
    assert driver.do(Enqueue("r2", "other", "{}", "default", unique_key="k")).created


def test_a_delayed_run_is_not_ready_before_its_time(driver: Driver) -> None:
    run_id = driver.enqueue(delay=100)
    assert driver.effects.timed
    assert driver.effects.ready == set()
    assert driver.store.next_due() == START + 100
    assert driver.claim() == []
    driver.tick(START + 99)
    assert driver.claim() == []
    driver.tick(START + 100)
    assert driver.effects.ready == {"default"}
    assert [run.id for run in driver.claim()] == [run_id]
    assert driver.get(run_id).run_at is None


def test_run_at_wins_over_delay(driver: Driver) -> None:
    run_id = driver.enqueue(run_at=START + 7, delay=100)
    assert driver.get(run_id).run_at == START + 7


@pytest.mark.parametrize("when", [{"run_at": START}, {"run_at": START - 1}, {"delay": 0}])
def test_a_run_for_a_moment_that_has_come_is_ready_at_once(
    driver: Driver, when: dict[str, Any]
) -> None:
    run_id = driver.enqueue(**when)
    assert driver.get(run_id).run_at is None
    assert [run.id for run in driver.claim()] == [run_id]


def test_a_timeout_counts_from_the_moment_the_run_may_start(driver: Driver) -> None:
    assert driver.get(driver.enqueue(timeout=50)).expires_at == START + 50
    assert driver.get(driver.enqueue(timeout=50, delay=10)).expires_at == START + 60
    assert driver.store.next_due() == START + 10


def test_a_name_that_no_worker_has_told_of_is_refused(driver: Driver) -> None:
    assert driver.refused(by_name("r1")) == "unknown_workflow"
    assert driver.refused(Enqueue("r1", "w", "{}")) == "unknown_workflow"


def test_a_name_supplies_group_and_timeout(driver: Driver) -> None:
    driver.register(WorkflowInfo("w", "mail", timeout=1000))
    driver.do(by_name("r1"))
    assert (driver.get("r1").group, driver.get("r1").expires_at) == ("mail", START + 1000)
    driver.do(Enqueue("r2", "w", "{}", timeout=10))
    assert driver.get("r2").expires_at == START + 10


def test_a_payload_that_its_schema_refuses_does_not_come_in(driver: Driver) -> None:
    driver.register(WorkflowInfo("w", schema=INT))
    assert driver.refused(by_name("r1", payload='"x"')) == "payload_refused"
    assert driver.refused(by_name("r1", payload="{")) == "payload_refused"
    assert driver.do(by_name("r1", payload="1")).created


def test_a_workflow_that_is_gone_from_the_code_is_unknown(driver: Driver) -> None:
    driver.register(WorkflowInfo("w"), WorkflowInfo("old"))
    driver.register(WorkflowInfo("w"))
    assert driver.refused(by_name("r1", "old")) == "unknown_workflow"
    assert driver.do(by_name("r2")).created


def test_a_module_that_does_not_load_takes_no_workflow_away(driver: Driver) -> None:
    driver.register(WorkflowInfo("w"), WorkflowInfo("other"))
    broken = BrokenModule("workflows.other", "SyntaxError")
    driver.register(WorkflowInfo("w"), broken=[broken])
    listed = driver.do(ListWorkflows())
    assert [w.name for w in listed.workflows] == ["other", "w"]
    assert listed.broken == [broken]
    driver.register(WorkflowInfo("w"), WorkflowInfo("other"))
    assert driver.do(ListWorkflows()).broken == []


def test_a_workflow_that_moves_to_another_group_takes_its_runs_along(driver: Driver) -> None:
    driver.register(WorkflowInfo("w"))
    parked, ended = driver.parked(), driver.start()
    driver.succeed(ended)
    ready = driver.enqueue()
    driver.register(WorkflowInfo("w", "mail"))
    assert driver.effects.ready == {"default", "mail"}
    assert [driver.get(run).group for run in (parked, ended, ready)] == ["mail", "default", "mail"]
    assert [run.id for run in driver.claim(group="mail")] == [ready]


def test_a_workflow_that_was_gone_and_comes_back_in_another_group_finds_its_runs(
    driver: Driver,
) -> None:
    driver.register(WorkflowInfo("w"))
    run_id = driver.enqueue("w")
    driver.register(WorkflowInfo("other"))
    driver.register(WorkflowInfo("w", group="mail"))
    assert driver.get(run_id).group == "mail"


def test_the_group_that_the_workers_say_holds_for_senders_with_older_code(driver: Driver) -> None:
    driver.register(WorkflowInfo("w", "mail"))
    assert driver.get(driver.enqueue("w", group="default")).group == "mail"
    assert driver.get(driver.enqueue("unknown", group="default")).group == "default"


def test_a_run_that_is_rerun_goes_to_the_group_of_its_workflow(driver: Driver) -> None:
    driver.register(WorkflowInfo("w"))
    run_id = driver.enqueue()
    driver.do(Cancel(run_id, "x"))
    driver.register(WorkflowInfo("w", "mail"))
    driver.do(Rerun(run_id))
    assert driver.effects.ready == {"mail"}
    assert [run.id for run in driver.claim(group="mail")] == [run_id]


def test_the_ids_of_our_own_messages_cannot_be_taken_before_they_are_sent(driver: Driver) -> None:
    assert driver.refused(Enqueue("tako-notify-a-1-1", "w", "{}", "default")) == "payload_refused"
    assert driver.store.ready("default") == []
