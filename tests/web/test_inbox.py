"""What waits for whom on the pages of those who are logged in, and what they may do with it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tako import approvals
from tako.model import Actor, Approval
from tako.passwords import hash_password
from tests.web.browser import Visitor, csrf_of, once_of
from tests.web.desk import Desk, desk, is_open
from tests.web.pressing import CLICK, SCRIPT, hidden, press, text_of


@pytest.fixture
def visitor(the_desk: Desk) -> Iterator[Visitor]:
    with Visitor(the_desk.url) as someone:
        yield someone


def page_of(approval: Approval) -> str:
    return f"/approvals/{approval.id}"


def listed(visitor: Visitor, query: str = "") -> httpx.Response:
    """The list of what waits, where the door leads to."""
    return visitor.get(visitor.get("/").headers["location"] + query)


def titles(page: str) -> list[str]:
    return [unescape(title) for title in re.findall(r'"item-title"[^>]*>([^<]*)<', page)]


def send(visitor: Visitor, approval: Approval, what: str, **fields: str) -> httpx.Response:
    """Send one of the other forms of an approval's page, as after a click."""
    page = visitor.get(page_of(approval)).text
    data = {"csrf": csrf_of(page)} | fields
    return visitor.http.post(f"{page_of(approval)}/{what}", data=data, headers=CLICK)


# --- the way in


def test_the_door_leads_to_the_list_and_strangers_to_the_login(visitor: Visitor) -> None:
    away = listed(visitor, "?view=all&after=1.2")
    assert away.status_code == 303
    place = quote(visitor.get("/").headers["location"], safe="")
    query = "%3Fview%3Dall%26after%3D1.2"
    assert away.headers["location"] == f"/login?next={place}{query}"


@pytest.mark.parametrize("what", ["answer", "delegate", "remind"])
def test_what_a_stranger_sends_leads_to_the_login_and_back_to_the_page(
    the_desk: Desk, visitor: Visitor, what: str
) -> None:
    asked = the_desk.ask()
    away = visitor.http.post(f"{page_of(asked)}/{what}", data={"answer": "approve"}, headers=CLICK)
    assert away.status_code == 303
    assert away.headers["location"] == f"/login?next=%2Fapprovals%2F{asked.id}"
    assert the_desk.kinds(asked) == ["asked"]


def test_a_page_that_there_is_not_is_a_page_for_people_and_json_for_programs(
    visitor: Visitor,
) -> None:
    visitor.log_in("ana")
    for path in ("/nowhere", "/approvals/nothing"):
        page = visitor.get(path)
        assert page.status_code == 404
        assert "There is no" in text_of(page.text)
        program = visitor.get(path, headers={"Accept": "*/*"})
        assert program.headers["content-type"] == "application/problem+json"


# --- the list


def test_what_waits_for_a_person_is_listed_nearest_deadline_first(tmp_path: Path) -> None:
    with desk(tmp_path) as fresh, Visitor(fresh.url) as cy:
        cy.log_in("cy")
        assert "Nothing waits for you." in text_of(listed(cy).text)
        fresh.ask(title="in a week", to=["cy"], timeout="7d")
        fresh.ask(title="some day", to=["cy"])
        two = {"to": ["cy", "ana"], "requester": "bo", "quorum": 2}
        half = fresh.ask(title="in an hour", timeout="1h", **two)
        fresh.ask(title="another's", to=["ana"])
        fresh.ask(title="anybody's")
        done = fresh.ask(title="done", to=["cy"])
        press(cy, page_of(done), "approve", word="approve")
        page = listed(cy).text
        assert titles(page) == ["in an hour", "in a week", "some day", "anybody's"]
        assert "Bo Lindqvist · ask · 0 of 2 answers" in text_of(page)
        assert titles(listed(cy, "?view=all").text)[0] == "done"
        approvals.reject_sync(half.id, by=Actor("cy", "process", "python"))
        approvals.approve_sync(half.id, by=Actor("ana", "process", "python"))
        yours = listed(cy, "?view=yours").text
        assert titles(yours) == ["done", "in an hour"]
        assert "Approved ask · by you ·" in text_of(yours)
        assert "2 of 2 answers · you answered “ reject ” · asked" in text_of(yours)
        cy.log_in("ana")
        assert titles(listed(cy, "?view=yours").text) == ["in an hour"]
        cy.log_in("vic")
        assert titles(listed(cy, "?view=yours").text) == []
        assert titles(listed(cy).text) == []
        assert len(titles(listed(cy, "?view=open").text)) == 5
        assert len(titles(listed(cy, "?view=all").text)) == 6
        cy.log_in("stranger")
        for view in ("mine", "open", "all"):
            assert titles(cy.get(f"/approvals?view={view}").text) == []


