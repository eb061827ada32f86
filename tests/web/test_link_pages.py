"""Links in mails: what they show, what a press of a button does, and what nothing else does."""

import re
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tako.web.times import rfc3339
from tests.web.browser import Visitor
from tests.web.desk import Desk, desk, is_open
from tests.web.pressing import CLICK, SCRIPT, hidden, press, text_of

ORDER = {
    "value/amount": "120.5",
    "value/priority": "high",
    "value/ship_to/street": "Storgatan 1",
    "value/ship_to/city": "Malmö",
    "value/on": "2026-12-24",
    "value/tags": "fragile\r\nheavy",
    "value/note": "",
}


@pytest.fixture
def ana(the_desk: Desk) -> Iterator[Visitor]:
    with Visitor(the_desk.url) as visitor:
        yield visitor


# --- what it shows


def test_a_link_shows_what_is_asked_by_whom_until_when_and_what_follows(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(
        title="Ship <b>o-1</b>?", body="It is **heavy**.", requester="bo", timeout="2d", to=["ana"]
    )
    page = ana.get(the_desk.path(asked))
    text = text_of(page.text)
    assert page.status_code == 200
    assert "Ship <b>o-1</b>?" in text
    assert "<strong>heavy</strong>" in page.text
    assert "Asked by Bo Lindqvist" in text
    assert "You answer as Ana Silva" in text
    assert "Decides: the run goes on with “approve”." in text
    assert "Without an answer by then it counts as rejected." in text
    assert asked.run_id in text
    assert f'<time datetime="{rfc3339(asked.deadline or 0)}"' in page.text


def test_looking_at_a_link_is_on_record_once_and_changes_nothing(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    for _ in range(3):
        assert ana.http.head(path).status_code == 200
    assert the_desk.kinds(asked) == ["asked", "linked"]
    for _ in range(3):
        assert ana.get(path).status_code == 200
    assert the_desk.kinds(asked) == ["asked", "linked", "shown"]
    assert is_open(the_desk, asked)


def test_who_has_answered_so_far_is_shown_with_what_they_filled_in(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(form="amount", to=["ana", "bo"], quorum=2, veto=True)
    fields = {"value/amount": "7", "value/why": "cheap", "comment": "Go <on>"}
    press(ana, the_desk.path(asked, "bo"), "approve", fields=fields)
    text = text_of(ana.get(the_desk.path(asked)).text)
    assert "2 of the same are needed; one rejection ends it." in text
    assert "Bo Lindqvist : Approve" in text
    assert "Go <on>" in text
    assert "Amount 7 Why cheap" in text
    assert "Decides at once: one rejection is enough." in text


# --- the press


def test_a_press_decides_and_the_run_goes_on(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    done = press(ana, path, "approve", comment=" Fine. ")
    assert (done.status_code, done.headers["location"]) == (303, path)
    assert the_desk.result(asked) == ["approve", "ana", "link"]
    (given,) = the_desk.now(asked).answers
    assert (given.person, given.channel, given.comment) == ("ana", "link", "Fine.")


def test_after_the_press_the_same_link_says_what_was_answered_as_often_as_one_looks(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(title="Ship it?", to=["ana"])
    path = the_desk.path(asked)
    press(ana, path, "reject")
    for _ in range(2):
        page = ana.get(path)
        assert page.status_code == 200
        assert "You answered “reject” Ship it?" in text_of(page.text)


def test_pressing_twice_is_one_answer(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    data = hidden(ana.get(path).text) | {"answer": "approve"}

    def once(_: int) -> str:
        return ana.http.post(path, data=data, headers=CLICK, follow_redirects=True).text

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(once, range(8)))
    assert all("You answered “approve”" in text_of(page) for page in pages)
    assert the_desk.kinds(asked).count("answered") == 1


def test_a_used_link_gives_no_other_answer(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    press(ana, path, "approve", page)
    again = press(ana, path, "reject", page)
    assert again.status_code == 410
    assert "You answered “approve”" in text_of(again.text)
    assert the_desk.now(asked).outcome == "approve"


def test_one_of_several_answers_waits_for_the_others(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana", "bo"], quorum=2)
    path = the_desk.path(asked)
    assert "Counts as 1 of the 2 that “approve” needs." in text_of(ana.get(path).text)
    press(ana, path, "approve")
    assert "1 of the 2" in text_of(ana.get(path).text)
    assert the_desk.now(asked).state == "open"
    press(ana, the_desk.path(asked, "bo"), "approve")
    assert the_desk.result(asked) == ["approve", "bo", "link"]
    assert "Decided by Bo Lindqvist by a link" in text_of(ana.get(path).text)


def test_a_link_for_one_answer_has_no_other_button(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked, answers=["reject"])
    page = ana.get(path).text
    assert re.findall(r'name="answer" value="(\w+)"', page) == ["reject"]
    assert press(ana, path, "approve", page).status_code == 422
    assert is_open(the_desk, asked)


# --- a sign of a person


def test_a_browser_that_says_nothing_of_the_press_is_asked_for_the_word(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(form="amount", to=["ana"])
    path = the_desk.path(asked)
    fields = {"value/amount": "3", "value/why": 'a "b"\r\n<c>', "comment": "Well."}
    for headers in ({}, SCRIPT):
        page = press(ana, path, "approve", fields=fields, headers=headers)
        assert "Type approve" in text_of(page.text)
    wrong = ana.http.post(path, data=hidden(page.text) | {"word": "yes"})
    assert "That was another word." in text_of(wrong.text)
    assert is_open(the_desk, asked)
    done = ana.http.post(path, data=hidden(wrong.text) | {"word": "Approve"})
    assert done.status_code == 303
    (given,) = the_desk.now(asked).answers
    assert given.value == '{"amount":3,"why":"a \\"b\\"\\n<c>"}'
    assert given.comment == "Well."


@pytest.mark.parametrize(
    "headers",
    [
        CLICK | {"Sec-Fetch-Mode": "cors"},
        CLICK | {"Sec-Fetch-Dest": "empty"},
        CLICK | {"Sec-Fetch-Dest": "iframe"},
        CLICK | {"Sec-Fetch-Site": "none"},
        CLICK | {"Sec-Fetch-Site": "cross-site"},
        CLICK | {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_what_a_script_a_frame_or_another_site_sends_is_refused(
    the_desk: Desk, ana: Visitor, headers: dict[str, str]
) -> None:
    asked = the_desk.ask(to=["ana"])
    refused = press(ana, the_desk.path(asked), "approve", headers=headers, word="approve")
    assert refused.status_code == 403
    assert is_open(the_desk, asked)


def test_a_page_without_its_cookie_is_shown_again_with_what_was_typed(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(form="amount", to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    ana.http.cookies.clear()
    stale = press(ana, path, "approve", page, {"value/amount": "12", "comment": "typed"})
    assert stale.status_code == 403
    assert "open for too long" in text_of(stale.text)
    assert 'value="12"' in stale.text
    assert "typed</textarea>" in stale.text
    assert press(ana, path, "approve", stale.text, {"value/amount": "12"}).status_code == 303


@pytest.mark.parametrize("answer", ["", "perhaps", "APPROVE", "approve\t"])
def test_an_answer_that_no_button_gives_is_none(the_desk: Desk, ana: Visitor, answer: str) -> None:
    asked = the_desk.ask(to=["ana"])
    assert press(ana, the_desk.path(asked), answer).status_code == 422
    assert is_open(the_desk, asked)


# --- the form


def test_a_wrong_field_is_named_and_what_was_typed_stays(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(form="order", to=["ana"])
    path = the_desk.path(asked)
    page = press(ana, path, "approve", fields=ORDER | {"value/amount": "-5"}, comment="mine")
    assert page.status_code == 422
    field = re.search(r'<input[^>]*name="value/amount"[^>]*>', page.text)
    assert field is not None
    assert 'aria-invalid="true"' in field[0]
    assert "autofocus" in field[0]
    assert "-5 is less than the minimum of 0" in text_of(page.text)
    assert 'value="Storgatan 1"' in page.text
    assert 'name="value/insured" value="true">' in page.text  # it was not ticked
    assert "fragile\nheavy</textarea>" in page.text.replace("\r", "")
    assert is_open(the_desk, asked)
    assert the_desk.kinds(asked)[-1] == "refused"
    assert press(ana, path, "approve", page.text, ORDER).status_code == 303


def test_what_is_filled_in_comes_to_the_run_with_its_types(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(form="order", to=["ana"])
    press(ana, the_desk.path(asked), "approve", fields=ORDER | {"value/insured": "true"})
    (given,) = the_desk.now(asked).answers
    assert given.value == (
        '{"amount":120.5,"priority":"high","ship_to":{"street":"Storgatan 1","city":"Malmö"},'
        '"on":"2026-12-24","insured":true,"tags":["fragile","heavy"],"note":""}'
    )
    assert the_desk.result(asked) == ["approve", "ana", "link"]


def test_a_field_left_blank_is_asked_for_at_its_place(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(form="order", to=["ana"])
    blank = {"value/amount": "", "value/priority": ""}
    page = press(ana, the_desk.path(asked), "approve", fields=ORDER | blank)
    assert page.status_code == 422
    assert page.text.count("This is needed.") == 2
    assert is_open(the_desk, asked)


def test_a_rejection_needs_no_form_and_is_not_held_up_by_half_of_one(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(form="order", to=["ana"])
    done = press(
        ana, the_desk.path(asked), "reject", fields={"value/amount": "many"}, comment="No."
    )
    assert done.status_code == 303
    assert the_desk.now(asked).answers[0].value is None


def test_a_full_disk_loses_no_answer_and_nothing_that_was_typed(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(form="amount", to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    fields = {"value/amount": "12", "value/why": "it is cheap", "comment": "Fine."}
    server, limit = the_desk.server.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(server, limit, (0, -1))
    try:
        failed = press(ana, path, "approve", page, fields)
    finally:
        resource.prlimit(server, limit, before)
    assert failed.status_code == 503
    assert "could not be stored" in text_of(failed.text)
    assert 'value="it is cheap"' in failed.text
    assert is_open(the_desk, asked)
    assert press(ana, path, "approve", failed.text, fields).status_code == 303
    assert the_desk.kinds(asked).count("answered") == 1


# --- what changes meanwhile


def test_what_has_changed_since_it_was_shown_is_shown_anew_and_asked_again(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask_title("Ship 10?", to=["ana"])
    path = the_desk.path(asked)
    page = ana.get(path).text
    the_desk.change(asked, "Ship 1000?")
    changed = press(ana, path, "approve", page, comment="yes")
    assert changed.status_code == 409
    text = text_of(changed.text)
    assert "has changed since you saw it" in text
    assert "Ship 1000?" in text
    assert "Ship 10?" not in text
    assert "yes</textarea>" in changed.text
    assert is_open(the_desk, asked)
    assert press(ana, path, "approve", changed.text).status_code == 303
    assert the_desk.now(asked).outcome == "approve"


def test_what_has_changed_since_the_mail_says_so(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask_title("Pay 10?", to=["ana"])
    path = the_desk.path(asked)
    assert "has changed" not in text_of(ana.get(path).text)
    the_desk.change(asked, "Pay 1000?")
    text = text_of(ana.get(path).text)
    assert "This has changed since the link was sent to you." in text
    assert "Pay 1000?" in text


def test_an_answer_to_what_was_asked_before_is_no_answer_to_this(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask_title("Buy 10?", to=["ana", "bo"], quorum=2)
    path = the_desk.path(asked)
    press(ana, path, "approve")
    the_desk.change(asked, "Buy 1000?")
    page = ana.get(path)
    assert page.status_code == 410
    assert "This link was used" in text_of(page.text)


# --- the wire


def test_pages_of_links_are_kept_nowhere_and_load_nothing_from_elsewhere(
    the_desk: Desk, ana: Visitor
) -> None:
    asked = the_desk.ask(to=["ana"], body="![x](https://tracker.example/x.png)")
    page = ana.get(the_desk.path(asked))
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<style|style=|<script>|\son\w+=|https?://(?!127)", page.text)


def test_a_file_in_the_form_is_not_taken(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    path = the_desk.path(asked)
    data = hidden(ana.get(path).text) | {"answer": "approve"}
    sent = ana.http.post(path, data=data, files={"x": b"x"}, headers=CLICK)
    assert sent.status_code == 415
    assert is_open(the_desk, asked)


def test_a_form_that_is_too_large_is_not_read(the_desk: Desk, ana: Visitor) -> None:
    asked = the_desk.ask(to=["ana"])
    assert press(ana, the_desk.path(asked), "approve", comment="x" * 2_000_000).status_code == 413
    assert is_open(the_desk, asked)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
def test_other_methods_do_nothing(the_desk: Desk, ana: Visitor, method: str) -> None:
    asked = the_desk.ask(to=["ana"])
    assert ana.http.request(method, the_desk.path(asked)).status_code == 405
    assert the_desk.kinds(asked) == ["asked", "linked"]


def test_links_cannot_be_tried_without_end(tmp_path: Path) -> None:
    with desk(tmp_path) as other, Visitor(other.url) as visitor:
        path = other.path(other.ask(to=["ana"]))
        seen = [visitor.get(path).status_code for _ in range(70)]
        assert set(seen) == {200, 429}
        assert "Too many tries" in text_of(visitor.get(path).text)
