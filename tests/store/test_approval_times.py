"""Deadlines, reminders and escalations with the clock passed in, and who is told what."""

import pytest

from tako.commands import Cancel, Command, CountRuns, Decided, Error, Exists, Remind, Tick, Told
from tako.model import Channel, Escalation, Moment, Question
from tako.store import questions
from tests.store.asking import actor, asking, deciding, record
from tests.store.driver import START
from tests.store.office import DAY, HOUR, MAIL, MINUTE, SLACK, Office, after, before

DEADLINE = START + HOUR


# --- the deadline


@pytest.mark.parametrize("late", [0, 1, DAY])
@pytest.mark.parametrize("ticked", [True, False])
def test_an_answer_at_the_deadline_or_after_it_is_too_late_and_told_the_outcome(
    office: Office, late: int, ticked: bool
) -> None:
    """Also when the tick has not been there yet: the answer itself ends what is over."""
    run = office.ask(timeout=HOUR)
    office.now = DEADLINE + late
    if ticked:
        office.tick()
    assert office.no_detail("ana") == {
        "code": "approval_closed",
        "state": "expired",
        "outcome": "reject",
        "by": None,
        "at": office.now,
        "channel": "timeout",
    }
    assert office.state(run) == "pending"
    assert office.kinds() == ["asked", "expired", "refused"]
    office.tick()
    assert office.kinds() == ["asked", "expired", "refused"]


def test_an_answer_just_before_the_deadline_counts(office: Office) -> None:
    run = office.ask(timeout=HOUR)
    office.now = DEADLINE - 1
    office.decide("ana")
    office.tick(DEADLINE)
    assert office.decision(run)["by"] == "ana"
    assert office.kinds() == ["asked", "answered", "decided"]


@pytest.mark.parametrize("answer_first", [True, False])
def test_answer_and_deadline_in_one_batch_have_one_winner(
    office: Office, answer_first: bool
) -> None:
    run = office.ask(timeout=HOUR)
    office.now = DEADLINE
    batch: list[Command] = (
        [deciding(office), Tick()] if answer_first else [Tick(), deciding(office)]
    )
    replies = office.batch(*batch)
    assert isinstance(replies[0 if answer_first else 1], Error)
    assert office.outcome() == ("expired", "reject", None)
    assert office.decision(run)["channel"] == "timeout"


@pytest.mark.parametrize(
    ("on_timeout", "saved", "outcome"),
    [
        ("reject", "ok", "reject"),
        ("approve", "ok", "approve"),
        ("raise", "timeout", None),
        ("none", "timeout", None),
    ],
)
def test_what_a_deadline_brings_is_what_the_handler_said(
    office: Office, on_timeout: str, saved: str, outcome: str | None
) -> None:
    run = office.ask(timeout=HOUR, on_timeout=on_timeout, quorum=2)
    office.decide("ana", "approve")
    office.tick(DEADLINE)
    assert office.step(run, "ok")[0] == saved
    assert office.outcome() == ("expired", outcome, None)
    if outcome is not None:
        decision = office.decision(run)
        assert (decision["outcome"], decision["by"], decision["at"]) == (outcome, None, DEADLINE)
        assert [a["person"] for a in decision["answers"]] == ["ana"]
    assert office.details("expired") == [{"outcome": outcome}]


def test_a_deadline_while_the_run_executes_reaches_it_in_memory(office: Office) -> None:
    run = office.ask(parked=False, timeout=HOUR)
    office.tick(DEADLINE)
    assert [(worker, run_id) for worker, run_id, _ in office.delivered()] == [("a", run.id)]


def test_asked_again_after_the_deadline_it_has_timed_out(office: Office) -> None:
    run = office.ask(parked=False, timeout=HOUR)
    office.now = DEADLINE
    reply = office.again(run, timeout=HOUR, body="too late for another price")
    assert isinstance(reply, Exists)
    assert office.outcome() == ("expired", "reject", None)


@pytest.mark.parametrize("moment", [Moment("at", START), Moment("at", 0), Moment("after", 0)])
def test_a_deadline_that_has_passed_when_it_is_asked_is_over_at_once(
    office: Office, moment: Moment
) -> None:
    run = office.start()
    question = Question("Ship it?", notify=(MAIL,), remind=(after(HOUR),), requester="dan")
    ask = asking(run, "a1")
    ask = type(ask)(run.id, run.lease_id, "ok", "a1", question, moment, run.attempt)
    assert isinstance(office.do(ask), Exists)
    assert office.kinds() == ["asked", "expired"]
    assert office.notices() == [("expired", "dan", "mail")]
    assert office.store.next_due() != START + HOUR