def test_a_long_list_has_pages(the_desk: Desk, visitor: Visitor) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda n: the_desk.ask(title=f"n{n}", to=["dan"]), range(30)))
    visitor.log_in("dan")
    first = listed(visitor).text
    more = re.search(r'href="([^"]*)" rel="next"', first)
    assert more is not None
    second = listed(visitor, f"{unescape(more[1])}").text
    assert sorted(titles(first) + titles(second)) == sorted(a.question.title for a in asked)
    assert (len(titles(first)), 'rel="next"' in second) == (25, False)
    assert 'href="?view=mine"' in second


@pytest.mark.parametrize("query", ["view=nonsense", "after=nonsense", "view=open&after=%00x"])
def test_an_address_that_nobody_made_gives_no_error_of_ours(visitor: Visitor, query: str) -> None:
    visitor.log_in("ana")
    assert listed(visitor, f"?{query}").status_code in (200, 400)


def test_search_and_filters_are_in_the_address(the_desk: Desk, visitor: Visitor) -> None:
    the_desk.ask(title="Straße nach Oslo", to=["ana"])
    done = the_desk.ask(title="STRASSE nach Rom", to=["ana"])
    approvals.approve_sync(done.id, by=Actor("ana", "process", "python"))
    other = the_desk.ask_title("straße nach Bern", to=["ana"])
    visitor.log_in("ana")

    def found(query: str) -> list[str]:
        return titles(listed(visitor, f"?text=strasse&{query}").text)

    assert sorted(found("")) == ["Straße nach Oslo", "straße nach Bern"]
    assert found(f"workflow={other.workflow}") == ["straße nach Bern"]
    assert found("view=answered") == ["STRASSE nach Rom"]
    assert len(found("view=all")) == 3
    assert found("view=all&state=decided") == ["STRASSE nach Rom"]
    assert found("view=all&state=expired") == []
    page = listed(visitor, "?text=nowhere+at+all").text
    assert "Nothing matches." in text_of(page)
    assert 'value="nowhere at all"' in page


def test_an_answer_in_the_list_leads_back_to_it_and_says_what_was_answered(
    the_desk: Desk, visitor: Visitor
) -> None:
    asked = the_desk.ask(title="From the list", to=["ana"])
    visitor.log_in("ana")
    page = listed(visitor, "?text=from+the").text
    form = re.search(rf'action="(/approvals/{asked.id}/answer[^"]*)"', page)
    assert form is not None
    data = {"csrf": csrf_of(page), "answer": "approve", "digest": asked.digest}
    program = visitor.http.post(unescape(form[1]), data=data, headers=SCRIPT)
    assert "Type approve" in text_of(program.text)
    assert is_open(the_desk, asked)
    done = visitor.http.post(unescape(form[1]), data=data, headers=CLICK)
    back = done.headers["location"]
    assert back == f"/inbox?view=mine&text=from+the&done={asked.id}"
    assert "You answered “approve”: From the list" in text_of(visitor.get(back).text)
    visitor.log_in("vic")
    assert "From the list" not in visitor.get(back.replace("mine", "open")).text


# --- one approval


def test_the_steps_of_its_run_are_there_for_those_who_may_look_at_runs(
    the_desk: Desk, visitor: Visitor
) -> None:
    asked = the_desk.ask(to=["ana", "zoe"])
    visitor.log_in("ana")
    assert "Nothing was done before this question." in text_of(visitor.get(page_of(asked)).text)
    press(visitor, page_of(asked), "approve")
    the_desk.result(asked)
    page = visitor.get(page_of(asked)).text
    assert f'href="/runs/{asked.run_id}">ask, succeeded' in page
    assert '<span class="done-name" dir="auto">sign</span>' in page
    visitor.log_in("zoe")
    shown = visitor.get(page_of(asked))
    assert shown.status_code == 200
    assert "The run so far" not in shown.text


