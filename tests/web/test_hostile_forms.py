"""Forms as nobody of good will sends them: one clear error, and nothing is done, not even half."""

from functools import partial
from urllib.parse import urlencode

import httpx
import pytest

import tako
from tako import approvals
from tako.model import Actor, Approval
from tests.web.browser import Visitor, csrf_of, once_of
from tests.web.desk import Desk
from tests.web.pressing import CLICK, text_of
from tests.web.test_twins import PEOPLE, TWINS, forms, state

PAGES = sorted(TWINS.keys() - {"/l/{token}"})
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
BAD: dict[str, tuple[int, str, bytes, str]] = {  # {} is a good form
    "no type": (415, "", b"{}", "a form is sent as"),
    "JSON": (415, "application/json", b'{"do": "cancel"}', "a form is sent as"),
    "plain text": (415, "text/plain", b"{}", "a form is sent as"),
    "garbage": (415, MULTIPART, b"\x00\xff--b", "a form is sent as"),
    "half of a multipart": (
        415,
        MULTIPART,
        b'--b\r\nContent-Disposition: form-data; name="do"\r\n\r\ncancel\r\n-',
        "a form is sent as",
    ),
    "no UTF-8": (400, FORM, b"{}&x=\xff\xfe", "not UTF-8"),
    "no UTF-8, encoded": (400, FORM, b"{}&x=%ff%fe", "not UTF-8"),
    "half of a surrogate": (400, FORM, b"{}&x=%ed%a0%80", "not UTF-8"),
    "NUL": (400, FORM, b"{}&x=a%00b", "a NUL character"),
    "10,000 fields": (400, FORM, b"{}" + b"&run=x" * 10_000, "over 2,000 fields"),
    "too large": (413, FORM, b"{}&x=" + b"y" * 1_200_000, "over the limit"),
    "two of one name": (400, FORM, b"{}&x=1&x=2", "more than once"),
    "two tokens": (400, FORM, b"{}&csrf=x", "more than once"),
}


@pytest.fixture(scope="module")
def ana(visitors: dict[str, Visitor]) -> Visitor:
    return visitors["ana"]


@pytest.fixture(scope="module")
def asked(the_desk: Desk) -> Approval:
    """What nothing below may change."""
    return the_desk.ask(to=["ana", "asked", "group:finance"])


def token(visitor: Visitor) -> str:
    return csrf_of(visitor.get("/logout" if visitor.session else "/login").text)


def everything(the_desk: Desk, ana: Visitor, a: Approval) -> object:
    """What a form may have done: to this question and its run, to others, to the mailbox."""
    mail = ana.http.get("/api/waits/mailbox").json()["events"]
    record = [kind for kind in the_desk.kinds(a) if kind not in ("shown", "refused")]
    return state(the_desk, a), record, ana.http.get("/api/run-counts").json(), len(mail)


@pytest.mark.parametrize("path", PAGES)
def test_a_body_that_is_no_form_of_ours_is_refused_whole_and_says_why(
    the_desk: Desk, ana: Visitor, asked: Approval, path: str
) -> None:
    target, data = forms(asked)[path]
    good = urlencode({"csrf": token(ana), **data}).encode()
    before = everything(the_desk, ana, asked)
    for name, (status, kind, body, why) in BAD.items():
        headers = CLICK | ({"Content-Type": kind} if kind else {})
        sent = ana.http.post(target, content=body.replace(b"{}", good), headers=headers)
        assert sent.status_code == status, (name, sent.text)
        assert why.lower() in text_of(sent.text).lower(), name
    assert everything(the_desk, ana, asked) == before


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("name", PEOPLE)
def test_without_the_token_or_from_elsewhere_it_counts_for_nobody(
    the_desk: Desk, visitors: dict[str, Visitor], asked: Approval, path: str, name: str
) -> None:
    visitor, (target, data) = visitors[name], forms(asked)[path]
    before = everything(the_desk, visitors["ana"], asked)
    mine = token(visitor)
    other = token(visitors["bo" if name == "ana" else "ana"])
    for given in ({}, {"csrf": ""}, {"csrf": "A" * 43}, {"csrf": other}):
        body = urlencode({**given, **data})
        sent = visitor.http.post(target, content=body, headers=CLICK | {"Content-Type": FORM})
        assert sent.status_code == (403 if name else 303), sent.text
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        sent = visitor.http.post(target, data={"csrf": mine, **data}, headers=headers)
        assert (sent.status_code, "nly pages of this app" in sent.text) == (403, True)
    assert everything(the_desk, visitors["ana"], asked) == before


