"""What is asked changes, is asked again, or nobody waits for it any more."""

import json
from typing import Any

import pytest

from tako.commands import (
    Bail,
    Cancel,
    Command,
    Exists,
    Fail,
    Lost,
    Rerun,
    Show,
    Tick,
    Unwait,
    Waiting,
)
from tests.store.asking import actor, asking
from tests.store.driver import START
from tests.store.office import DAY, FORM, HOUR, MINUTE, SLACK, Office, after

# --- what is asked changes


def test_other_content_is_another_question_and_answers_to_the_old_one_do_not_count(
    office: Office,
) -> None:
    run = office.ask(parked=False, quorum=2, body="5 euro")
    office.decide("ana")
    shown = office.approval().digest
    office.again(run, quorum=2, body="5,000 euro")
    assert office.approval().answers == ()
    assert office.no_detail("ben", digest=shown) == {
        "code": "content_changed",
        "digest": office.approval().digest,
    }
    assert office.decide("ben").outcome is None
    assert office.decide("ana").outcome == "approve"
    assert office.decision(run)["by"] == "ana"
    asked = ["asked", "answered", "changed", "refused", "answered", "answered", "decided"]
    assert office.kinds() == asked


@pytest.mark.parametrize(
    "change", [{"title": "No?"}, {"body": "b"}, {"options": ("approve", "no")}, {"schema": FORM}]
)
def test_title_body_options_and_form_are_content(office: Office, change: dict[str, Any]) -> None:
    run = office.ask(parked=False)
    shown = office.approval().digest
    office.again(run, **change)
    value = '{"cents":1}' if "schema" in change else None
    assert office.no("ana", digest=shown, value=value) == "content_changed"
    assert office.decide("ana", digest=office.approval().digest, value=value).outcome == "approve"


def test_other_people_are_no_other_content(office: Office) -> None:
    run = office.ask(parked=False, to=("ana", "ben"), quorum=2)
    office.decide("ana")
    shown = office.approval().digest
    office.again(run, to=("ben", "cleo"), quorum=2)
    assert office.inbox("cleo") == ["a1"]
    assert office.approval().digest == shown
    assert office.decide("cleo", digest=shown).outcome == "approve"
    assert office.kinds() == ["asked", "answered", "changed", "answered", "decided"]


def test_who_is_no_longer_asked_cannot_answer_any_more(office: Office) -> None:
    run = office.ask(parked=False, to=("ana", "ben"))
    office.again(run, to=("ben",))
    assert office.no("ana") == "not_allowed"
    assert office.inbox("ana") == []
    office.again(run)
    assert office.decide("cleo").outcome == "approve"


def test_a_quorum_that_is_lowered_may_be_there_already(office: Office) -> None:
    run = office.ask(parked=False, quorum=3)
    office.decide("ana", "approve")
    office.decide("ben", "reject")
    reply = office.again(run, quorum=1)
    assert isinstance(reply, Exists)
    assert json.loads(reply.record.value or "")["by"] == "ana"
    assert office.outcome() == ("decided", "approve", "ana")
    assert office.decision(run)["answers"][1]["person"] == "ben"


def test_who_is_excluded_by_a_redeploy_no_longer_counts(office: Office) -> None:
    run = office.ask(parked=False, quorum=2)
    office.decide("ana")
    office.again(run, quorum=2, exclude=("a.silva",))
    assert office.decide("ben").outcome is None
    assert office.decide("cleo").decided_by == "cleo"


def test_times_are_fixed_when_it_is_first_asked(office: Office) -> None:
    """A moment that the handler computes anew on each pass is no other question."""
    run = office.ask(parked=False, remind=(after(HOUR),), notify=(SLACK,))
    office.again(run, remind=(after(2 * HOUR),), notify=(SLACK,))
    assert office.kinds() == ["asked"]
    office.tick(START + HOUR)
    assert office.kinds() == ["asked", "reminded"]
    office.tick(START + 2 * HOUR)
    assert office.kinds() == ["asked", "reminded"]


def test_an_event_that_was_waited_for_becomes_an_approval_and_the_other_way_round(
    office: Office,
) -> None:
    run = office.start()
    office.wait(run, "e", name="ok")
    assert office.again(run, "a1") == Waiting(None)
    assert office.signal("e").outcome == "buffered"
    assert office.approval().state == "open"
    reply = office.wait(run, "other", name="ok", timeout=DAY)
    assert reply == Waiting(START + DAY)
    assert office.outcome() == ("withdrawn", None, None)
    assert office.kinds() == ["asked", "withdrawn"]
    office.park(run, "ok")
    office.signal("other", "5")
    assert office.step(run, "ok") == ("ok", "5")


# --- asked again after an answer