def test_the_store_wakes_for_a_deadline_and_for_each_reminder(office: Office) -> None:
    office.ask(timeout=HOUR, remind=(after(MINUTE), before(MINUTE)), notify=(MAIL,))
    due = []
    while office.approval().state == "open":
        at = office.store.next_due()
        assert at is not None
        due.append(at - START)
        office.tick(at)
    assert due == [MINUTE, HOUR - MINUTE, HOUR]


def test_a_restart_changes_no_deadline(office: Office) -> None:
    run = office.ask(timeout=HOUR, remind=(after(MINUTE),), notify=(MAIL,))
    office.restart()
    office.tick(START + MINUTE)
    assert office.kinds() == ["asked", "reminded"]
    office.restart()
    office.tick(DEADLINE)
    assert office.decision(run)["channel"] == "timeout"


def test_what_was_answered_before_a_restart_is_there_after_it(office: Office) -> None:
    office.ask(quorum=2, timeout=HOUR)
    office.decide("ana")
    office.delegate("ben", "cleo")
    before_ = office.approval()
    office.restart()
    assert office.approval() == before_
    assert office.decide("cleo").outcome == "approve"


# --- reminders


def test_those_who_have_not_answered_are_reminded(office: Office) -> None:
    office.ask(to=("group:finance",), quorum=2, remind=(after(HOUR),), notify=(MAIL,))
    assert office.told("asked") == ["ana", "ben", "eve"]
    office.decide("ben")
    office.tick(START + HOUR)
    assert office.told("reminded") == ["ana", "eve"]
    assert office.details("reminded") == [{"people": ["ana", "eve"]}]
    (row,) = [row for row in record(office) if row.kind == "reminded"]
    assert (row.person, row.channel) == (None, "server")


def test_several_reminders_that_were_missed_are_one(office: Office) -> None:
    times = tuple(after(n * HOUR) for n in (1, 2, 3, 5))
    office.ask(remind=times, notify=(SLACK,))
    office.tick(START + 4 * HOUR)
    assert office.kinds() == ["asked", "reminded"]
    office.tick(START + 5 * HOUR)
    assert office.kinds() == ["asked", "reminded", "reminded"]
    assert office.told("reminded") == [None, None]


@pytest.mark.parametrize("end", ["decide", "cancel", "deadline"])
def test_nobody_is_reminded_of_what_is_over(office: Office, end: str) -> None:
    escalate = (Escalation(after(2 * HOUR), ("dan",)),)
    run = office.ask(
        timeout=DAY, remind=(after(HOUR), before(HOUR)), escalate=escalate, notify=(MAIL,)
    )
    if end == "decide":
        office.decide("ana")
    if end == "cancel":
        office.do(Cancel(run.id, "no need"))
    office.tick(START + DAY)
    assert office.told("reminded") == []
    assert {"reminded", "escalated"}.isdisjoint(office.kinds())
    assert office.approval().state != "open"


def test_a_reminder_nobody_can_get_is_not_on_record(office: Office) -> None:
    office.ask(remind=(after(HOUR),))
    office.tick(START + HOUR)
    assert office.kinds() == ["asked"]


def test_a_reminder_whose_time_has_been_when_it_is_asked_is_left_out(office: Office) -> None:
    office.ask(timeout=HOUR, remind=(before(2 * HOUR), Moment("at", START)), notify=(MAIL,))
    office.tick(START + 1)
    assert office.told("reminded") == []


def test_a_reminder_that_counts_back_needs_a_deadline(office: Office) -> None:
    assert questions.moment(START, None, before(HOUR)) is None
    office.ask(remind=(before(HOUR),), notify=(MAIL,))
    office.tick(START + 10 * DAY)
    assert office.told("reminded") == []


# --- reminding by hand


def test_somebody_reminds_by_hand_and_sent_again_it_is_done_once(office: Office) -> None:
    office.ask(to=("ana", "ben"), notify=(MAIL, SLACK))
    remind = Remind("a1", actor("Cleo", "cli"), "remind-1")
    assert office.do(remind).people == ("ana", "ben")
    assert office.do(remind).people == ("ana", "ben")
    assert office.told("reminded") == ["ana", "ben", None]
    (row,) = [row for row in record(office) if row.kind == "reminded"]
    assert (row.person, row.channel) == ("cleo", "cli")