FORGED = ["nope", "x" * 5_000, "..", "é", "' OR 1=1 --", "{{ 7*7 }}"]


@pytest.mark.parametrize("path", ["/approvals/{id}/answer", "/runs/{id}/act", "/workflows/{name}"])
@pytest.mark.parametrize("forged", FORGED)
def test_an_id_of_nothing_is_not_found(
    the_desk: Desk, ana: Visitor, asked: Approval, path: str, forged: str
) -> None:
    _, data = forms(asked)[path]
    before = everything(the_desk, ana, asked)
    target = path.replace("{id}", forged).replace("{name}", forged)
    sent = ana.http.post(target, data={"csrf": token(ana), **data}, headers=CLICK)
    assert sent.status_code in (404, 405), sent.text
    assert "7*7" in sent.text or "49" not in text_of(sent.text)
    assert everything(the_desk, ana, asked) == before


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/approvals/{id}/answer", {"answer": "x" * 100_000}, 422),
        ("/approvals/{id}/answer", {"digest": ""}, 409),
        ("/approvals/{id}/answer", {"comment": "c" * 1_000_000}, 422),
        ("/approvals/{id}/delegate", {"to": ""}, 403),
        ("/approvals/{id}/delegate", {"to": "x" * 100_000}, 403),
        ("/approvals/{id}/delegate", {"why": "y" * 1_000_000}, 422),
        ("/inbox/selected", {"answer": ""}, 200),
        ("/inbox/selected", {"picks": " ".join(f"a{n}.b" for n in range(10_000))}, 422),
        ("/runs/bulk", {"do": "explode"}, 400),
        ("/runs/bulk", {"all": "1", "query": "last=forever"}, 422),
        ("/runs/{id}/act", {"do": ""}, 422),
        ("/runs/{id}/act", {"do": "rerun"}, 409),
        ("/runs/{id}/act", {"do": "rerun", "step": "x" * 100_000}, 409),
        ("/runs/{id}/act", {"do": "signal"}, 422),
        ("/runs/{id}/act", {"do": "signal", "event": "e" * 501}, 422),
        ("/runs/{id}/act", {"do": "signal", "event": "a\nb"}, 422),
        ("/runs/{id}/act", {"do": "signal", "event": "e", "payload": "[" * 100_000}, 422),
        ("/waiting", {"event": "e" * 501}, 422),
        ("/waiting", {"key": "k" * 501}, 422),
        ("/waiting", {"payload": "[" * 100_000}, 422),
        ("/waiting", {"payload": '"' + "x" * 1_050_000 + '"'}, 422),
        ("/workflows/{name}", {"value": "[" * 100_000}, 422),
        ("/workflows/{name}", {"value": '"' + "x" * 1_050_000 + '"'}, 422),
        ("/workflows/{name}", {"delay": "9" * 400}, 422),
        ("/workflows/{name}", {"delay": "-1"}, 422),
        ("/workflows/{name}", {"unique_key": "a\tb"}, 422),
        ("/workflows/{name}", {"tags": "a\tb"}, 422),
    ],
)
def test_a_field_that_cannot_be_used_is_said_and_nothing_is_done(
    the_desk: Desk, ana: Visitor, asked: Approval, path: str, fields: dict[str, str], status: int
) -> None:
    target, data = forms(asked)[path]
    before = everything(the_desk, ana, asked)
    sent = ana.http.post(target, data={"csrf": token(ana), **data, **fields}, headers=CLICK)
    assert sent.status_code == status, sent.text
    assert everything(the_desk, ana, asked) == before


# --- sent twice, and what has changed since it was shown


