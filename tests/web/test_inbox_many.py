"""One answer to many approvals: what is listed first, and what becomes of each."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tako import approvals
from tako.model import Actor, Approval
from tests.web.browser import Visitor
from tests.web.desk import Desk, is_open
from tests.web.pressing import CLICK, SCRIPT, hidden, text_of

BO = Actor("bo", "process", "python")


@pytest.fixture
def ana(the_desk: Desk) -> Iterator[Visitor]:
    with Visitor(the_desk.url) as someone:
        someone.log_in("ana")
        yield someone


def choose(visitor: Visitor, *chosen: Approval, answer: str = "approve") -> httpx.Response:
    """Tick these in the list, and press the button below."""
    picks = [f"{approval.id}.{approval.digest}" for approval in chosen]
    return visitor.http.get("/inbox/selected", params={"pick": picks, "answer": answer})


def confirm(
    visitor: Visitor, page: str, answer: str = "approve", headers: dict[str, str] = CLICK
) -> httpx.Response:
    data = hidden(page) | {"answer": answer, "comment": "All good."}
    return visitor.http.post("/inbox/selected", data=data, headers=headers)


def results(page: str) -> dict[str, str]:
    """What it says of each."""
    return {
        unescape(title): unescape(said)
        for title, said in re.findall(
            r'"item-title"[^>]*>([^<]*)</a>.*?<span class="tag[^>]*>([^<]*)<', page, re.DOTALL
        )
    }


def test_what_is_selected_is_listed_once_more_and_then_answered_one_by_one(
    the_desk: Desk, ana: Visitor
) -> None:
    one = the_desk.ask(title="Ship o-1?", to=["ana"], requester="bo", timeout="2h")
    two = the_desk.ask(title="Ship o-2?", to=["ana", "bo"], quorum=2)
    page = choose(ana, one, two).text
    text = text_of(page)
    assert "Approve these 2?" in text
    assert "Ship o-1? due in 1 h 59 min Asked by Bo Lindqvist · ask · until" in text
    assert "Counts as 1 of the 2 that “approve” needs." in text
    assert is_open(the_desk, one)
    done = confirm(ana, page)
    assert results(done.text) == {"Ship o-1?": "Counted", "Ship o-2?": "Counted"}
    assert "2 of 2 answers counted" in text_of(done.text)
    assert "Your answer counts: 1 of the 2 that “approve” needs." in text_of(done.text)
    assert the_desk.result(one) == ["approve", "ana", "page"]
    assert the_desk.now(two).answers[0].comment == "All good."


def test_a_reload_and_a_second_click_answer_nothing_twice(the_desk: Desk, ana: Visitor) -> None:
    one = the_desk.ask(to=["ana"])
    page = choose(ana, one).text
    for _ in range(3):
        assert list(results(confirm(ana, page).text).values()) == ["Counted"]
    assert the_desk.kinds(one).count("answered") == 1
    assert "refused" not in the_desk.kinds(one)


def test_what_cannot_be_answered_with_others_is_said_before(the_desk: Desk, ana: Visitor) -> None:
    good = the_desk.ask(title="good", to=["ana"])
    form = the_desk.ask(title="form", to=["ana"], form="amount")
    others = the_desk.ask(title="others", to=["bo"])
    colours = the_desk.ask(title="colours", to=["ana"], options=["red", "green"])
    page = choose(ana, good, form, others, colours).text
    assert results(page.partition("Not included")[2]) == {
        "form": "It has a form",
        "others": "Not for you to answer",
        "colours": "Another kind of answer",
    }
    assert list(results(confirm(ana, page).text)) == ["good"]
    assert all(is_open(the_desk, one) for one in (form, others, colours))
    assert "Reject these 2?" in text_of(
        choose(ana, form, the_desk.ask(to=["ana"]), answer="reject").text
    )


def test_who_was_first_is_said_and_what_has_changed(the_desk: Desk, ana: Visitor) -> None:
    late = the_desk.ask(title="late", to=["ana", "bo"])
    moving = the_desk.ask_title("before", to=["ana"])
    page = choose(ana, late, moving).text
    approvals.reject_sync(late.id, by=BO)
    the_desk.change(moving, "after")
    done = confirm(ana, page)
    assert results(done.text) == {"late": "Already decided: “reject”", "after": "Changed"}
    assert "0 of 2 answers counted" in text_of(done.text)
    assert "Decided by Bo Lindqvist from Python." in text_of(done.text)
    assert is_open(the_desk, moving)
    again = choose(ana, late, moving)
    assert "None of them can be answered so" in text_of(again.text)
    assert "<textarea" not in again.text


def test_what_a_program_sends_decides_nothing(the_desk: Desk, ana: Visitor) -> None:
    one = the_desk.ask(to=["ana"])
    page = choose(ana, one).text
    word = confirm(ana, page, headers=SCRIPT)
    assert "Type approve" in text_of(word.text)
    fetched = CLICK | {"Sec-Fetch-Mode": "cors"}
    assert confirm(ana, page, headers=fetched).status_code == 403
    forged = page.replace(hidden(page)["csrf"], "A" * 43)
    assert confirm(ana, forged).status_code == 403
    assert is_open(the_desk, one)
    typed = ana.http.post("/inbox/selected", data=hidden(word.text) | {"word": "Approve"})
    assert list(results(typed.text).values()) == ["Counted"]


def test_of_what_one_may_not_see_nothing_is_told(the_desk: Desk) -> None:
    secret = the_desk.ask(title="secret", to=["ana"])
    with Visitor(the_desk.url) as out:
        assert choose(out, secret).status_code == 303
        out.log_in("out")
        page = choose(out, secret).text
        assert "secret" not in page
        assert "There is no such approval" in text_of(page)
        assert "Nothing is selected." in text_of(choose(out).text)
        data = hidden(page) | {"picks": f"{secret.id}.{secret.digest}", "answer": "approve"}
        sent = out.http.post("/inbox/selected", data=data, headers=CLICK)
        assert "secret" not in sent.text
    assert is_open(the_desk, secret)
