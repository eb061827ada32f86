"""The inbox as people use it: by keys, with seconds to undo, up to date; and without scripts."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tako import approvals
from tako.model import Actor
from tests.web.desk import Desk, is_open

BO = Actor("bo", "process", "python")


@pytest.fixture
def page(the_desk: Desk, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=the_desk.url)
    yield context.new_page()
    context.close()


def log_in(page: Page, path: str, person: str = "Ana") -> None:
    page.goto("/login?next=/inbox/count")
    page.get_by_role("button", name=person).click()
    page.wait_for_url("**/inbox/count")
    page.goto(path)


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="An answer that is not sent yet")


@pytest.mark.parametrize("width", [360, 1280], ids=["narrow", "wide"])
@pytest.mark.parametrize("name", ["Ana", "Bo"], ids=["operator", "approver"])
def test_keys_move_open_and_answer_the_row_one_is_on(
    the_desk: Desk, page: Page, name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    keys, to = f"keys {name} {width}", [name.lower()]
    one = the_desk.ask(title=f"{keys} one", to=to, timeout="1h")
    two = the_desk.ask(title=f"{keys} two", to=to, timeout="2h")
    log_in(page, f"/inbox?text={keys}", name)
    page.keyboard.press("a")  # on no row: nothing is meant
    expect(bar(page)).to_have_count(0)
    expect(page.locator("#announce")).to_have_text("Move to a row first, with j or k.")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="one")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("j")
    for key, doing in (("a", "Approving"), ("r", "Rejecting")):
        page.keyboard.press(key)
        expect(bar(page)).to_contain_text(f"{doing} in 4 s: {keys} two")
        expect(bar(page)).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
        expect(bar(page)).to_have_count(0)
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/approvals/{one.id}$"))
    page.go_back()
    page.keyboard.press("/")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.type("jar?")  # in a field, keys are letters
    expect(page.get_by_label("Title")).to_have_value(re.compile(r"jar\?"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert is_open(the_desk, one)
    assert is_open(the_desk, two)


@pytest.mark.parametrize("width", [360, 1280], ids=["narrow", "wide"])
def test_the_keys_of_a_viewer_move_and_answer_nothing(
    the_desk: Desk, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    asked = the_desk.ask(title=f"a viewer {width}", to=["ana"])
    log_in(page, f"/inbox?view=open&text=a viewer {width}", "Vic")
    page.keyboard.press("j")
    link = page.get_by_role("link", name=asked.question.title)
    expect(link).to_be_focused()
    for key in "arx":
        page.keyboard.press(key)
        expect(link).to_be_focused()
    expect(bar(page)).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=asked.question.title)).to_be_visible()
    for key in "ar":
        page.keyboard.press(key)
    expect(bar(page)).to_have_count(0)
    assert is_open(the_desk, asked)


def test_an_answer_is_sent_after_seconds_in_which_nothing_has_happened(
    the_desk: Desk, page: Page
) -> None:
    asked = the_desk.ask(title="wait for it", to=["ana"])
    log_in(page, "/inbox?text=wait+for")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    assert is_open(the_desk, asked)
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text(
        "You answered “approve”: wait for it"
    )
    assert the_desk.result(asked) == ["approve", "ana", "page"]
    expect(page).to_have_url(re.compile(r"/inbox\?view=mine&text=wait\+for&done="))


@pytest.mark.parametrize(("name", "width"), [("Ana", 1280), ("Bo", 360)])
def test_who_undoes_or_leaves_has_answered_nothing(
    the_desk: Desk, page: Page, name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    asked = the_desk.ask(to=[name.lower()])
    log_in(page, f"/approvals/{asked.id}", name)
    approve = page.get_by_role("button", name="Approve")
    approve.click()
    page.get_by_role("button", name="Undo").click()
    expect(bar(page)).to_have_count(0)
    expect(approve).to_be_focused()
    approve.click()
    expect(bar(page)).to_contain_text("Leaving this page sends nothing.")
    page.goto("/inbox?view=answered")
    page.go_back()
    expect(bar(page)).to_have_count(0)
    assert is_open(the_desk, asked)


def test_what_changes_while_an_answer_is_held_is_not_answered(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask_title("held before", to=["ana"])
    log_in(page, "/inbox?text=held")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(bar(page)).to_be_visible()
    the_desk.change(asked, "held after")
    expect(page.get_by_role("link", name="held after")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("Nothing was sent.")
    assert is_open(the_desk, asked)


def test_a_new_question_comes_by_itself_and_leaves_what_is_ticked(
    the_desk: Desk, page: Page
) -> None:
    the_desk.ask(title="live one", to=["cy"])
    log_in(page, "/inbox?text=live", "Cy")
    before = int(re.findall(r"\d+", page.title())[0])
    page.keyboard.press("j")
    page.keyboard.press("x")
    the_desk.ask(title="live two", to=["cy"], timeout="1h")
    expect(page.get_by_role("link", name="live two")).to_be_visible(timeout=2_000)
    expect(page.locator("#announce")).to_have_text(f"{before + 1} waiting for your answer")
    expect(page).to_have_title(f"({before + 1}) Inbox · app")
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", f"/favicon.svg?n={before + 1}")
    expect(page.get_by_role("checkbox", name="live one")).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_an_open_page_tells_that_somebody_else_was_first(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(to=["ana", "bo"])
    log_in(page, f"/approvals/{asked.id}")
    page.get_by_label("Comment").fill("I am still writing")
    approvals.reject_sync(asked.id, by=BO)
    expect(page.get_by_role("status").filter(has_text="Already decided: “reject”")).to_be_visible()
    expect(page.get_by_label("Comment")).to_have_value("I am still writing")
    expect(page.get_by_text("Bo Lindqvist answered “reject” from Python.")).to_be_visible()
    page.get_by_role("link", name="Show it as it is now").click()
    expect(page.get_by_role("heading", name="Already decided: “reject”")).to_be_visible()
    assert the_desk.kinds(asked).count("shown") == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize(("name", "width"), [("Ana", 1280), ("Bo", 360)])
def test_many_are_ticked_confirmed_and_answered(
    the_desk: Desk, browser: Browser, name: str, width: int, *, scripts: bool
) -> None:
    many = f"many {scripts} {name}"
    asked = [the_desk.ask(title=f"{many} {n}", to=[name.lower()]) for n in range(3)]
    with browser.new_context(
        base_url=the_desk.url,
        java_script_enabled=scripts,
        viewport={"width": width, "height": 800},
    ) as context:
        page = context.new_page()
        log_in(page, f"/inbox?text={many}", name)
        if scripts:
            expect(page.get_by_role("button", name="Approve selected")).to_be_disabled()
            page.get_by_label("Select all").check()
        else:
            expect(page.get_by_label("Select all")).to_be_hidden()
            for box in page.get_by_role("checkbox").all():
                box.check()
        page.get_by_role("button", name="Approve selected").click()
        expect(page.get_by_role("heading", name="Approve these 3?")).to_be_visible()
        page.get_by_label("Comment on each").fill("All of them.")
        page.get_by_role("button", name="Approve 3").click()
        if scripts:
            expect(bar(page)).to_contain_text("Approving in 4 s: 3 approvals")
            page.get_by_role("button", name="Send now").click()
        expect(page.get_by_role("heading", name="3 of 3 answers counted")).to_be_visible()
    assert {the_desk.now(one).answers[0].comment for one in asked} == {"All of them."}
