"""Who may answer an approval, how many have to, and who may answer in whose place."""

import pytest
from msgspec.structs import replace

from tako.commands import (
    Cancel,
    CountApprovals,
    Decided,
    Delegate,
    ListApprovals,
    MintLink,
    RevokeLinks,
)
from tako.model import Actor, Escalation
from tako.people import Directory, Person
from tako.store import inbox
from tests.store.asking import actor, approval, deciding, record
from tests.store.office import HOUR, ROLES, STAFF, Office, after

GROUPS = ("auditors",)  # which only an identity provider names


def from_provider(person: str, *groups: str) -> Actor:
    return actor(person, auth="oidc", groups=groups)


# --- whom it is asked of


def test_without_names_it_is_asked_of_every_approver_and_of_no_viewer(office: Office) -> None:
    office.ask()
    assert office.no("vic") == "not_allowed"
    assert office.no("somebody") == "not_allowed"
    assert office.inbox("vic") == []
    assert office.inbox("dan") == ["a1"]
    assert office.decide("dan").decided_by == "dan"


def test_only_those_who_are_named_may_answer(office: Office) -> None:
    office.ask(to=("ben", "group:leads"))
    for nobody in ("ana", "cleo", "vic"):
        assert office.no(nobody) == "not_allowed"
        assert office.inbox(nobody) == []
    assert office.inbox("dan") == ["a1"]
    assert office.decide("eve").outcome == "approve"


def test_who_is_named_needs_no_role(office: Office) -> None:
    office.ask(to=("customer@example.org",))
    assert office.decide("customer@example.org").decided_by == "customer@example.org"


@pytest.mark.parametrize("name", ["ana", "ANA", " Ana ", "a.silva", "A.Silva", "ana@shop.test"])
@pytest.mark.parametrize("asked", ["ana", "A.SILVA", "ana@SHOP.test"])
def test_a_person_is_known_under_each_of_their_names(office: Office, name: str, asked: str) -> None:
    office.ask(to=(asked,))
    assert office.inbox(name) == ["a1"]
    assert office.decide(name).decided_by == "ana"


def test_a_group_that_only_the_identity_provider_names_may_be_asked(office: Office) -> None:
    office.ask(to=("group:Auditors",))
    assert office.no("ana") == "not_allowed"
    assert office.inbox("vic", "AUDITORS") == ["a1"]
    assert office.inbox("vic") == []
    who = from_provider("vic", "auditors")
    assert office.decide("vic", actor=who).decided_by == "vic"


def test_a_role_through_a_group_of_the_identity_provider_counts(office: Office) -> None:
    office.ask()
    assert office.no("zoe") == "not_allowed"
    assert office.decide("zoe", actor=from_provider("zoe", "leads")).decided_by == "zoe"


@pytest.mark.parametrize(
    "name", ["group:finance", "GROUP:finance", "*", "", " ", "a\nb", "x" * 201]
)
def test_what_is_no_name_of_a_person_answers_nothing(office: Office, name: str) -> None:
    office.ask("a1", to=("group:finance",))
    office.ask("a2")
    for approval_id in ("a1", "a2"):
        assert office.no(name, id=approval_id) == "not_allowed"
        assert office.no_delegate("ben", name, approval_id) == "not_allowed"
        assert office.refused(MintLink(approval_id, name, actor())) == "not_allowed"


def test_a_name_that_turns_out_to_be_somebodys_finds_what_was_asked_of_it(office: Office) -> None:
    office.ask(to=("c@shop.test",))
    cleo = replace(STAFF[2], email="c@shop.test")
    office.people = Directory((*STAFF[:2], cleo, *STAFF[3:]), ROLES)
    assert office.inbox("cleo") == ["a1"]
    assert office.decide("cleo").decided_by == "cleo"


# --- excluded


EXCLUDED = ["ana", "ANA", "a.silva", "ana@shop.test", "group:finance", "GROUP:Finance"]


@pytest.mark.parametrize("exclude", EXCLUDED)
@pytest.mark.parametrize("to", [(), ("ana", "ben", "cleo"), ("group:finance",), ("a.silva",)])
def test_who_is_excluded_cannot_answer_under_any_name(
    office: Office, exclude: str, to: tuple[str, ...]
) -> None:
    run = office.ask(to=to, exclude=(exclude,))
    for name in ("ana", "A.Silva", "ana@shop.test"):
        assert office.no(name) == "not_allowed"
        assert office.no_delegate(name, "cleo") == "not_allowed"
        assert office.inbox(name) == []
        assert office.refused(MintLink("a1", name, actor("cleo"))) == "not_allowed"
    assert office.state(run) == "waiting"
    assert set(office.kinds()) == {"asked", "refused"}


