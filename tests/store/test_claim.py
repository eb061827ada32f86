"""Which run goes next, and to whom."""

from collections import Counter

from tako.commands import Claim, Enqueue, Fail, Lost, Register, Registered, Release, SaveStep
from tako.model import RunState, WorkflowInfo
from tests.store.driver import START, Driver, saving


def limited(driver: Driver, name: str = "w", concurrency: int = 1) -> None:
    driver.register(WorkflowInfo(name, concurrency=concurrency), worker="registrar")


def test_a_claimed_run_is_running_and_its_lease_ends_in_time(driver: Driver) -> None:
    run_id = driver.enqueue(payload='{"a":1}', retries=3)
    (run,) = driver.claim(lease=500)
    assert driver.effects.timed
    assert (run.id, run.workflow, run.payload) == (run_id, "w", '{"a":1}')
    assert (run.attempt, run.strikes, run.retries, run.created_at) == (1, 0, 3, START)
    assert (run.steps, run.waiters, run.more) == ([], [], False)
    stored = driver.get(run)
    assert (stored.state, stored.worker_id, stored.started_at) == (RunState.RUNNING, "a", START)
    assert driver.store.next_due() == START + 500
    assert driver.store.running_workers() == ["a"]


def test_runs_are_claimed_in_the_order_they_came(driver: Driver) -> None:
    ids = [driver.enqueue() for _ in range(5)]
    assert [run.id for run in driver.claim(2)] == ids[:2]
    assert [run.id for run in driver.claim(9)] == ids[2:]
    assert driver.claim(9) == []


def test_no_run_is_claimed_twice_within_one_batch(driver: Driver) -> None:
    first, second = driver.enqueue(), driver.enqueue()
    claims = [Claim(1, w, "default", ("w",)) for w in "abc"]
    replies = driver.batch(*claims)
    assert [[run.id for run in reply.runs] for reply in replies] == [[first], [second], []]


def test_what_is_enqueued_in_a_batch_can_be_claimed_in_it(driver: Driver) -> None:
    _, reply = driver.batch(Enqueue("r1", "w", "{}", "default"), Claim(1, "a", "default", ("w",)))
    assert [run.id for run in reply.runs] == ["r1"]


def test_a_higher_priority_goes_first_whatever_its_workflow(driver: Driver) -> None:
    low, high, middle = (
        driver.enqueue("w"),
        driver.enqueue("v", priority=9),
        driver.enqueue("w", priority=5),
    )
    claimed = driver.claim(3, workflows=("v", "w"))
    assert [run.id for run in claimed] == [high, middle, low]


def test_a_long_queue_of_one_workflow_does_not_hold_up_another(driver: Driver) -> None:
    for _ in range(20):
        driver.enqueue("busy")
    late = driver.enqueue("rare")
    claimed = driver.claim(2, workflows=("busy", "rare"))
    assert late in [run.id for run in claimed]


def test_two_workflows_with_much_to_do_take_turns_claim_by_claim(driver: Driver) -> None:
    for workflow in ("v", "w"):
        for _ in range(10):
            driver.enqueue(workflow)
    claimed = [driver.claim(1, workflows=("v", "w"))[0].workflow for _ in range(10)]
    assert Counter(claimed) == {"v": 5, "w": 5}


def test_turns_are_kept_for_each_group(driver: Driver) -> None:
    for _ in range(10):
        driver.enqueue("v")
    for workflow in ("w", "mail", "mail2"):
        for _ in range(10):
            driver.enqueue(workflow, group="mail" if "mail" in workflow else "default")
    claimed = []
    for _ in range(10):
        claimed.append(driver.claim(1, workflows=("v", "w"))[0].workflow)
        driver.claim(1, group="mail", workflows=("mail", "mail2"))
    assert Counter(claimed) == {"v": 5, "w": 5}


def test_a_workflow_that_had_nothing_to_do_has_no_credit(driver: Driver) -> None:
    for _ in range(10):
        driver.enqueue("v")
    driver.claim(6, workflows=("v", "w"))
    for _ in range(10):
        driver.enqueue("w")
    claimed = driver.claim(4, workflows=("v", "w"))
    assert Counter(run.workflow for run in claimed) == {"v": 2, "w": 2}


def test_a_worker_claims_only_its_group_and_what_it_knows(driver: Driver) -> None:
    driver.enqueue("w", group="mail")
    driver.enqueue("unknown")
    assert driver.claim(9) == []
    assert driver.store.ready("default") == ["unknown"]
    assert driver.store.ready("mail") == ["w"]
    assert len(driver.claim(9, group="mail")) == 1
    assert driver.store.ready("mail") == []


def test_a_limit_of_nothing_claims_nothing(driver: Driver) -> None:
    driver.enqueue()
    assert driver.claim(0) == []


def test_a_workflows_limit_holds_over_all_workers(driver: Driver) -> None:
    limited(driver, concurrency=2)
    for _ in range(4):
        driver.enqueue()
    first = driver.claim(1, worker="a")
    assert len(driver.claim(9, worker="b")) == 1
    assert driver.claim(9, worker="c") == []
    driver.succeed(first[0])
    assert driver.effects.ready == {"default"}, "its place is free"
    assert len(driver.claim(9, worker="c")) == 1


def test_every_end_of_a_pass_frees_a_place_under_a_limit(driver: Driver) -> None:
    limited(driver)
    run = driver.start()
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=60_000))
    assert driver.effects.ready == {"default"}
    run = driver.start()
    driver.wait(run)
    driver.park(run)
    assert driver.effects.ready == {"default"}