def rejected_and_failed(office: Office, **options: Any) -> str:
    """A run that failed after a person had rejected what it asked."""
    run = office.ask(parked=False, **options)
    office.decide("ana", "reject")
    office.do(Fail(run.id, run.lease_id, "{}"))
    office.do(Rerun(run.id, from_step="ok"))
    return run.id


def test_the_same_content_has_the_decision_of_before(office: Office) -> None:
    rejected_and_failed(office)
    (run,) = office.claim()
    reply = office.again(run, "a2")
    assert isinstance(reply, Exists)
    assert json.loads(reply.record.value or "")["outcome"] == "reject"
    assert office.kinds() == ["asked", "answered", "decided", "reused"]
    assert office.refused(Show("a2", "", actor())) == "approval_not_found"


def test_without_reuse_people_are_asked_again(office: Office) -> None:
    rejected_and_failed(office)
    (run,) = office.claim()
    assert office.again(run, "a2", reuse=False) == Waiting(None)
    office.decide("ben", id="a2")
    assert office.decision(run)["outcome"] == "approve"


def test_other_content_is_asked_although_the_old_one_was_decided(office: Office) -> None:
    rejected_and_failed(office)
    (run,) = office.claim()
    assert office.again(run, "a2", body="with another price") == Waiting(None)


@pytest.mark.parametrize("rule", [{"quorum": 2}, {"exclude": ("ana",)}])
def test_a_decision_that_todays_rules_would_not_give_is_not_used_again(
    office: Office, rule: dict[str, Any]
) -> None:
    rejected_and_failed(office)
    (run,) = office.claim()
    assert office.again(run, "a2", **rule) == Waiting(None)


def test_a_deadline_is_no_decision_of_people_and_is_not_used_again(office: Office) -> None:
    run = office.ask(parked=False, timeout=HOUR)
    office.tick(START + HOUR)
    office.do(Fail(run.id, run.lease_id, "{}"))
    office.do(Rerun(run.id, from_step="ok"))
    (run,) = office.claim()
    assert office.again(run, "a2", timeout=HOUR) == Waiting(office.now + HOUR)


# --- the run goes another way


@pytest.mark.parametrize("end", ["cancel", "bail", "fail", "succeed", "unwait", "timeout"])
def test_what_nobody_waits_for_is_withdrawn_and_cannot_be_answered(
    office: Office, end: str
) -> None:
    run = office.start(timeout=HOUR)
    office.do(asking(run, "a1", requester="dan", notify=(SLACK,)))
    ends: dict[str, Command] = {
        "cancel": Cancel(run.id, "no need"),
        "bail": Bail(run.id, run.lease_id, "enough"),
        "fail": Fail(run.id, run.lease_id, "{}"),
        "unwait": Unwait(run.id, run.lease_id, "ok"),
        "timeout": Tick(),
    }
    if end == "timeout":
        office.now += HOUR
    if end == "succeed":
        office.succeed(run)
    else:
        office.do(ends[end])
    assert office.outcome() == ("withdrawn", None, None)
    assert office.inbox("ana") == []
    assert office.no_detail("ana")["state"] == "withdrawn"
    assert office.no("ana") == "approval_closed"
    assert office.kinds() == ["asked", "withdrawn", "refused", "refused"]
    assert office.told("withdrawn") == [None]


def test_what_was_withdrawn_is_asked_again_by_a_rerun(office: Office) -> None:
    run = office.ask()
    office.do(Cancel(run.id, "a mistake"))
    office.do(Rerun(run.id))
    (again,) = office.claim()
    assert office.again(again, "a2") == Waiting(None)
    assert office.no("ana", id="a1") == "approval_closed"
    assert office.decide("ana", id="a2").outcome == "approve"


def test_a_worker_that_is_lost_takes_no_approval_along(office: Office) -> None:
    run = office.ask(parked=False)
    office.do(Lost("a", "killed"))
    assert office.state(run) == "pending"
    assert office.approval().state == "open"
    office.decide("ana")
    (again,) = office.claim(solo=True)
    assert [s.name for s in again.steps] == ["ok"]


def test_a_failed_attempt_with_retries_left_leaves_the_approval_open(office: Office) -> None:
    run = office.ask(parked=False)
    office.do(Fail(run.id, run.lease_id, "{}", retry_in=MINUTE))
    office.decide("ana")
    office.tick(START + MINUTE)
    (again,) = office.claim()
    assert [s.name for s in again.steps] == ["ok"]


def test_poison_that_asked_people_leaves_nothing_to_answer(office: Office) -> None:
    run = office.ask(parked=False)
    for worker in "abc":
        office.do(Lost(worker, "killed"))
        if office.state(run) == "pending":
            office.claim(solo=True, worker=chr(ord(worker) + 1))
    assert office.state(run) == "failed"
    assert office.outcome() == ("withdrawn", None, None)