def test_a_group_that_only_the_identity_provider_names_can_be_excluded(office: Office) -> None:
    office.ask(exclude=("group:auditors",))
    who = from_provider("ana", *GROUPS)
    assert office.refused(deciding(office, actor=who)) == "not_allowed"
    assert office.inbox("ana", *GROUPS) == []
    assert office.decide("ben").outcome == "approve"


def test_who_gets_excluded_has_no_use_of_a_link_of_before(office: Office) -> None:
    run = office.ask(parked=False)
    token = office.do(MintLink("a1", "ana", actor("cleo"))).link.token
    office.again(run, exclude=("group:finance",))
    who = Actor("ana", "link", "link")
    assert office.refused(deciding(office, actor=who, token=token)) == "not_allowed"


def test_who_becomes_a_member_of_an_excluded_group_no_longer_counts(office: Office) -> None:
    office.ask(quorum=2, exclude=("group:auditors",))
    office.decide("ana")
    ana = replace(STAFF[0], groups=("auditors",))
    office.people = Directory((ana, *STAFF[1:]), ROLES)
    assert office.decide("ben").outcome is None
    assert office.decide("cleo").outcome == "approve"


# --- how many


def test_a_quorum_counts_distinct_people(office: Office) -> None:
    run = office.ask(quorum=2, to=("ana", "ben", "cleo"))
    assert office.decide("ana").state == "open"
    for name in ("ana", "a.silva", "ana@shop.test"):
        assert office.no_detail(name)["code"] == "already_answered"
    assert office.inbox("ana") == []
    assert office.inbox("ben") == ["a1"]
    decided = office.decide("cleo")
    assert (decided.outcome, decided.decided_by) == ("approve", "cleo")
    assert [a["person"] for a in office.decision(run)["answers"]] == ["ana", "cleo"]
    assert office.no("ben") == "already_decided"
    assert office.kinds().count("answered") == 2


def test_two_names_that_turn_out_to_be_one_person_count_once(office: Office) -> None:
    office.ask(quorum=2, to=("cleo", "c@shop.test", "ben"))
    office.decide("c@shop.test")
    cleo = replace(STAFF[2], email="c@shop.test")
    office.people = Directory((*STAFF[:2], cleo, *STAFF[3:]), ROLES)
    assert office.no("cleo") == "already_answered"
    assert office.decide("ben").outcome == "approve"


def test_who_had_answered_under_two_names_has_one_answer_the_first(office: Office) -> None:
    office.ask(quorum=2, to=("cleo", "c@shop.test", "ben", "ana"))
    office.decide("c@shop.test", "approve")
    office.now += 1
    office.decide("cleo", "reject")
    cleo = replace(STAFF[2], email="c@shop.test")
    office.people = Directory((*STAFF[:2], cleo, *STAFF[3:]), ROLES)
    assert office.decide("ana", "reject").outcome is None
    assert office.decide("ben", "approve").outcome == "approve"


def test_those_who_differ_decide_nothing_until_enough_agree(office: Office) -> None:
    office.ask(quorum=2)
    assert office.decide("ana", "approve").outcome is None
    assert office.decide("ben", "reject").outcome is None
    assert office.decide("cleo", "reject").outcome == "reject"


def test_with_a_veto_one_rejection_ends_it(office: Office) -> None:
    run = office.ask(quorum=3, veto=True)
    office.decide("ana")
    decided = office.decide("ben", "reject", comment="no budget")
    assert (decided.outcome, decided.decided_by) == ("reject", "ben")
    assert office.decision(run)["comment"] == "no budget"
    assert office.no("cleo") == "already_decided"


def test_a_veto_that_is_given_with_a_redeploy_holds_for_answers_of_before(office: Office) -> None:
    run = office.ask(parked=False, quorum=2)
    office.decide("ana", "approve")
    office.decide("ben", "reject")
    office.again(run, quorum=2, veto=True)
    assert office.outcome() == ("decided", "reject", "ben")


def test_the_last_of_a_quorum_and_a_second_in_one_batch(office: Office) -> None:
    office.ask(quorum=2)
    replies = office.batch(*(deciding(office, by=who) for who in ("ana", "ben", "cleo")))
    assert [type(reply) is Decided for reply in replies] == [True, True, False]
    assert office.approval().decided_by == "ben"


# --- in whose place


def test_who_delegates_cannot_answer_any_more_and_the_other_can(office: Office) -> None:
    office.ask(to=("ana",))
    assert office.no("cleo") == "not_allowed"
    office.delegate("ana", "Cleo")
    assert office.inbox("ana") == []
    assert office.inbox("cleo") == ["a1"]
    assert office.no("a.silva") == "not_allowed"
    assert office.decide("cleo").decided_by == "cleo"
    assert office.kinds() == ["asked", "refused", "delegated", "refused", "answered", "decided"]