def test_one_remind_id_reminds_of_each_approval(office: Office) -> None:
    for approval_id in ("a1", "a2"):
        office.ask(approval_id, to=("ana",), notify=(MAIL,))
        office.do(Remind(approval_id, actor("cleo"), "remind-1"))
    assert office.told("reminded") == ["ana", "ana"]


def test_without_a_channel_nobody_is_reminded(office: Office) -> None:
    office.ask()
    assert office.do(Remind("a1", actor("cleo"), "remind-1")).people == ()
    assert office.kinds() == ["asked"]


def test_of_what_is_over_nobody_can_be_reminded(office: Office) -> None:
    office.ask(timeout=HOUR, notify=(MAIL,))
    office.now = DEADLINE
    assert office.refused(Remind("a1", actor("cleo"), "remind-1")) == "approval_closed"
    assert office.refused(Remind("a2", actor("cleo"), "remind-1")) == "approval_not_found"
    assert office.told("reminded") == []


# --- escalation


def escalating(*steps: tuple[int, tuple[str, ...]]) -> tuple[Escalation, ...]:
    return tuple(Escalation(after(ms), names) for ms, names in steps)


def test_who_is_escalated_to_is_told_and_may_answer_beside_the_others(office: Office) -> None:
    office.ask(
        to=("ana",),
        exclude=("eve",),
        escalate=escalating((HOUR, ("group:leads", "Cleo"))),
        notify=(MAIL,),
    )
    assert office.no("dan") == "not_allowed"
    office.restart()
    office.tick(START + HOUR)
    assert office.told("escalated") == ["dan", "cleo"]
    assert office.details("escalated") == [{"to": ["group:leads", "Cleo"]}]
    assert office.no("eve") == "not_allowed"
    assert office.approval().asked == ("ana", "cleo", "group:leads")
    assert office.decide("dan").decided_by == "dan"


def test_escalations_come_one_after_the_other_and_missed_ones_all(office: Office) -> None:
    steps = escalating((HOUR, ("ben",)), (2 * HOUR, ("cleo",)), (3 * HOUR, ("dan",)))
    office.ask(to=("ana",), escalate=steps, notify=(MAIL,))
    office.tick(START + HOUR)
    assert office.told("escalated") == ["ben"]
    office.tick(START + 9 * HOUR)
    assert office.told("escalated") == ["ben", "cleo", "dan"]
    assert office.kinds() == ["asked", "escalated", "escalated", "escalated"]


def test_who_has_answered_is_not_escalated_to(office: Office) -> None:
    office.ask(quorum=2, escalate=escalating((HOUR, ("ana", "dan"))), notify=(MAIL,))
    office.decide("ana")
    office.tick(START + HOUR)
    assert office.told("escalated") == ["dan"]


def test_an_answer_in_the_batch_of_its_escalation_counts_in_either_order(office: Office) -> None:
    office.ask("a1", to=("ana",), escalate=escalating((HOUR, ("dan",))))
    office.now += HOUR
    first, _, third = office.batch(
        deciding(office, by="dan"), Tick(), deciding(office, by="dan", id="a1")
    )
    assert isinstance(first, Error)  # nobody had asked dan yet
    assert isinstance(third, Decided)


def test_an_escalation_whose_time_has_been_is_due_at_once(office: Office) -> None:
    office.ask(to=("ana",), escalate=(Escalation(Moment("at", START - DAY), ("dan",)),))
    assert office.store.next_due() == START - DAY
    office.tick()
    assert office.decide("dan").decided_by == "dan"


def test_who_was_escalated_to_stays_asked_when_other_people_are(office: Office) -> None:
    steps = escalating((HOUR, ("dan",)), (DAY, ("eve",)))
    run = office.ask(parked=False, to=("ana", "dan", "eve"), escalate=steps)
    office.tick(START + HOUR)
    office.again(run, to=("ben",), escalate=steps)
    assert office.approval().asked == ("ben", "dan")


# --- who is told what