@pytest.mark.parametrize("path", ["/approvals/{id}/remind", "/runs/{id}/act", "/waiting"])
def test_a_form_that_is_replayed_does_one_thing(the_desk: Desk, ana: Visitor, path: str) -> None:
    mine = the_desk.ask(to=["ana"], notify=[])
    target, data = forms(mine)[path]
    if path == "/runs/{id}/act":
        data = {"do": "signal", "event": "replayed", "payload": "1"}
    shown = ana.get(f"/approvals/{mine.id}").text
    fields = {"csrf": csrf_of(shown), "once": once_of(shown), **data}
    before = len(ana.http.get("/api/waits/mailbox").json()["events"])
    answers = [ana.http.post(target, data=fields, headers=CLICK) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {answers[0].status_code}
    after = len(ana.http.get("/api/waits/mailbox").json()["events"])
    assert after - before == (0 if path.endswith("remind") else 1)


@pytest.mark.parametrize("path", ["/runs/bulk", "/runs/{id}/act"])
@pytest.mark.parametrize("do", ["cancel", "rerun"])
def test_a_run_is_stopped_or_run_again_once_though_the_form_is_replayed(
    the_desk: Desk, ana: Visitor, path: str, do: str
) -> None:
    """The second time at once, the third after somebody has undone it."""
    mine = the_desk.ask(to=["ana"])
    undo = tako.rerun_sync if do == "cancel" else tako.cancel_sync
    if do == "rerun":
        tako.cancel_sync(mine.run_id)
    shown = ana.get(f"/runs/{mine.run_id}").text
    fields = {"csrf": csrf_of(shown), "once": once_of(shown), "do": do, "sure": "1"}
    press = partial(
        ana.http.post,
        path.replace("{id}", mine.run_id),
        data=fields | {"run": mine.run_id},
        headers=CLICK,
    )
    answers = [press(), press()]
    assert (tako.get_sync(mine.run_id).state == "cancelled") is (do == "cancel")
    undo(mine.run_id)
    answers.append(press())
    assert (tako.get_sync(mine.run_id).state == "cancelled") is (do == "rerun")
    expected = 200 if path == "/runs/bulk" else 303
    assert [answer.status_code for answer in answers] == [expected] * 3


def test_what_a_filter_finds_is_always_shown_before_it_is_done(
    the_desk: Desk, ana: Visitor
) -> None:
    """Also to who sends the second form first, and whatever the filter finds by then."""
    mine = the_desk.ask(to=["ana"])
    fields = {"csrf": token(ana), "do": "cancel", "all": "1", "sure": "1", "query": "workflow=ask"}
    sent = ana.http.post("/runs/bulk", data=fields, headers=CLICK)
    assert "Nothing has been done yet." in text_of(sent.text)
    assert tako.get_sync(mine.run_id).state == "waiting"


def test_of_many_runs_those_are_done_that_were_listed(the_desk: Desk, ana: Visitor) -> None:
    listed = the_desk.ask(to=["ana"], title="listed")
    later = the_desk.ask(to=["ana"], title="later")
    fields = {"csrf": token(ana), "do": "cancel", "sure": "1", "query": "workflow=ask"}
    sent = ana.http.post("/runs/bulk", data=fields | {"run": listed.run_id}, headers=CLICK)
    assert "1 cancelled" in text_of(sent.text)
    assert tako.get_sync(later.run_id).state == "waiting"


def test_more_runs_than_can_be_done_at_once_are_refused_and_not_cut_off(ana: Visitor) -> None:
    runs = [("csrf", token(ana)), ("do", "cancel"), ("sure", "1")]
    runs += [("run", f"r{n}") for n in range(1_001)]
    sent = ana.http.post(
        "/runs/bulk", content=urlencode(runs), headers=CLICK | {"Content-Type": FORM}
    )
    assert sent.status_code == 422
    assert "At most 1,000 runs at one time; nothing was done" in text_of(sent.text)


def test_who_was_not_asked_is_told_so_and_the_try_is_on_record(
    the_desk: Desk, visitors: dict[str, Visitor]
) -> None:
    a = the_desk.ask(to=["ana"])
    fields = {"csrf": token(visitors["bo"]), "answer": "approve", "digest": a.digest}
    sent: httpx.Response = visitors["vic"].http.post(
        f"/approvals/{a.id}/answer",
        data=fields | {"csrf": token(visitors["vic"])},
        headers=CLICK,
    )
    assert sent.status_code == 403
    assert "is not asked of vic" in text_of(sent.text)
    refused = approvals.history_sync(a.id)[-1]
    assert (refused.kind, refused.person, refused.channel) == ("refused", "vic", "page")
    approvals.reject_sync(a.id, by=Actor("ana", "process", "python"))