def test_a_delegation_may_go_on_and_may_come_back(office: Office) -> None:
    office.ask(to=("ana",))
    office.delegate("ana", "ben")
    office.delegate("ben", "cleo")
    assert [office.no(name) for name in ("ana", "ben")] == ["not_allowed"] * 2
    office.delegate("cleo", "ana@shop.test")
    assert [office.no(name) for name in ("ben", "cleo")] == ["not_allowed"] * 2
    assert office.decide("ana").outcome == "approve"


def test_a_delegation_that_is_sent_again_changes_nothing(office: Office) -> None:
    office.ask(to=("ana",))
    first = office.delegate("ana", "cleo")
    assert office.delegate("A.Silva", " Cleo ") == first
    assert office.kinds() == ["asked", "delegated"]


@pytest.mark.parametrize("to", ["ben", "group:leads", "ana", "A.Silva", "ana@shop.test", "*", ""])
def test_to_whom_an_approval_cannot_be_delegated(office: Office, to: str) -> None:
    """Somebody excluded, a group, oneself, everybody and nobody."""
    office.ask(exclude=("ben",))
    assert office.no_delegate("ana", to) == "not_allowed"
    assert office.approval().delegated == ()
    assert office.decide("ana").outcome == "approve"


def test_a_member_of_an_excluded_group_cannot_be_delegated_to(office: Office) -> None:
    office.ask(to=("cleo",), exclude=("group:finance",))
    assert office.no_delegate("cleo", "a.silva") == "not_allowed"


def test_it_cannot_be_delegated_to_somebody_who_has_answered(office: Office) -> None:
    office.ask(quorum=2)
    office.decide("ana")
    assert office.no_delegate("ben", "a.silva") == "already_answered"
    assert office.no_delegate("ana", "dan") == "already_answered"


def test_what_is_over_cannot_be_delegated(office: Office) -> None:
    office.ask("a1")
    office.decide("cleo", id="a1")
    assert office.no_delegate("ana", "ben", "a1") == "already_decided"
    office.claim()
    office.ask("a2", timeout=HOUR)
    office.now += HOUR
    assert office.no_delegate("ana", "ben", "a2") == "approval_closed"
    assert office.no_delegate("ana", "ben", "a3") == "approval_not_found"


def test_who_is_not_asked_has_nothing_to_delegate(office: Office) -> None:
    office.ask(to=("ben",))
    assert office.no_delegate("ana", "cleo") == "not_allowed"
    assert office.details("refused")[0]["to"] == "cleo"


def test_a_delegate_keeps_the_right_when_other_people_are_asked(office: Office) -> None:
    run = office.ask(parked=False, to=("ana", "ben"))
    office.delegate("ana", "ben")
    office.again(run, to=("ana", "cleo"))
    assert office.no("ana") == "not_allowed"
    assert office.decide("ben").outcome == "approve"


def test_a_link_to_who_has_delegated_is_of_no_use_and_the_delegate_gets_one(office: Office) -> None:
    office.ask(to=("ana",))
    token = office.do(MintLink("a1", "ana", actor())).link.token
    office.delegate("ana", "vic")
    who = Actor("ana", "link", "link")
    assert office.refused(deciding(office, actor=who, token=token)) == "not_allowed"
    token = office.do(MintLink("a1", "vic", actor())).link.token
    assert office.decide("vic", actor=Actor("vic", "link", "link"), token=token).outcome


def test_who_delegated_under_a_name_that_becomes_an_alias_cannot_answer(office: Office) -> None:
    office.ask(to=("c@shop.test", "cleo"))
    office.do(Delegate("a1", "dan", actor("c@shop.test")))
    cleo = replace(STAFF[2], email="c@shop.test")
    office.people = Directory((*STAFF[:2], cleo, *STAFF[3:]), ROLES)
    assert office.no("cleo") == "not_allowed"


# --- links


def test_a_link_of_one_occurrence_never_answers_another(office: Office) -> None:
    office.ask("a1", name="ok")
    office.ask("a2", name="ok#2")
    token = office.do(MintLink("a1", "ana", actor())).link.token
    who = Actor("ana", "link", "link")
    assert office.refused(deciding(office, actor=who, token=token, id="a2")) == "link_refused"
    assert approval(office, "a2").state == "open"


