"""What people do with the pages: each as it is played by who may, and as it is kept from others.

`FLOWS` is the list; `test_flows_in_a_browser.py` plays it with and without scripts, for each role.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

import tako
from tako import approvals, reach
from tako.commands import CountRuns, RunCounts
from tako.config import load_app
from tako.connections import run_sync
from tako.ids import new_id
from tako.model import Approval, Role
from tests.support import in_state
from tests.web import tour
from tests.web.chromium import without_a_gesture
from tests.web.showcase import Showcase, asked

IDS = {tour.VIEWER: "vic", tour.APPROVER: "ben", tour.OPERATOR: "ana", None: "zoe"}


@dataclass(frozen=True)
class At:
    """Somebody at a browser. ``role``: None is a person without one."""

    shop: Showcase
    page: Page
    role: Role | None

    @property
    def person(self) -> str:
        return IDS[self.role]

    @property
    def name(self) -> str:
        return tour.PEOPLE[self.role] if self.role else "Zoë Nobody"

    @property
    def other(self) -> str:
        return "ben" if self.person == "ana" else "ana"

    def ask(self, **question: Any) -> Approval:
        return self.shop.ask(**{"title": f"May it? {new_id()}", "to": [self.person], **question})

    def press(self, name: str) -> None:
        """Press this button, and do not wait until the answer is sent by itself."""
        self.page.get_by_role("button", name=name, exact=True).click()
        now = self.page.get_by_role("button", name="Send now")
        if now.is_visible():
            now.click()


@dataclass(frozen=True)
class Shut:
    """How a flow is kept from those who may not.

    ``page``: where others have the ``button``. ``form``: what it sends, to ``path``, which changes
    nothing of what ``state`` returns.
    """

    page: str
    button: str
    path: str
    form: dict[str, str]
    state: Callable[[], object]
    status: int = 403


@dataclass(frozen=True)
class Flow:
    play: Callable[[At], None]
    shut: Callable[[Showcase], Shut]
    role: Role

    @property
    def name(self) -> str:
        return self.play.__name__


# --- approvals


def of_order() -> Approval:
    """A question with a form, to Ana and Ben."""
    payload = {"order_id": f"o-{new_id()[-5:]}", "customer": "Café Miró", "total": 60_000}
    return asked(tako.enqueue_sync("fulfill-order", payload).id)


def answered(approval: Approval) -> tuple[str, str | None, str]:
    """Once it is decided: the answer, whose, and by which door."""
    now = approvals.get_sync(approval.id)
    return (str(now.outcome), now.answers[0].person, now.answers[0].channel)


def counted(at: At, approval: Approval, answer: str, channel: str) -> None:
    expect(at.page.get_by_role("heading", name=f"You answered “{answer}”")).to_be_visible()
    assert answered(approval) == (answer, at.person, channel)


def fill_in_wrongly_then_rightly(at: At) -> None:
    """The browser says what is wrong; if it does not, the server does."""
    percent = at.page.get_by_label("Percent")
    percent.fill("99")
    at.page.get_by_label("Comment").fill("For a good customer.")
    at.page.get_by_role("button", name="Approve").click()
    assert percent.evaluate("node => node.validity.rangeOverflow")
    at.page.locator("form.answer").evaluate("form => { form.noValidate = true }")
    at.press("Approve")
    expect(percent).to_have_attribute("aria-invalid", "true")
    expect(at.page.get_by_label("Comment")).to_have_value("For a good customer.")
    percent.fill("10")
    at.page.get_by_label("Carrier").select_option("post")
    at.press("Approve")


def an_answer(at: At) -> None:
    approval = at.ask()
    at.page.goto("/inbox")
    at.page.get_by_role("link", name=approval.question.title).first.click()
    at.press("Approve")
    counted(at, approval, "approve", "page")


def an_answer_with_a_form(at: At) -> None:
    approval = of_order()
    at.page.goto(f"/approvals/{approval.id}")
    fill_in_wrongly_then_rightly(at)
    counted(at, approval, "approve", "page")
    value = json.loads(str(approvals.get_sync(approval.id).answers[0].value))
    assert (value["percent"], value["carrier"]) == (10, "post")


def an_answer_by_a_link(at: At) -> None:
    approval = at.ask()
    at.page.goto(at.shop.link(approval, at.person))
    at.press("Reject")
    counted(at, approval, "reject", "link")


def an_answer_by_a_link_with_a_form(at: At) -> None:
    approval = of_order()
    at.page.goto(at.shop.link(approval, at.person))
    fill_in_wrongly_then_rightly(at)
    counted(at, approval, "approve", "link")


def an_answer_by_a_link_whose_word_is_typed(at: At) -> None:
    """As in a browser that does not say whether a person has pressed the button."""
    approval = at.ask()
    at.page.goto(at.shop.link(approval, at.person))
    approve = "document.querySelector('button[value=approve]')"
    assert "Your browser does not tell" in quietly(at, f"{approve}.form.requestSubmit({approve})")
    word = "document.getElementById('word')"
    send = f"{word}.form.requestSubmit()"
    assert "That was another word." in quietly(at, f"{word}.value = 'reject'; {send}")
    assert approvals.get_sync(approval.id).answers == ()
    quietly(at, f"{word}.value = 'Approve'; {send}")
    counted(at, approval, "approve", "link")


def quietly(at: At, script: str) -> str:
    """Send a form with no sign of a person; even to look at the page would be one. The answer."""
    with at.page.expect_navigation() as sent:
        without_a_gesture(at.page, script)
    assert sent.value is not None
    return sent.value.text()


def many_answers(at: At) -> None:
    tag = new_id()
    questions = [at.ask(title=f"{tag} {n}") for n in range(2)]
    at.page.goto(f"/inbox?text={tag}")
    for box in at.page.get_by_role("checkbox", name=tag).all():
        box.check()
    at.press("Reject selected")
    expect(at.page.get_by_role("heading", name="Reject these 2?")).to_be_visible()
    expect(at.page.get_by_role("main")).to_contain_text(f"{tag} 1")
    assert [approvals.get_sync(one.id).answers for one in questions] == [(), ()]
    at.press("Reject 2")
    expect(at.page.get_by_role("heading", name="2 of 2 answers counted")).to_be_visible()
    assert {answered(one) for one in questions} == {("reject", at.person, "page")}


def passing_it_on(at: At) -> None:
    approval = at.ask()
    at.page.goto(f"/approvals/{approval.id}")
    at.page.get_by_text("Pass it on").first.click()
    at.page.get_by_label("To whom").fill(at.other)
    at.press("Pass it on")
    expect(at.page.get_by_role("heading", name="Not for you to answer")).to_be_visible()
    assert [row.kind for row in approvals.history_sync(approval.id)].count("delegated") == 1


def a_reminder(at: At) -> None:
    approval = at.ask(to=["ben"], tell=True)
    at.page.goto(f"/approvals/{approval.id}")
    at.press("Send a reminder")
    expect(at.page.get_by_role("main")).to_contain_text("Ben Okafor reminded.")


def _approval(what: str, button: str, **form: str) -> Callable[[Showcase], Shut]:
    def shut(shop: Showcase) -> Shut:
        one = shop.order
        here = f"/approvals/{one.id}"
        sent = {"digest": str(one.digest), **form}
        return Shut(here, button, f"{here}/{what}", sent, lambda: approvals.get_sync(one.id))

    return shut


def _link(shop: Showcase) -> Shut:
    """Who is logged in opens what somebody else was sent."""
    path = shop.link(shop.order).removeprefix(shop.url)
    form = {"digest": str(shop.order.digest), "answer": "reject"}
    return Shut(path, "Reject", path, form, lambda: approvals.get_sync(shop.order.id))


def _selected(shop: Showcase) -> Shut:
    one = shop.order
    form = {"picks": f"{one.id}.{one.digest}", "answer": "reject"}
    return Shut(
        "/inbox?view=all",
        "Reject selected",
        "/inbox/selected",
        form,
        lambda: approvals.get_sync(one.id),
        status=200,  # of each it is told what became of it
    )


# --- runs


def waits() -> tuple[str, str]:
    """A run that waits for an event, and that event."""
    customer = new_id()
    run = tako.enqueue_sync("welcome-customer", customer, tags=["flows", customer])
    run_sync(in_state(run, "waiting"))
    return run.id, customer


def a_run_is_cancelled_and_run_again(at: At) -> None:
    run_id, _ = waits()
    at.page.goto(f"/runs/{run_id}")
    at.page.get_by_label("Why it is cancelled").fill("by mistake")
    at.press("Cancel the run")
    expect(at.page.locator(".title-bar .state")).to_contain_text("cancelled")
    at.press("Run it again")
    run_sync(in_state(tako.Handle(run_id), "waiting"))


def a_run_goes_on_from_a_step(at: At) -> None:
    at.page.goto(f"/runs/{at.shop.failed}/steps?name=count%20beans")
    at.page.get_by_role("link", name="Run again from here").click()
    before = tako.get_sync(at.shop.failed).finished_at
    at.press("Forget and run again")
    expect(at.page).to_have_url(re.compile(f"/runs/{at.shop.failed}$"))
    assert tako.get_sync(at.shop.failed).finished_at != before
    run_sync(in_state(tako.Handle(at.shop.failed), "failed"))


def many_runs(at: At) -> None:
    run_id, tag = waits()
    at.page.goto(f"/runs?tag={tag}")
    for verb, done in (("Cancel", "1 cancelled"), ("Run again", "1 run again")):
        at.page.get_by_role("checkbox", name=run_id).check()
        before = tako.get_sync(run_id).state
        at.press(f"{verb} …")
        expect(at.page.get_by_role("heading", name=f"{verb}: 1 run?")).to_be_visible()
        expect(at.page.get_by_role("link", name=run_id)).to_be_visible()
        assert tako.get_sync(run_id).state == before
        at.press(f"{verb}: 1 run")
        expect(at.page.get_by_role("heading", name=done)).to_be_visible()
        at.page.get_by_role("link", name="Back to the list").click()
    run_sync(in_state(tako.Handle(run_id), "waiting"))


def a_signal_from_the_page_of_a_run(at: At) -> None:
    run_id, _ = waits()
    at.page.goto(f"/runs/{run_id}")
    payload = at.page.get_by_label("Payload, as JSON")
    payload.fill("{")
    at.press("Send the signal")
    expect(at.page.get_by_role("alert")).to_contain_text("This is not JSON")
    payload.fill("7")
    at.press("Send the signal")
    assert tako.Handle(run_id).result_sync(timeout=20) == 7


def a_signal_from_what_waits(at: At) -> None:
    run_id, customer = waits()
    at.page.goto(f"/waiting?event=confirmed:{customer}")
    at.page.get_by_role("link", name=f"confirmed:{customer}").click()
    payload = at.page.get_by_label("Payload")
    payload.fill("{")
    at.press("Send")
    expect(payload).to_have_attribute("aria-invalid", "true")
    payload.fill("8")
    at.press("Send")
    expect(at.page.locator("#signal").get_by_role("status")).to_be_visible()
    assert tako.Handle(run_id).result_sync(timeout=20) == 8


def a_run_is_started(at: At) -> None:
    at.page.goto("/workflows/fulfill-order")
    at.page.get_by_label("Order id").fill("o-1")
    at.page.get_by_label("Customer").fill("Blå Port")
    at.page.get_by_label("Total").fill("12")
    at.page.get_by_text("Options").click()
    after = at.page.get_by_label("Start after")
    after.fill("soon")
    at.press("Start")
    expect(after).to_have_attribute("aria-invalid", "true")
    expect(at.page.get_by_label("Customer")).to_have_value("Blå Port")
    after.fill("")
    at.press("Start")
    expect(at.page).to_have_url(re.compile("/runs/[^/?]+$"))
    run_id = at.page.url.rpartition("/")[2]
    assert tako.Handle(run_id).result_sync(timeout=20) == "shipped"


def an_export(at: At) -> None:
    at.page.goto("/runs?state=cancelled")
    shown = at.page.locator("tbody [data-row] a.ident").all_inner_texts()
    assert shown
    table = csv.DictReader(io.StringIO(exported(at, "CSV")))
    assert [row["id"] for row in table] == shown
    assert [row["id"] for row in json.loads(exported(at, "JSON"))] == shown


def exported(at: At, kind: str) -> str:
    with at.page.expect_download() as file:
        at.page.get_by_role("link", name=f"Export as {kind}").click()
    return Path(file.value.path()).read_text()


def _run(page: str, button: str, **form: str) -> Callable[[Showcase], Shut]:
    def shut(shop: Showcase) -> Shut:
        here = page.format(waiting=shop.waiting, failed=shop.failed)
        path = here.partition("?")[0].removesuffix("/rerun")
        path = f"{path}/act" if path.startswith("/runs/") else path
        state = lambda: (tako.get_sync(shop.waiting), tako.get_sync(shop.failed))  # noqa: E731
        return Shut(here, button, path, form, state)

    return shut


def _bulk(shop: Showcase) -> Shut:
    form = {"do": "cancel", "run": shop.waiting, "sure": "1", "query": ""}
    return Shut("/runs", "Cancel …", "/runs/bulk", form, lambda: tako.get_sync(shop.waiting))


def _started(shop: Showcase) -> Shut:
    form = {"payload": "{}", "payload.order_id": "o-2"}
    path, app = "/workflows/fulfill-order", load_app(shop.app.dir)

    def number() -> int:
        return sum(run_sync(reach.ask(app, CountRuns(), RunCounts)).counts.values())

    return Shut(path, "Start", path, form, number)


ANSWER = _approval("answer", "Approve", answer="approve")
FLOWS = [
    Flow(an_answer, ANSWER, tour.APPROVER),
    Flow(an_answer_with_a_form, ANSWER, tour.APPROVER),
    Flow(an_answer_by_a_link, _link, tour.APPROVER),
    Flow(an_answer_by_a_link_with_a_form, _link, tour.APPROVER),
    Flow(an_answer_by_a_link_whose_word_is_typed, _link, tour.APPROVER),
    Flow(many_answers, _selected, tour.APPROVER),
    Flow(passing_it_on, _approval("delegate", "Pass it on", to="zoe"), tour.APPROVER),
    Flow(a_reminder, _approval("remind", "Send a reminder"), tour.OPERATOR),
    Flow(
        a_run_is_cancelled_and_run_again,
        _run("/runs/{waiting}", "Cancel the run", do="cancel"),
        tour.OPERATOR,
    ),
    Flow(
        a_run_goes_on_from_a_step,
        _run(
            "/runs/{failed}/rerun?step=count%20beans",
            "Forget and run again",
            do="rerun",
            step="count beans",
        ),
        tour.OPERATOR,
    ),
    Flow(many_runs, _bulk, tour.OPERATOR),
    Flow(
        a_signal_from_the_page_of_a_run,
        _run("/runs/{waiting}", "Send the signal", do="signal", payload="1"),
        tour.OPERATOR,
    ),
    Flow(
        a_signal_from_what_waits,
        _run("/waiting?event=confirmed", "Send", event="confirmed:customer-0", payload="1"),
        tour.OPERATOR,
    ),
    Flow(a_run_is_started, _started, tour.OPERATOR),
]
