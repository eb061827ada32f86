"""Asking people, answering once, and what becomes of an approval when its run goes another way."""

import json

import pytest
from msgspec.structs import replace

from tako.commands import (
    Cancel,
    Decided,
    Error,
    Exists,
    Park,
    Parked,
    Release,
    Show,
    Signal,
    Waiting,
)
from tako.model import Actor
from tests.store.asking import actor, asking, deciding, record
from tests.store.driver import START
from tests.store.office import FORM, HOUR, MINUTE, SLACK, Office

# --- the story


def test_a_run_asks_and_parks_a_person_answers_and_the_run_goes_on(office: Office) -> None:
    run = office.ask(to=("ana",))
    assert office.state(run) == "waiting"
    assert office.inbox("ana") == ["a1"]
    office.now += MINUTE
    decided = office.decide("ana", comment="fine", channel="page")
    assert (decided.state, decided.outcome, decided.decided_by) == ("decided", "approve", "ana")
    assert (decided.decided_at, decided.channel) == (START + MINUTE, "page")
    assert office.state(run) == "pending"
    assert office.inbox("ana") == []
    (again,) = office.claim()
    assert [(s.name, s.kind, s.outcome) for s in again.steps] == [("ok", "approval", "ok")]
    assert office.decision(run) == {
        "outcome": "approve",
        "value": None,
        "by": "ana",
        "at": START + MINUTE,
        "channel": "page",
        "comment": "fine",
        "answers": [
            {
                "person": "ana",
                "answer": "approve",
                "at": START + MINUTE,
                "channel": "page",
                "value": None,
                "comment": "fine",
            }
        ],
    }
    assert office.kinds() == ["asked", "answered", "decided"]


def test_an_answer_before_the_run_has_parked_is_there_in_memory(office: Office) -> None:
    run = office.ask(parked=False)
    office.decide("ana")
    ((worker, run_id, value),) = office.delivered()
    assert (worker, run_id) == ("a", run.id)
    assert json.loads(value or "")["by"] == "ana"
    assert not isinstance(office.park(run, "ok"), Parked)
    assert office.state(run) == "running"


def test_an_answer_in_one_batch_with_the_question_finds_it(office: Office) -> None:
    run = office.start()
    park = Park(run.id, run.lease_id, ["ok"])
    _, decided, parked = office.batch(asking(run, "a1"), deciding(office), park)
    assert isinstance(decided, Decided)
    assert not isinstance(parked, Parked)


def test_an_answer_to_what_nobody_has_asked_yet_is_refused_and_not_kept(office: Office) -> None:
    assert office.no("ana") == "approval_not_found"
    office.ask()
    assert office.approval().state == "open"


def test_asked_again_by_a_later_pass_it_is_the_same_approval(office: Office) -> None:
    run = office.ask(timeout=HOUR)
    office.do(Cancel(office.enqueue(), "makes no difference"))
    office.decide("ana", id="a1")
    (again,) = office.claim()
    reply = office.again(again, "a2", timeout=HOUR)
    assert isinstance(reply, Exists)
    assert json.loads(reply.record.value or "")["by"] == "ana"
    assert office.refused(Show("a2", "x", actor())) == "approval_not_found"
    assert office.kinds() == ["asked", "answered", "decided"], run


def test_asked_again_before_an_answer_it_keeps_its_deadline_and_is_asked_once(
    office: Office,
) -> None:
    run = office.ask(parked=False, timeout=HOUR, notify=(SLACK,))
    office.now += MINUTE
    reply = office.again(run, timeout=HOUR, notify=(SLACK,))
    assert reply == Waiting(START + HOUR)
    assert office.kinds() == ["asked"]
    assert office.told("asked") == [None]


def test_who_has_lost_the_lease_cannot_ask(office: Office) -> None:
    run = office.start()
    office.do(Release(run.id, run.lease_id))
    assert office.refused(asking(run, "a1")) == "lease_lost"
    assert record(office) == []


# --- who comes second


def test_the_second_is_told_who_decided_when_and_how(office: Office) -> None:
    office.ask()
    office.decide("ana", "reject", channel="link")
    office.now += MINUTE
    assert office.no_detail("ben") == {
        "code": "already_decided",
        "state": "decided",
        "outcome": "reject",
        "by": "ana",
        "at": START,
        "channel": "link",
    }
    assert office.kinds() == ["asked", "answered", "decided", "refused"]


def test_of_two_people_in_one_batch_the_first_decides(office: Office) -> None:
    run = office.ask()
    first, second = office.batch(deciding(office, "reject", "ben"), deciding(office, by="ana"))
    assert isinstance(first, Decided)
    assert isinstance(second, Error)
    assert second.code == "already_decided"
    assert office.decision(run)["by"] == "ben"


def test_an_answer_that_is_sent_again_counts_once_and_is_confirmed(office: Office) -> None:
    office.ask(quorum=2)
    answer = deciding(office, by="ana")
    first = office.do(answer)
    office.restart()
    assert office.do(answer) == first
    assert len(first.approval.answers) == 1
    assert office.kinds() == ["asked", "answered"]


def test_an_answer_that_decided_is_confirmed_after_the_end_of_its_run(office: Office) -> None:
    run = office.ask()
    answer = deciding(office)
    office.do(answer)
    (again,) = office.claim()
    office.succeed(again)
    assert office.do(answer).approval.decided_by == "ana", run
    assert office.kinds() == ["asked", "answered", "decided"]


