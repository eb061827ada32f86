"""Links that are not good (any more): each says why, and none of them decides anything."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from string import ascii_letters, digits

import pytest

import tako
from tako import approvals, links
from tako.model import Actor
from tako.web.times import rfc3339
from tests.support import wait_until
from tests.web.browser import Visitor
from tests.web.desk import Desk, is_open
from tests.web.pressing import CLICK, hidden, press, text_of


@pytest.fixture
def ana(the_desk: Desk) -> Iterator[Visitor]:
    with Visitor(the_desk.url) as visitor:
        yield visitor


def test_every_byte_of_a_link_counts(the_desk: Desk) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    token = path.removeprefix("/l/")
    spoilt = [token[:i] + _other(token[i]) + token[i + 1 :] for i in range(len(token))]
    spoilt += [token[:i] + token[i + 1 :] for i in range(len(token))]
    spoilt += [token[:-1] + c for c in ascii_letters + digits + "-_" if c != token[-1]]
    spoilt += ["", token + "A", token * 2, token[: len(token) // 2], "x" * 5000]

    def opened(part: int) -> list[tuple[int, str]]:
        with Visitor(the_desk.url, address=f"127.0.0.{part + 10}") as visitor:
            pages = [visitor.get(f"/l/{token}") for token in spoilt[part::8]]
        return [(page.status_code, text_of(page.text)) for page in pages]

    with ThreadPoolExecutor(8) as pool:
        found = [one for some in pool.map(opened, range(8)) for one in some]
    assert len(found) == len(spoilt)
    assert {status for status, _ in found} == {403, 404}
    assert sum(status == 404 for status, _ in found) == 1  # no token at all
    assert all("not as it was sent" in text for status, text in found if status == 403)
    assert the_desk.kinds(asked) == ["asked", "linked"]


def _other(character: str) -> str:
    return "B" if character == "A" else "A"


def test_a_spoilt_link_decides_nothing_either(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    data = hidden(page) | {"answer": "approve"}
    spoilt = ana.http.post(f"{path}x", data=data, headers=CLICK)
    assert spoilt.status_code == 403
    assert is_open(the_desk, asked)


def test_an_expired_link_says_so(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked, ttl="20ms")
    asyncio.run(wait_until(lambda: ana.get(path).status_code == 410))
    assert "This link has expired" in text_of(ana.get(path).text)
    assert press(ana, path, "approve", ana.get(the_desk.path(asked)).text).status_code == 303
    assert the_desk.kinds(asked).count("answered") == 1


def test_a_revoked_link_says_so(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    links.revoke_sync(asked.id)
    gone = ana.get(path)
    assert gone.status_code == 410
    assert "This link was revoked" in text_of(gone.text)
    assert press(ana, path, "approve", page).status_code == 410
    assert is_open(the_desk, asked)


def test_a_link_is_not_for_somebody_else_who_is_logged_in(the_desk: Desk) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    with Visitor(the_desk.url) as bo:
        page = bo.get(path).text
        bo.log_in("bo")
        stranger = bo.get(path)
        assert stranger.status_code == 403
        assert "This link is for somebody else" in text_of(stranger.text)
        assert press(bo, path, "approve", page).status_code == 403
    assert is_open(the_desk, asked)


def test_a_link_is_for_its_own_person_who_is_logged_in(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    ana.log_in("ANA")
    assert press(ana, the_desk.path(asked), "approve").status_code == 303
    assert the_desk.result(asked) == ["approve", "ana", "link"]


def test_who_comes_second_is_told_who_decided_when_and_how(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana", "bo"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    press(ana, the_desk.path(asked, "bo"), "reject")
    second = press(ana, path, "approve", page)
    assert second.status_code == 409
    for shown in (second, ana.get(path)):
        text = text_of(shown.text)
        assert "Already decided: “reject”" in text
        assert "Decided by Bo Lindqvist by a link." in text
        assert f'<time datetime="{rfc3339(the_desk.now(asked).decided_at or 0)}"' in shown.text
    assert shown.status_code == 410
    assert the_desk.now(asked).outcome == "reject"


def test_who_comes_too_late_is_told_what_it_counts_as(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"], timeout="300ms")
    path = the_desk.path(asked)
    page = ana.get(path).text
    asyncio.run(wait_until(lambda: the_desk.now(asked).state == "expired"))
    for late in (ana.get(path), press(ana, path, "approve", page)):
        assert late.status_code == 410
        assert "Too late" in text_of(late.text)
        assert "it counts as “reject”" in text_of(late.text)


def test_a_question_whose_run_has_ended_need_not_be_answered(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    tako.cancel_sync(asked.run_id)
    for late in (ana.get(path), press(ana, path, "approve", page)):
        assert late.status_code == 410
        assert "No longer needed" in text_of(late.text)


def test_who_has_passed_it_on_cannot_answer_any_more(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    approvals.delegate_sync(asked.id, "cy", by=Actor("ana", "process", "python"))
    text = text_of(ana.get(path).text)
    assert "Not for you to answer" in text
    assert "delegated this approval to cy" in text
    assert press(ana, path, "approve", page).status_code == 403
    assert is_open(the_desk, asked)
