"""The words of a message."""

from typing import Any

import pytest

from tako.model import Answer, Approval, ApprovalState, Question
from tako.notice import Notice, Recipient

ANA = Recipient("ana", "Ana", "ana@example.com")
LINK = "https://tako.example.com/l/a.b-c_d"


def notice(kind: str, person: Recipient | None = ANA, url: str | None = LINK, **of: Any) -> Notice:
    question = of.pop("question", Question("Pay <b>5</b> EUR?", "To *whom*:\n\n    code & all"))
    approval = Approval(
        id="a-1",
        run_id="r-1",
        workflow="orders",
        name="ok",
        state=of.pop("state", ApprovalState.OPEN),
        question=question,
        digest="d",
        asked_at=0,
        asked=("ana",),
        **{"deadline": None, **of},
    )
    return Notice(kind, approval, person, url)


def test_who_is_asked_reads_what_it_is_about_how_to_answer_and_until_when() -> None:
    question = Question("Pay?", "To *whom*", ("yes", "no"), quorum=2)
    text = notice("asked", question=question, deadline=86_400_000).text
    assert text.startswith("Hello Ana,\n\nYou are asked to decide:\n\nPay?\n\nTo *whom*\n\n")
    assert "Possible answers: yes, no\nPeople who must agree: 2\nAnswer by: 1970-01-0" in text
    assert f"Answer here: {LINK}\n\nThis link is yours alone" in text
    assert text.endswith("Asked by workflow orders, run r-1.\n")


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("asked", "Please decide: "),
        ("reminded", "Reminder, please decide: "),
        ("escalated", "Escalated to you, please decide: "),
        ("changed", "Changed, please decide again: "),
        ("decided", "Decided, no outcome: "),
        ("expired", "Nobody decided in time: "),
        ("withdrawn", "No longer needed: "),
    ],
)
def test_each_kind_says_what_has_happened(kind: str, subject: str) -> None:
    assert notice(kind).subject == subject + "Pay <b>5</b> EUR?"
    assert "Pay <b>5</b> EUR?" in notice(kind).text


def test_an_outcome_says_who_and_why() -> None:
    told = notice(
        "decided",
        state=ApprovalState.DECIDED,
        outcome="reject",
        decided_by="bo",
        decided_at=0,
        channel="page",
        answers=(Answer("bo", "reject", 0, "page", None, "too much"),),
    )
    assert told.subject == "Decided, reject: Pay <b>5</b> EUR?"
    assert "Outcome: reject\nBy: bo\nAt: 19" in told.text
    assert "bo says: too much" in told.text and f"More: {LINK}" in told.text
    assert "To *whom*" not in told.text, "what was decided is known by then"


def test_when_nobody_decided_there_is_an_outcome_but_nobody_who_gave_it() -> None:
    told = notice(
        "expired",
        state=ApprovalState.EXPIRED,
        outcome="approve",
        decided_at=0,
        channel="timeout",
        url=None,
    )
    assert "Outcome: approve\n\nAsked by" in told.text


def test_without_a_web_the_command_line_is_named_and_a_channel_is_not_greeted() -> None:
    text = notice("asked", person=None, url=None).text
    assert "Hello" not in text and "To see it: tako approvals show a-1" in text
    shared = notice("asked", person=None).text
    assert f"Answer here: {LINK}" in shared and "yours alone" not in shared


def test_html_shows_the_body_as_its_markdown_says_and_markup_as_text() -> None:
    question = Question("Pay <b>5</b> EUR?", "To *whom*\n\n* <script>one</script>\n* two & all")
    html = notice("asked", question=question).html
    assert "Pay &lt;b&gt;5&lt;/b&gt; EUR?" in html and "<b>" not in html
    assert "<em>whom</em>" in html and "&lt;script&gt;one" in html and "two &amp; all</li>" in html


def test_html_makes_the_link_clickable() -> None:
    html = notice("asked").html
    assert f'<a href="{LINK}">{LINK}</a>' in html
    ampersand = notice("asked", url="https://x.example/?a=1&b=2").html
    assert '<a href="https://x.example/?a=1&amp;b=2">' in ampersand