def test_the_id_of_an_answer_is_no_key_to_another_approval_or_person(office: Office) -> None:
    office.ask("a1")
    office.ask("a2")
    given = deciding(office, by="ana", id="a1")
    office.do(given)
    other = deciding(office, by="ana", id="a2")
    assert office.refused(replace(other, decide_id=given.decide_id)) == "conflict"
    assert office.refused(replace(given, actor=actor("ben"))) == "conflict"
    assert office.approval("a2").state == "open"


def test_the_same_form_sent_with_the_other_button_does_not_count_again(office: Office) -> None:
    office.ask()
    given = deciding(office, by="ana")
    office.do(given)
    assert office.refused(replace(given, answer="reject")) == "already_decided"


# --- what may be answered


def test_options_are_what_the_handler_says(office: Office) -> None:
    run = office.ask(options=("small", "large"))
    assert office.no_detail("ana", "approve")["field"] == "answer"
    assert office.decide("ana", "large").outcome == "large"
    assert office.decision(run)["outcome"] == "large"


@pytest.mark.parametrize(
    "value", [None, "null", '{"cents":"5"}', "{}", '{"cents":1,"x":2}', "[", ""]
)
def test_a_form_that_is_missing_or_wrong_is_refused_and_the_run_stays_parked(
    office: Office, value: str | None
) -> None:
    run = office.ask(schema=FORM)
    refused = office.no_detail("ana", value=value)
    assert refused["code"] == "answer_refused"
    assert refused["problem"]
    assert office.state(run) == "waiting"
    assert office.kinds() == ["asked", "refused"]
    assert office.decide("ana", value='{"cents":5}').outcome == "approve"


def test_a_wrong_field_is_named(office: Office) -> None:
    office.ask(schema=FORM)
    assert office.no_detail("ana", value='{"cents":"5"}')["field"] == "cents"


def test_every_option_but_reject_needs_the_form(office: Office) -> None:
    office.ask(schema=FORM, options=("approve", "later", "reject"))
    assert office.no("ana", "later") == "answer_refused"
    assert office.decide("ana", "reject").outcome == "reject"


def test_a_form_that_comes_with_a_rejection_has_to_fit_too(office: Office) -> None:
    run = office.ask(schema=FORM)
    assert office.no("ana", "reject", value="{}") == "answer_refused"
    office.decide("ana", "reject", value='{"cents":7}')
    assert office.decision(run)["value"] == {"cents": 7}


def test_a_form_that_nobody_asked_for_is_refused(office: Office) -> None:
    office.ask()
    assert office.no("ana", value='{"cents":5}') == "answer_refused"
    assert office.decide("ana", value="null").outcome == "approve"


def test_a_comment_has_a_limit(office: Office) -> None:
    office.ask()
    assert office.no_detail("ana", comment="x" * 10_001)["field"] == "comment"
    assert office.decide("ana", comment="x" * 10_000).outcome == "approve"


# --- in a loop, and signals


def test_each_occurrence_is_an_approval_of_its_own(office: Office) -> None:
    run = office.start()
    for name, approval_id in (("ok", "a1"), ("ok#2", "a2")):
        office.do(asking(run, approval_id, name=name))
    office.decide("ana", id="a1")
    assert office.approval("a2").state == "open"
    assert [s.name for s in office.steps(run)] == ["ok"]
    assert not isinstance(office.park(run, "ok", "ok#2"), Parked)
    assert isinstance(office.park(run, "ok#2"), Parked)


@pytest.mark.parametrize("event", ["ok", "a1", "approval:ok", "approval", "run-00001", ""])
def test_no_signal_answers_an_approval(office: Office, event: str) -> None:
    run = office.ask()
    answer = '{"outcome":"approve","by":"ana"}'
    office.batch(Signal("event-1", event, answer))
    assert office.state(run) == "waiting"
    assert office.approval().state == "open"
    assert office.steps(run) == []


def test_a_signal_that_was_kept_does_not_answer_what_is_asked_later(office: Office) -> None:
    for event in ("ok", "a1", "approval:ok"):
        office.signal(event)
    office.ask()
    assert office.approval().state == "open"


# --- the record


def test_the_record_says_who_did_it_how_that_is_known_and_where_from(office: Office) -> None:
    office.ask()
    who = Actor("A.Silva", "oidc", "api", ("staff",), "192.0.2.7")
    office.do(deciding(office, actor=who, comment="yes", value=None))
    answered = record(office, "a1")[1]
    assert (answered.person, answered.auth, answered.channel) == ("ana", "oidc", "api")
    assert (answered.address, answered.digest) == ("192.0.2.7", office.approval().digest)
    assert office.details("answered") == [{"answer": "approve", "comment": "yes", "value": None}]


def test_what_was_shown_is_recorded_once_for_each_person_door_and_content(office: Office) -> None:
    run = office.ask(parked=False)
    for who in ("ana", "a.silva", "ben"):
        office.do(Show("a1", office.approval().digest, actor(who)))
    office.do(Show("a1", office.approval().digest, actor("ana", "link")))
    office.again(run, body="new")
    office.do(Show("a1", office.approval().digest, actor("ana")))
    shown = [(r.person, r.channel) for r in record(office, "a1") if r.kind == "shown"]
    assert shown == [("ana", "page"), ("ben", "page"), ("ana", "link"), ("ana", "page")]


def test_a_try_is_recorded_with_its_reason(office: Office) -> None:
    office.ask(to=("ben",))
    office.no("ana", "x" * 1000)
    (detail,) = office.details("refused")
    assert detail["code"] == "not_allowed"
    assert detail["answer"] == "x" * 100