def test_a_limit_that_is_lifted_no_longer_holds(driver: Driver) -> None:
    limited(driver)
    for _ in range(3):
        driver.enqueue()
    assert len(driver.claim(9)) == 1
    driver.register(WorkflowInfo("w"), worker="registrar")
    assert len(driver.claim(9)) == 2


def test_a_limit_is_known_after_a_restart(driver: Driver) -> None:
    limited(driver)
    for _ in range(3):
        driver.enqueue()
    driver.restart()
    assert len(driver.claim(9)) == 1


def test_a_limited_workflow_does_not_hold_up_the_others(driver: Driver) -> None:
    limited(driver)
    for _ in range(3):
        driver.enqueue("w", priority=9)
    driver.enqueue("v")
    claimed = driver.claim(9, workflows=("v", "w"))
    assert [run.workflow for run in claimed] == ["w", "v"]


def test_isolated_runs_go_to_solo_workers_and_only_they(driver: Driver) -> None:
    run, other = driver.start(), driver.start()
    ready = driver.enqueue()
    driver.do(Lost("a", "killed"))
    assert driver.store.isolated("default") == ["w", "w"]
    assert [r.id for r in driver.claim(9, worker="b")] == [ready]
    assert [r.id for r in driver.claim(1, worker="c", solo=True)] == [run.id]
    assert [r.id for r in driver.claim(9, worker="d", solo=True)] == [other.id]
    assert driver.claim(9, worker="e", solo=True) == []


def test_a_solo_worker_knows_limits_groups_and_workflows_too(driver: Driver) -> None:
    limited(driver)
    driver.register(WorkflowInfo("w"), worker="registrar")
    driver.start()
    driver.start()
    driver.do(Lost("a", "killed"))
    limited(driver)
    assert driver.claim(9, worker="s", solo=True, workflows=("v",)) == []
    assert driver.claim(9, worker="s", solo=True, group="mail") == []
    assert len(driver.claim(9, worker="s", solo=True)) == 1
    assert driver.claim(9, worker="t", solo=True) == []


def test_a_released_run_is_claimed_again_at_once_as_if_nothing_had_been(driver: Driver) -> None:
    run = driver.start()
    driver.save(run, "s")
    driver.do(Release(run.id, run.lease_id))
    assert driver.effects.ready == {"default"}
    (again,) = driver.claim(worker="b")
    assert (again.id, again.attempt, again.strikes) == (run.id, 1, 0)
    assert [step.name for step in again.steps] == ["s"]
    assert again.lease_id != run.lease_id


def test_an_isolated_run_that_is_released_stays_isolated(driver: Driver) -> None:
    driver.start()
    driver.start()
    driver.do(Lost("a", "killed"))
    (solo,) = driver.claim(worker="s", solo=True)
    driver.do(Release(solo.id, solo.lease_id))
    assert driver.claim(9) == []
    assert driver.claim(worker="s", solo=True)[0].id == solo.id


def test_a_reconnecting_worker_keeps_what_it_holds_and_gives_back_the_rest(
    driver: Driver,
) -> None:
    kept, dropped = driver.start(), driver.start()
    reply = driver.register(worker="a", leases=[kept.lease_id, "gone"])
    assert reply == Registered(["gone"])
    assert driver.state(kept) == "running"
    assert driver.state(dropped) == "pending"
    assert "default" in driver.effects.ready
    assert driver.save(kept)


def test_a_worker_whose_run_was_given_away_is_told_so_when_it_comes_back(driver: Driver) -> None:
    run = driver.start()
    driver.do(Lost("a", "killed"))
    (solo,) = driver.claim(worker="s", solo=True)
    assert driver.register(worker="a", leases=[run.lease_id]).lost == [run.lease_id]
    assert driver.get(solo).worker_id == "s"


def test_a_register_that_fails_leaves_the_limits_as_they_were(driver: Driver) -> None:
    limited(driver, concurrency=2)
    for _ in range(3):
        driver.enqueue()
    bad = Register("x", 1, "default", 1, workflows=[WorkflowInfo("w", concurrency=2**70)])
    assert driver.refused(bad) == "refused"
    assert len(driver.claim(9)) == 2


def test_a_resumed_run_brings_its_steps_and_open_waits(driver: Driver) -> None:
    run = driver.start()
    driver.batch(*[saving(run, f"s{n}") for n in range(3)])
    driver.wait(run, "e", timeout=1000)
    driver.do(Fail(run.id, run.lease_id, "{}", retry_in=0))
    (again,) = driver.claim()
    assert (again.attempt, [step.name for step in again.steps]) == (2, ["s0", "s1", "s2"])
    (waiter,) = again.waiters
    assert (waiter.name, waiter.event, waiter.deadline) == ("wait", "e", START + 1000)


def test_steps_come_in_pages(driver: Driver) -> None:
    run = driver.start()
    names = sorted(f"s{n:04}" for n in range(1200))
    saves: list[SaveStep] = [saving(run, name) for name in names]
    driver.batch(*saves)
    driver.do(Release(run.id, run.lease_id))
    (again,) = driver.claim()
    assert again.more
    assert [step.name for step in again.steps] == names[:500]
    assert driver.load(again) == names


def test_large_results_make_pages_shorter(driver: Driver) -> None:
    run = driver.start()
    names = [f"s{n}" for n in range(5)]
    big = '"' + "x" * 1_500_000 + '"'
    driver.batch(*[saving(run, name, value=big) for name in names])
    driver.do(Release(run.id, run.lease_id))
    (again,) = driver.claim()
    assert again.more
    assert len(again.steps) == 2
    assert driver.load(again) == names