def test_an_answer_through_a_link_is_to_what_the_link_showed(office: Office) -> None:
    run = office.ask(parked=False, body="5 euro")
    token = office.do(MintLink("a1", "ana", actor())).link.token
    office.again(run, body="5,000 euro")
    who = Actor("ana", "link", "link")
    assert office.refused(deciding(office, actor=who, token=token)) == "content_changed"
    shown = office.approval().digest
    assert office.decide(actor=who, token=token, digest=shown).outcome == "approve"


def test_a_link_that_is_used_twice_in_one_batch_counts_once(office: Office) -> None:
    office.ask(quorum=2)
    token = office.do(MintLink("a1", "ana", actor())).link.token
    who = Actor("ana", "link", "link")
    batch = [deciding(office, actor=who, token=token) for _ in range(2)]
    first, second = office.batch(*batch)
    assert isinstance(first, Decided)
    assert second.code == "link_refused"
    assert len(office.approval().answers) == 1


@pytest.mark.parametrize("late", [0, 1])
def test_no_link_is_minted_at_the_deadline_though_the_tick_is_late(
    office: Office, late: int
) -> None:
    office.ask(timeout=HOUR)
    office.now += HOUR + late
    assert office.refused(MintLink("a1", "ana", actor())) == "approval_closed"


def test_what_is_on_record_of_links_is_under_the_one_name(office: Office) -> None:
    office.ask()
    office.do(MintLink("a1", "A.Silva", actor("ana@SHOP.test")))
    office.do(RevokeLinks("a1", actor("A.SILVA"), "ana"))
    assert [r.person for r in record(office) if r.kind in ("linked", "revoked")] == ["ana", "ana"]


# --- the inbox


def test_what_is_open_comes_nearest_deadline_first_in_pages(office: Office) -> None:
    for number, timeout in enumerate((3 * HOUR, None, HOUR, 2 * HOUR)):
        office.ask(f"a{number}", timeout=timeout, to=("ana", "group:finance", "eve"))
    found: list[str] = []
    after_: str | None = None
    while True:
        page = office.do(ListApprovals(person="ana", limit=1, after=after_))
        found += [approval.id for approval in page.approvals]
        after_ = page.next
        if after_ is None:
            break
    assert found == ["a2", "a3", "a0", "a1"]
    assert office.do(CountApprovals("ana")).count == 4
    assert office.do(CountApprovals("vic")).count == 0
    assert office.do(CountApprovals()).count == 4


def test_how_many_wait_for_somebody_follows_all_that_changes_it(office: Office) -> None:
    """The number is remembered: `Office.inbox` compares it with the list."""
    run = office.ask(to=("ana", "ben"), quorum=2)
    assert (office.inbox("ana"), office.inbox("ben"), office.inbox("dan")) == (["a1"], ["a1"], [])
    office.decide("ana")
    assert (office.inbox("ana"), office.inbox("ben")) == ([], ["a1"])
    office.delegate("ben", "dan")
    assert (office.inbox("ben"), office.inbox("dan")) == ([], ["a1"])
    office.ask("a2", to=("group:finance",))
    assert office.inbox("ana") == ["a2"]
    office.people = Directory([person for person in STAFF if person.id != "ana"], ROLES)
    assert office.inbox("ana") == []
    office.do(Cancel(run.id, "no"))
    assert (office.inbox("dan"), office.inbox("ben")) == ([], ["a2"])


def test_a_text_is_looked_for_in_titles_a_bounded_number_of_them_at_a_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_SEARCHED", 3)
    for number in range(5):
        office.ask(f"a{number}", title="STRASSE 1" if number % 4 == 0 else "Ship it?")
    looking = ListApprovals(person="ana", text="straße")
    first = office.do(looking)
    assert [approval.id for approval in first.approvals] == ["a0"]
    second = office.do(replace(looking, after=first.next))
    assert [approval.id for approval in second.approvals] == ["a4"]
    assert second.next is None
    assert office.do(replace(looking, text="nowhere")).approvals == []


def test_a_count_looks_at_a_bounded_number_of_approvals(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_SEARCHED", 3)
    for number in range(4):
        office.ask(f"a{number}", to=(), exclude=("ana",) if number < 2 else ())
    assert office.do(CountApprovals("ana")).count == 1
    assert office.do(CountApprovals("ben")).count == 3


def test_somebody_escalated_to_has_it_in_their_inbox(office: Office) -> None:
    office.ask(to=("ana",), escalate=(Escalation(after(HOUR), ("dan",)),))
    assert office.inbox("dan") == []
    office.tick(office.now + HOUR)
    assert office.inbox("dan") == ["a1"]


def test_a_person_may_have_left_the_people_file(office: Office) -> None:
    office.ask(to=("cleo",), quorum=1)
    office.people = Directory([Person(id="ben")], ROLES)
    assert office.decide("cleo").decided_by == "cleo"