@pytest.mark.parametrize(
    ("person", "status"),
    [("ana", 200), ("cy", 200), ("vic", 200), ("req", 200), ("zoe", 403), ("out", 403)],
)
def test_who_may_see_an_approval(
    the_desk: Desk, visitor: Visitor, person: str, status: int
) -> None:
    asked = the_desk.ask(to=["cy"], requester="req", exclude=["out"])
    visitor.log_in(person)
    assert visitor.get(page_of(asked)).status_code == status


def test_a_name_that_nobody_has_is_pointed_out(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["cyy", "group:finance"])
    visitor.log_in("vic")
    page = text_of(visitor.get(page_of(asked)).text)
    assert "cyy and anyone in finance nobody here is called cyy (cy?)" in page


def test_who_may_look_only_has_no_button(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["cy"])
    visitor.log_in("vic")
    page = visitor.get(page_of(asked))
    assert "This approval is not asked of vic." in text_of(page.text)
    assert 'name="answer"' not in page.text
    data = {"csrf": csrf_of(page.text), "answer": "approve", "digest": asked.digest}
    sent = visitor.http.post(f"{page_of(asked)}/answer", data=data, headers=CLICK)
    assert sent.status_code == 403
    assert "This approval is not asked of vic." in text_of(sent.text)
    assert is_open(the_desk, asked)


def test_an_answer_on_the_page_decides_and_is_on_record(the_desk: Desk, visitor: Visitor) -> None:
    the_desk.ask(title="the next one", to=["ana"])
    asked = the_desk.ask(form="amount", to=["ana"])
    visitor.log_in("ana")
    refused = press(visitor, page_of(asked), "approve", fields={"value/amount": "x"})
    assert refused.status_code == 422
    done = press(visitor, page_of(asked), "approve", refused.text, {"value/amount": "5"})
    assert (done.status_code, done.headers["location"]) == (303, page_of(asked))
    text = text_of(visitor.get(page_of(asked)).text)
    assert "You answered “approve”" in text
    assert re.search(r"\d more waits? for you", text)
    assert "Ana Silva tried to answer “approve” on these pages." in text
    assert "Ana Silva answered “approve” on these pages." in text
    assert "Amount 5" in text
    assert the_desk.result(asked) == ["approve", "ana", "page"]
    rows = approvals.history_sync(asked.id)
    assert {(r.person, r.auth, r.channel) for r in rows if r.kind == "answered"} == {
        ("ana", "local", "page")
    }