def test_each_person_is_told_and_each_shared_channel_once(office: Office) -> None:
    office.ask(to=("ana", "a.silva", "group:finance"), exclude=("ben",), notify=(MAIL, SLACK))
    assert office.notices() == [
        ("asked", "ana", "mail"),
        ("asked", "eve", "mail"),
        ("asked", None, "slack://x/y/z"),
    ]


def test_without_names_all_approvers_of_the_people_file_are_told(office: Office) -> None:
    office.ask(notify=(MAIL,))
    assert office.told("asked") == ["ana", "ben", "cleo", "dan", "eve"]


@pytest.mark.parametrize("end", ["decided", "expired", "withdrawn"])
def test_who_wanted_it_is_told_how_it_ended(office: Office, end: str) -> None:
    run = office.ask(
        to=("ben",), requester="Ana@shop.test", exclude=("ana",), timeout=HOUR, notify=(MAIL, SLACK)
    )
    if end == "decided":
        office.decide("ben")
    if end == "expired":
        office.tick(DEADLINE)
    if end == "withdrawn":
        office.do(Cancel(run.id, "no need"))
    assert office.notices()[2:] == [(end, "ana", "mail"), (end, None, "slack://x/y/z")]


def test_a_decision_of_some_but_not_all_tells_nobody_yet(office: Office) -> None:
    office.ask(quorum=2, requester="cleo", notify=(MAIL,))
    office.decide("ana")
    assert office.told("decided") == []
    office.decide("ben")
    assert office.told("decided") == ["cleo"]


def test_new_content_is_told_to_all_and_new_people_to_those(office: Office) -> None:
    run = office.ask(parked=False, to=("ana",), quorum=2, notify=(MAIL, SLACK))
    office.decide("ana")
    office.again(run, to=("ana", "ben"), quorum=2, notify=(MAIL, SLACK))
    assert office.notices()[2:] == [("asked", "ben", "mail"), ("asked", None, "slack://x/y/z")]
    office.again(run, to=("ana", "ben"), quorum=1, exclude=("ana",), notify=(MAIL, SLACK))
    assert len(office.notices()) == 4
    office.again(run, to=("ana", "ben"), body="other", notify=(MAIL, SLACK))
    assert office.told("changed") == ["ana", "ben", None]


def test_a_delegate_is_told(office: Office) -> None:
    office.ask(to=("ana",), notify=(MAIL,))
    office.delegate("ana", "vic")
    assert office.told("asked") == ["ana", "vic"]


def test_people_are_told_by_runs_of_the_group_that_the_workflow_is_in(office: Office) -> None:
    office.ask(to=("ana",), workflow="v", group="slow", notify=(MAIL,), requester="ana")
    assert office.notices() == []
    assert office.notices("tako.notify.slow") == [("asked", "ana", "mail")]
    assert office.store.ready("slow") == ["tako.notify.slow"]


def test_runs_that_tell_people_are_counted_if_they_are_wanted(office: Office) -> None:
    office.ask(to=("ana", "ben"), notify=(MAIL,))
    assert office.do(CountRuns()).counts["pending"] == 0
    assert office.do(CountRuns(own=True)).counts["pending"] == 2
    assert office.do(CountRuns("tako.notify")).counts["pending"] == 2


def test_a_channel_that_fails_is_on_record_and_strands_nothing(office: Office) -> None:
    office.ask(to=("ana",), notify=(MAIL,))
    office.do(Told("a1", "asked", "ana", "mail", "the server said 550", final=True))
    office.do(Told("a1", "asked", "ana", "mail"))
    assert office.details("not_told") == [
        {"kind": "asked", "channel": "mail", "error": "the server said 550", "final": True}
    ]
    rows = [(row.kind, row.person) for row in record(office, "a1")]
    assert rows == [("asked", None), ("not_told", "ana"), ("told", "ana")]
    assert office.decide("ana").outcome == "approve"


def test_functions_are_told_each_person(office: Office) -> None:
    office.ask(to=("ana", "ben"), notify=(Channel("function", "app.tell:tell", True),))
    assert [person for _, person, _ in office.notices()] == ["ana", "ben"]


def test_a_moment_says_what_it_counts_from() -> None:
    assert questions.moment(START, DEADLINE, before(MINUTE)) == DEADLINE - MINUTE
    assert questions.moment(START, DEADLINE, after(MINUTE)) == START + MINUTE
    assert questions.moment(START, None, Moment("at", 5)) == 5
