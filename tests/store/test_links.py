"""Links: made for one person, good for one answer, void when somebody says so."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tako.commands import (
    Cancel,
    Count,
    Decided,
    Delegate,
    Error,
    LinkOpened,
    MintLink,
    OpenLink,
    PruneAudit,
    RevokeLinks,
    RotateLinkKey,
)
from tako.model import Actor, LinkInfo
from tests.store.asking import (
    actor,
    approval,
    asked,
    asking,
    deciding,
    driver_with_people,
    kinds,
    record,
)
from tests.store.driver import START, Driver

DAY = 86_400_000
OPERATOR = actor("cleo", "cli", auth="process")


@pytest.fixture
def driver(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Driver]:
    driver = driver_with_people(tmp_path / "runs.db", runner)
    yield driver
    driver.store.close()


def mint(driver: Driver, person: str = "ana", **options: Any) -> LinkInfo:
    command = MintLink(options.pop("id", "a1"), person, OPERATOR, **options)
    link: LinkInfo = driver.do(command).link
    return link


def refusal(driver: Driver, link: LinkInfo | str, person: str | None = None) -> dict[str, Any]:
    """The detail with which a link does not open."""
    token = link if isinstance(link, str) else link.token
    (reply,) = driver.batch(OpenLink(token, person))
    assert isinstance(reply, Error), reply
    assert reply.code == "link_refused"
    assert reply.message
    detail: dict[str, Any] = json.loads(reply.detail or "")
    return detail


def answering(driver: Driver, link: LinkInfo, answer: str = "approve", **options: Any) -> Any:
    """The reply to an answer that a link gives."""
    who = Actor(link.person, "link", "link")
    command = deciding(driver, answer, token=link.token, actor=who, id=link.approval_id, **options)
    return driver.batch(command)[0]


# --- minting


def test_a_request_for_a_link_that_is_sent_again_has_the_same_link(driver: Driver) -> None:
    asked(driver)
    first = mint(driver, link_id="mine")
    driver.now += DAY
    assert mint(driver, link_id="mine") == first
    assert kinds(driver).count("linked") == 1
    driver.do(RotateLinkKey(OPERATOR, forget=True))
    assert driver.refused(MintLink("a1", "ana", OPERATOR, link_id="mine")) == "link_refused"


def test_links_are_pruned_like_the_record_and_are_expired_as_before(
    driver: Driver, tmp_path: Path
) -> None:
    asked(driver)
    old, new = mint(driver, ttl=DAY), mint(driver, ttl=3 * DAY)
    driver.now += 2 * DAY
    assert driver.do(PruneAudit(driver.now - DAY, 100)) == Count(0), "not for long enough"
    assert driver.do(PruneAudit(driver.now, 100)) == Count(1)
    with closing(apsw.Connection(str(tmp_path / "runs.db"))) as outside:
        assert list(outside.execute("SELECT id FROM links")) == [(new.id,)]
    assert refusal(driver, old)["why"] == "expired"
    assert refusal(driver, old, "ben")["why"] == "stranger"
    driver.do(OpenLink(new.token))


def test_a_link_is_of_one_person_with_all_options_until_its_time(driver: Driver) -> None:
    question = asked(driver, to=("ana",))
    link = mint(driver, ttl=DAY)
    assert (link.approval_id, link.person) == ("a1", "ana")
    assert (link.answers, link.digest) == (("approve", "reject"), question.digest)
    assert (link.created_at, link.expires_at, link.url) == (START, START + DAY, None)


def test_an_alias_or_a_mail_address_mints_for_its_person(driver: Driver) -> None:
    asked(driver, to=("ana",))
    assert mint(driver, "A.Silva").person == "ana"
    assert mint(driver, "ana@shop.test").person == "ana"


def test_a_link_does_not_outlive_the_deadline(driver: Driver) -> None:
    asked(driver, timeout=1000)
    assert mint(driver, ttl=DAY).expires_at == START + 1000
    assert mint(driver, ttl=999).expires_at == START + 999


def test_a_link_may_be_for_some_answers_only(driver: Driver) -> None:
    asked(driver, options=("approve", "later", "reject"))
    assert mint(driver, answers=("reject", "approve")).answers == ("approve", "reject")
    assert driver.refused(MintLink("a1", "ana", OPERATOR, ("yes",))) == "answer_refused"


@pytest.mark.parametrize(
    ("question", "person"),
    [
        ({"to": ("ben",)}, "ana"),
        ({"to": ("group:finance",)}, "cleo"),
        ({"exclude": ("ana@shop.test",)}, "a.silva"),
        ({"exclude": ("group:finance",)}, "ben"),
        ({}, "dan"),  # a viewer
    ],
)
def test_nobody_gets_a_link_who_may_not_answer(
    driver: Driver, question: dict[str, Any], person: str
) -> None:
    asked(driver, **question)
    assert driver.refused(MintLink("a1", person, OPERATOR)) == "not_allowed"
    assert kinds(driver) == ["asked"]


def test_only_an_open_approval_has_links_made(driver: Driver) -> None:
    assert driver.refused(MintLink("a1", "ana", OPERATOR)) == "approval_not_found"
    asked(driver)
    driver.do(Cancel(asked(driver, "a2").run_id, "no need"))
    driver.do(deciding(driver))
    assert driver.refused(MintLink("a1", "ana", OPERATOR)) == "already_decided"
    assert driver.refused(MintLink("a2", "ana", OPERATOR)) == "approval_closed"


def test_a_link_without_a_time_is_refused(driver: Driver) -> None:
    asked(driver)
    assert driver.refused(MintLink("a1", "ana", OPERATOR, ttl=0)) == "refused"


def test_a_link_is_on_record_without_its_token(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    row = record(driver)[-1]
    assert (row.kind, row.approval_id, row.person) == ("linked", "a1", "cleo")
    assert (row.auth, row.channel, row.digest) == ("process", "cli", link.digest)
    detail = json.loads(row.detail or "")
    assert (detail["link"], detail["for"]) == (link.id, "ana")
    assert link.token not in (row.detail or "")


# --- opening


def test_opening_shows_and_changes_nothing(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    before = record(driver)
    for _ in range(3):
        assert driver.do(OpenLink(link.token)) == LinkOpened(link, approval(driver))
    assert driver.do(OpenLink(link.token, "ANA@shop.test")).link == link
    assert record(driver) == before
    assert isinstance(answering(driver, link), Decided)


def test_a_link_of_a_changed_content_opens_with_what_is_asked_now(driver: Driver) -> None:
    run = driver.start()
    driver.do(asking(run, "a1", title="Ship 1?"))
    link = mint(driver)
    driver.do(asking(run, "a1", title="Ship 2?"))
    opened = driver.do(OpenLink(link.token))
    assert opened.approval.question.title == "Ship 2?"
    assert opened.link.digest != opened.approval.digest
    assert answering(driver, link, digest=link.digest).code == "content_changed"
    assert isinstance(answering(driver, link, digest=opened.approval.digest), Decided)


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "x" * 5000, "\x00", "é.é.é"])
def test_what_is_no_token_is_tampered_and_says_nothing(driver: Driver, token: str) -> None:
    assert refusal(driver, token) == {"why": "tampered"}


def test_every_character_of_a_link_counts(driver: Driver) -> None:
    asked(driver)
    token = mint(driver).token
    for at, char in enumerate(token):
        forged = token[:at] + ("A" if char != "A" else "B") + token[at + 1 :]
        assert refusal(driver, forged) == {"why": "tampered"}


def test_somebody_elses_link_is_not_opened(driver: Driver) -> None:
    asked(driver)
    assert refusal(driver, mint(driver), "ben") == {"why": "stranger", "approval_id": "a1"}


def test_an_expired_link_says_so_and_what_became_of_it(driver: Driver) -> None:
    asked(driver, timeout=2000)
    link = mint(driver, ttl=1000)
    driver.now = START + 999
    assert driver.do(OpenLink(link.token)).link == link
    driver.now = START + 1000
    known = {"approval_id": "a1", "person": "ana", "expires_at": START + 1000}
    assert refusal(driver, link) == {"why": "expired"} | known
    driver.tick(START + 2000)
    detail = refusal(driver, link)
    assert (detail["state"], detail["outcome"]) == ("expired", "reject")
    assert (detail["by"], detail["channel"]) == (None, "timeout")
    assert answering(driver, link).code == "link_refused"


def test_a_link_of_what_somebody_else_decided_opens_and_shows_that(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    driver.do(deciding(driver, "reject", "ben"))
    opened = driver.do(OpenLink(link.token)).approval
    assert (opened.outcome, opened.decided_by) == ("reject", "ben")
    assert answering(driver, link).code == "already_decided"


def test_an_edited_row_is_no_longer_the_link_that_was_signed(
    driver: Driver, tmp_path: Path
) -> None:
    asked(driver)
    link = mint(driver, ttl=1000)
    with closing(apsw.Connection(str(tmp_path / "runs.db"))) as connection:
        connection.execute("UPDATE links SET expires_at = expires_at * 2")
    assert refusal(driver, link) == {"why": "revoked", "approval_id": "a1"}


# --- used up


def test_a_link_is_good_for_one_answer(driver: Driver) -> None:
    asked(driver, quorum=2)
    link, second = mint(driver), mint(driver, "ben")
    assert isinstance(answering(driver, link), Decided)
    detail = refusal(driver, link)
    assert (detail["why"], detail["used_at"], detail["approval_id"]) == ("used", START, "a1")
    assert "outcome" not in detail
    assert answering(driver, link).code == "link_refused"
    assert isinstance(answering(driver, second), Decided)
    detail = refusal(driver, link)
    assert (detail["outcome"], detail["by"], detail["channel"]) == ("approve", "ben", "link")
    assert detail["at"] == START


def test_an_answer_that_does_not_count_leaves_the_link_good(driver: Driver) -> None:
    asked(driver, schema='{"type":"object","required":["why"]}')
    link = mint(driver)
    assert answering(driver, link, value="{}").code == "answer_refused"
    assert isinstance(answering(driver, link, value='{"why":"because"}'), Decided)


def test_an_answer_sent_again_after_a_lost_reply_is_the_same_answer(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    who = Actor("ana", "link", "link")
    command = deciding(driver, token=link.token, actor=who)
    first, second = driver.batch(command, command)
    assert first == second
    assert kinds(driver).count("answered") == 1


def test_a_link_answers_only_what_it_may(driver: Driver) -> None:
    asked(driver)
    link = mint(driver, answers=("reject",))
    assert answering(driver, link, "approve").code == "answer_refused"
    assert isinstance(answering(driver, link, "reject"), Decided)


def test_a_link_answers_no_other_occurrence_and_for_nobody_else(driver: Driver) -> None:
    asked(driver, "a1")
    asked(driver, "a2")
    link = mint(driver)
    other = deciding(driver, token=link.token, actor=Actor("ana", "link", "link"), id="a2")
    assert driver.refused(other) == "link_refused"
    other = deciding(driver, token=link.token, actor=Actor("ben", "link", "link"))
    assert driver.refused(other) == "link_refused"
    assert (approval(driver, "a1").state, approval(driver, "a2").state) == ("open", "open")


def test_a_link_is_void_for_who_gave_the_right_away(driver: Driver) -> None:
    asked(driver, to=("ana",))
    link = mint(driver)
    driver.do(Delegate("a1", "cleo", actor("ana")))
    assert answering(driver, link).code == "not_allowed"
    assert driver.refused(MintLink("a1", "ana", OPERATOR)) == "not_allowed"
    assert isinstance(answering(driver, mint(driver, "cleo")), Decided)


def test_a_used_link_is_used_after_a_restart(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    answering(driver, link)
    driver.restart()
    assert refusal(driver, link)["why"] == "used"


# --- revoked, and the keys


def test_revoking_takes_the_links_of_one_person_or_of_all(driver: Driver) -> None:
    asked(driver, "a1", quorum=2)
    asked(driver, "a2")
    ana, ben, other = mint(driver), mint(driver, "ben"), mint(driver, id="a2")
    assert driver.do(RevokeLinks("a1", OPERATOR, "A.Silva")) == Count(1)
    assert refusal(driver, ana) == {"why": "revoked", "approval_id": "a1", "person": "ana"}
    assert driver.do(OpenLink(ben.token)).link == ben
    mint(driver)
    assert driver.do(RevokeLinks("a1", OPERATOR)) == Count(2)
    assert answering(driver, ben).code == "link_refused"
    assert driver.do(OpenLink(other.token)).link == other
    assert driver.do(RevokeLinks("a1", OPERATOR)) == Count(0)
    assert driver.refused(RevokeLinks("a9", OPERATOR)) == "approval_not_found"


def test_revoking_that_is_sent_again_takes_no_link_that_was_made_since(driver: Driver) -> None:
    asked(driver)
    old = mint(driver)
    again = RevokeLinks("a1", OPERATOR, "ana", "again")
    assert driver.do(again) == Count(1)
    new = mint(driver)
    assert driver.do(again) == Count(1)
    assert refusal(driver, old)["why"] == "revoked"
    assert driver.do(OpenLink(new.token)).link == new
    assert driver.refused(RevokeLinks("a1", OPERATOR, None, "again")) == "key_reused"


def test_a_used_link_cannot_be_revoked(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    answering(driver, link)
    assert driver.do(RevokeLinks("a1", OPERATOR)) == Count(0)
    assert refusal(driver, link)["why"] == "used"


def test_revoking_is_on_record_if_something_was_revoked(driver: Driver) -> None:
    asked(driver)
    link = mint(driver)
    driver.do(RevokeLinks("a1", OPERATOR, "ana"))
    driver.do(RevokeLinks("a1", OPERATOR, "ana"))
    assert kinds(driver) == ["asked", "linked", "revoked"]
    row = record(driver)[-1]
    assert (row.approval_id, row.person, row.channel) == ("a1", "cleo", "cli")
    assert json.loads(row.detail or "") == {"for": "ana", "links": [link.id]}


def test_a_new_key_signs_and_the_old_ones_still_verify(driver: Driver) -> None:
    asked(driver)
    old = mint(driver)
    driver.do(RotateLinkKey(OPERATOR))
    new = mint(driver)
    assert old.token.partition(".")[0] != new.token.partition(".")[0]
    driver.restart()
    for link in (old, new):
        assert driver.do(OpenLink(link.token)).link == link
    assert mint(driver).token.startswith(new.token.partition(".")[0])
    assert isinstance(answering(driver, old), Decided)


def test_a_forgotten_key_makes_its_links_void(driver: Driver) -> None:
    asked(driver)
    old = mint(driver)
    driver.do(RotateLinkKey(OPERATOR))
    between = mint(driver)
    driver.do(RotateLinkKey(OPERATOR, forget=True))
    for link in (old, between):
        assert refusal(driver, link) == {"why": "revoked"}
        assert answering(driver, link).code == "link_refused"
    assert isinstance(answering(driver, mint(driver)), Decided)


def test_a_forgotten_secret_is_not_stored_any_more(driver: Driver, tmp_path: Path) -> None:
    asked(driver)
    mint(driver)
    (before,) = secrets(tmp_path)
    driver.do(RotateLinkKey(OPERATOR, forget=True))
    (after,) = secrets(tmp_path)
    assert before != after


def secrets(folder: Path) -> list[Any]:
    with closing(apsw.Connection(str(folder / "runs.db"))) as connection:
        query = "SELECT secret FROM link_keys WHERE secret IS NOT NULL"
        return connection.execute(query).fetchall()


def test_rotating_is_on_record_without_a_secret(driver: Driver) -> None:
    asked(driver)
    first = mint(driver).token.partition(".")[0]
    driver.do(RotateLinkKey(OPERATOR, forget=True))
    row = record(driver)[-1]
    second = mint(driver).token.partition(".")[0]
    assert (row.kind, row.approval_id, row.person) == ("revoked", None, "cleo")
    assert json.loads(row.detail or "") == {"forgotten": [first], "key": second, "links": 1}