def test_looking_is_on_record_once(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    visitor.log_in("ana")
    visitor.http.head(page_of(asked))
    assert the_desk.kinds(asked) == ["asked"]
    for _ in range(3):
        visitor.get(page_of(asked))
    assert the_desk.kinds(asked) == ["asked", "shown"]


def test_the_second_is_told_who_was_first(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["ana", "bo"])
    visitor.log_in("ana")
    page = visitor.get(page_of(asked)).text
    approvals.reject_sync(asked.id, by=Actor("bo", "process", "python"))
    late = press(visitor, page_of(asked), "approve", page)
    assert late.status_code == 409
    assert "Decided by Bo Lindqvist from Python." in text_of(late.text)


def test_in_local_mode_a_program_that_logs_in_decides_nothing(
    the_desk: Desk, visitor: Visitor
) -> None:
    asked = the_desk.ask(to=["ana"])
    visitor.log_in("ana")
    for headers in ({}, SCRIPT):
        page = press(visitor, page_of(asked), "approve", headers=headers)
        assert "Type approve" in text_of(page.text)
    assert is_open(the_desk, asked)
    done = visitor.http.post(
        f"{page_of(asked)}/answer", data=hidden(page.text) | {"word": "approve"}
    )
    assert done.status_code == 303


def test_who_has_given_a_password_need_not_type_the_word(tmp_path: Path) -> None:
    people = f'[dan]\npassword = "{hash_password("correct horse battery")}"\n'
    with desk(tmp_path, web='auth = "users"', people=people) as strict, Visitor(strict.url) as dan:
        asked = strict.ask(to=["dan"])
        assert dan.log_in("dan", "correct horse battery").status_code == 303
        assert press(dan, page_of(asked), "approve", headers={}).status_code == 303
        assert strict.result(asked) == ["approve", "dan", "page"]
        (row,) = (r for r in approvals.history_sync(asked.id) if r.kind == "answered")
        assert (row.person, row.auth, row.channel) == ("dan", "password", "page")


# --- passing on, reminding


def test_a_question_is_passed_on_to_somebody_else(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    visitor.log_in("ana")
    sent = send(visitor, asked, "delegate", to="Cy", why="Your <area>.")
    assert sent.status_code == 303
    text = text_of(visitor.get(page_of(asked)).text)
    assert "Ana Silva passed it on to Cy Young. Your <area>." in text
    assert "Ana has delegated this approval to cy" in text
    assert the_desk.now(asked).delegated == (("ana", "cy"),)


@pytest.mark.parametrize("to", ["out", "group:finance", "ana", ""])
def test_it_is_not_passed_on_to_who_may_not_have_it(
    the_desk: Desk, visitor: Visitor, to: str
) -> None:
    asked = the_desk.ask(to=["ana"], exclude=["out"])
    visitor.log_in("ana")
    refused = send(visitor, asked, "delegate", to=to)
    assert refused.status_code == 403
    assert 'role="alert"' in refused.text
    assert the_desk.now(asked).delegated == ()


def test_passing_on_takes_a_person_too(the_desk: Desk, visitor: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    visitor.log_in("ana")
    data = {"csrf": csrf_of(visitor.get(page_of(asked)).text), "to": "cy", "why": "w"}
    path = f"{page_of(asked)}/delegate"
    page = visitor.http.post(path, data=data)
    assert "Type pass on to cy" in text_of(page.text)
    assert the_desk.now(asked).delegated == ()
    assert (
        visitor.http.post(path, data=hidden(page.text) | {"word": "Pass on to cy"}).status_code
        == 303
    )
    assert the_desk.now(asked).delegated == (("ana", "cy"),)


def test_an_operator_reminds_once_for_each_page(the_desk: Desk, visitor: Visitor) -> None:
    untold = the_desk.ask(to=["cy"])  # of which nobody is told: there is no way to remind them
    asked = the_desk.ask(to=["cy"], tell=True)
    visitor.log_in("ana")
    assert "Send a reminder" not in visitor.get(page_of(untold)).text
    page = visitor.get(page_of(asked)).text
    for _ in range(2):
        data = {"csrf": csrf_of(page), "once": once_of(page)}
        assert visitor.http.post(f"{page_of(asked)}/remind", data=data).status_code == 303
    assert the_desk.kinds(asked).count("reminded") == 1
    visitor.log_in("cy")
    page = visitor.get(page_of(asked)).text
    assert "Send a reminder" not in page
    data = {"csrf": csrf_of(page), "once": "x"}
    assert visitor.http.post(f"{page_of(asked)}/remind", data=data).status_code == 403


@pytest.mark.parametrize("what", ["answer", "delegate", "remind"])
def test_a_form_that_no_page_of_ours_made_does_nothing(
    the_desk: Desk, visitor: Visitor, what: str
) -> None:
    asked = the_desk.ask(to=["ana"])
    visitor.log_in("ana")
    data = {"answer": "approve", "to": "cy", "digest": asked.digest, "csrf": "A" * 43}
    sent = visitor.http.post(f"{page_of(asked)}/{what}", data=data, headers=CLICK)
    assert sent.status_code == 403
    assert "Nothing was sent" in text_of(sent.text)
    assert the_desk.kinds(asked) == ["asked"]


# --- the other side


def test_what_people_write_is_shown_as_text(the_desk: Desk, visitor: Visitor) -> None:
    evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    asked = the_desk.ask(title=evil, body=evil, to=["ana", evil], requester=evil, form="amount")
    visitor.log_in("ana")
    page = visitor.get(page_of(asked)).text + listed(visitor).text
    fields = {"value/amount": evil, "value/why": evil, "comment": evil, "digest": evil}
    page += press(visitor, page_of(asked), "approve", fields=fields, headers={}).text
    page += press(visitor, page_of(asked), "approve", fields=fields | {"digest": asked.digest}).text
    fields |= {"value/amount": "1", "digest": asked.digest}
    press(visitor, page_of(asked), "approve", fields=fields)
    page += visitor.get(page_of(asked)).text
    assert "<img" not in page
    assert "<script>" not in page
    assert page.count("&lt;img") > 8
