"""The pages as people meet them: in a real browser, with and without scripts, mouse or keyboard."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import tako
from tako import approvals
from tako.model import Actor
from tests.web.desk import Desk, is_open

BODY = f"""
The order **o-1** of *Söner AB*, [checked](https://example.com/x).

| Item | Price |
|:-----|------:|
| Espresso machine with a long name | 38,400.00 |

`{"code" * 50}` {"W" * 200}

> مرحبا
"""

# Of every element that shows text of its own: is it readable on what lies behind it?
CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
    const box = node.getBoundingClientRect();
    if (!own || !box.width || node.closest("option, datalist, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${node.tagName} ${node.className}: ${ratio.toFixed(2)}`);
  }
  return bad;
}"""


@pytest.fixture
def open_browser(the_desk: Desk, browser: Browser) -> Iterator[Any]:
    """A new context; afterwards: no error in its console, no request to anywhere else."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def elsewhere(url: str) -> None:
        if not url.startswith(the_desk.url):
            trouble.append(url)

    def open_one(**options: Any) -> Page:
        context = browser.new_context(base_url=the_desk.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: elsewhere(r.url))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [line for line in trouble if "Failed to load resource" not in line] == []


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(open_browser: Any, request: pytest.FixtureRequest) -> Page:
    found: Page = open_browser(java_script_enabled=request.param)
    return found


def log_in(page: Page, person: str, path: str = "/inbox") -> None:
    page.goto(f"/login?next={path}")
    page.get_by_role("button", name=person).click()
    page.wait_for_url(f"**{path}")


def answer(page: Page, name: str) -> None:
    """Press this button, and do not wait until the answer is sent by itself."""
    page.get_by_role("button", name=name).click()
    now = page.get_by_role("button", name="Send now")
    if now.is_visible():
        now.click()


# --- a link from a mail


def test_the_link_of_a_mail_a_click_and_the_run_goes_on(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(title="Ship o-1?", to=["ana"], body=BODY)
    page.goto(the_desk.link(asked))
    expect(page).to_have_title("Ship o-1? · app")
    page.get_by_label("Comment").fill("Fine.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()
    assert the_desk.result(asked) == ["approve", "ana", "link"]
    assert the_desk.now(asked).answers[0].comment == "Fine."


def test_a_reload_after_the_click_sends_nothing_again(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(to=["ana"])
    page.goto(the_desk.link(asked))
    page.get_by_role("button", name="Reject").click()
    reloaded = page.reload()
    assert reloaded is not None
    assert (reloaded.request.method, reloaded.status) == ("GET", 200)
    expect(page.get_by_role("heading", name="You answered “reject”")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="You answered “reject”")).to_be_visible()
    assert the_desk.kinds(asked).count("answered") == 1


def test_a_form_is_filled_in_and_comes_to_the_run(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(form="order", to=["ana"])
    page.goto(the_desk.link(asked))
    page.get_by_label("Amount").fill("1234.5")
    page.get_by_label("Priority").select_option("low")
    page.get_by_label("Street").fill("Storgatan 1")
    page.get_by_label("City").fill("Malmö")
    page.get_by_label("On optional").fill("2026-12-24")
    page.get_by_label("Insured").uncheck()
    page.get_by_label("Tags").fill("fragile\nheavy")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()
    assert the_desk.now(asked).answers[0].value == (
        '{"amount":1234.5,"priority":"low","ship_to":{"street":"Storgatan 1","city":"Malmö"},'
        '"on":"2026-12-24","insured":false,"tags":["fragile","heavy"],"note":""}'
    )


def test_what_the_server_refuses_has_the_focus_and_says_why(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(form="code", to=["ana"])
    page.goto(the_desk.link(asked))
    page.get_by_label("Code").fill("abc")
    page.get_by_label("Comment").fill("kept")
    page.get_by_role("button", name="Approve").click()
    field = page.get_by_label("Code")
    expect(field).to_be_focused()
    expect(field).to_have_value("abc")
    expect(field).to_have_accessible_description(re.compile("Three capitals .*does not match"))
    expect(page.get_by_label("Comment")).to_have_value("kept")
    assert is_open(the_desk, asked)
    field.fill("ABC")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()


def test_the_browser_asks_for_what_is_missing_but_not_for_a_rejection(
    the_desk: Desk, page: Page
) -> None:
    asked = the_desk.ask(form="amount", to=["ana"])
    page.goto(the_desk.link(asked))
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_label("Amount")).to_be_focused()
    assert is_open(the_desk, asked)
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="You answered “reject”")).to_be_visible()


def test_a_keyboard_is_enough_and_one_sees_where_it_is(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(to=["ana"], body=BODY)
    page.goto(the_desk.link(asked))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    wanted = page.get_by_role("button", name="Approve")
    for _ in range(20):
        page.keyboard.press("Tab")
        outline = page.locator(":focus")
        expect(outline).not_to_have_css("outline-style", "none")
        if wanted.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()
    assert the_desk.result(asked) == ["approve", "ana", "link"]


# --- how it looks


def test_nothing_has_to_be_scrolled_sideways(the_desk: Desk, open_browser: Any) -> None:
    asked = the_desk.ask(title="W" * 200, to=["ana"], form="order", body=BODY, requester="x" * 100)
    page = open_browser()
    log_in(page, "Ana")
    for path in ("/inbox", f"/approvals/{asked.id}"):
        page.goto(path)
        for width in (320, 390, 768, 1280, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
            assert wide <= 0, (path, width)


def test_on_a_phone_the_bar_has_two_rows_and_all_places(open_browser: Any) -> None:
    page = open_browser(viewport={"width": 375, "height": 700}, java_script_enabled=False)
    log_in(page, "Ana")
    bar = page.locator("header.bar").bounding_box()
    assert bar is not None and bar["height"] <= 88
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(the_desk: Desk, open_browser: Any, scheme: str) -> None:
    asked = the_desk.ask(
        to=["ana", "bo"], form="order", body=BODY, timeout="1h", quorum=2, requester="bo"
    )
    page = open_browser(color_scheme=scheme)
    page.goto(the_desk.link(asked, "bo"))
    page.get_by_label("Amount").fill("1")
    page.locator("form.answer").evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="You answered")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    log_in(page, "Ana")
    for path in ("/inbox", f"/approvals/{asked.id}", "/login", "/nowhere", "/l/x"):
        page.goto(path)
        assert page.evaluate(CONTRAST) == [], path


def test_moments_are_in_the_readers_own_time_and_exact_in_the_title(
    the_desk: Desk, open_browser: Any
) -> None:
    asked = the_desk.ask(to=["ana"], timeout="2d")
    link = the_desk.link(asked)
    there = {"timezone_id": "Asia/Kolkata", "locale": "en-GB"}
    local = open_browser(**there)
    local.goto(link)
    expect(local.locator("time").first).to_contain_text("GMT+5:30")
    plain = open_browser(**there, java_script_enabled=False)
    plain.goto(link)
    moment = plain.locator("time").first
    expect(moment).to_contain_text("UTC")
    expect(moment).to_have_attribute("title", re.compile(r"\dT\d\d:\d\d:\d\d\.\d{3}Z$"))


def test_on_paper_there_is_what_was_asked_and_no_button(the_desk: Desk, open_browser: Any) -> None:
    asked = the_desk.ask(title="Ship o-2?", to=["ana"])
    page = open_browser()
    page.goto(the_desk.link(asked))
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="Ship o-2?")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()


# --- logged in


def test_from_the_list_to_the_answer_and_its_record(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(title="Hire Cy?", to=["ana"], timeout="1h")
    page.goto("/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_role("button", name="Ana").click()
    page.get_by_role("link", name="Hire Cy?").first.click()
    page.get_by_label("Comment").fill("Gladly.")
    answer(page, "Approve")
    if page.get_by_label("Type approve").is_visible():  # local mode proves nothing
        page.get_by_label("Type approve").fill("approve")
        page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()
    record = page.get_by_role("list").filter(has_text="Asked of Ana Silva")
    expect(record).to_contain_text("Ana Silva answered “approve” on these pages.")
    assert the_desk.result(asked) == ["approve", "ana", "page"]


def test_a_question_is_passed_on_and_answered_by_the_other(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(to=["ana"])
    log_in(page, "Ana", f"/approvals/{asked.id}")
    page.get_by_text("Pass it on").first.click()
    page.get_by_label("To whom").fill("cy")
    page.get_by_label("Why").fill("You know him.")
    page.get_by_role("button", name="Pass it on").click()
    expect(page.get_by_role("heading", name="Not for you to answer")).to_be_visible()
    expect(page.get_by_role("list").last).to_contain_text("Ana Silva passed it on to Cy Young.")
    page.get_by_role("button", name="Log out").click()
    log_in(page, "Cy", f"/approvals/{asked.id}")
    answer(page, "Reject")
    expect(page.get_by_role("heading", name="You answered “reject”")).to_be_visible()
    assert the_desk.result(asked) == ["reject", "cy", "page"]


def test_who_comes_second_or_late_is_told_what_has_happened(the_desk: Desk, page: Page) -> None:
    quick, gone = the_desk.ask(to=["ana", "bo"]), the_desk.ask(to=["ana"])
    log_in(page, "Ana", f"/approvals/{quick.id}")
    approvals.reject_sync(quick.id, by=Actor("bo", "process", "python"))
    with page.expect_response(f"**/approvals/{quick.id}/answer") as answered:
        answer(page, "Approve")
    assert answered.value.status == 409
    expect(page.get_by_role("heading", name="Already decided: “reject”")).to_be_visible()
    standing = page.locator(".standing")
    expect(standing).to_contain_text("Decided by Bo Lindqvist from Python.")
    expect(standing.locator("time")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.goto(f"/approvals/{gone.id}")
    tako.cancel_sync(gone.run_id, "not needed any more")
    with page.expect_response(f"**/approvals/{gone.id}/answer") as answered:
        answer(page, "Approve")
    assert answered.value.status == 410
    expect(page.get_by_role("heading", name="No longer needed")).to_be_visible()
    assert the_desk.kinds(gone).count("answered") == 0


def test_what_has_changed_is_shown_anew_with_what_was_typed(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask_title("Pay 100?", to=["ana"])
    log_in(page, "Ana", f"/approvals/{asked.id}")
    page.get_by_label("Comment").fill("Only this once.")
    the_desk.change(asked, "Pay 100,000?")
    with page.expect_response(f"**/approvals/{asked.id}/answer") as answered:
        answer(page, "Reject")
    assert answered.value.status == 409
    expect(page.get_by_role("heading", name="Pay 100,000?")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("changed")
    expect(page.get_by_label("Comment")).to_have_value("Only this once.")
    assert is_open(the_desk, asked)
    answer(page, "Reject")
    expect(page.get_by_role("heading", name="You answered “reject”")).to_be_visible()
    assert the_desk.now(asked).answers[0].comment == "Only this once."
    assert the_desk.result(asked) == "reject"


def test_an_operator_reminds_and_a_viewer_only_looks(the_desk: Desk, page: Page) -> None:
    asked = the_desk.ask(title="Are you there?", to=["bo"], tell=True)
    log_in(page, "Ana", f"/approvals/{asked.id}")
    expect(page.get_by_role("heading", name="Not for you to answer")).to_be_visible()
    page.get_by_role("button", name="Send a reminder").click()
    expect(page.get_by_role("list").last).to_contain_text("Bo Lindqvist reminded.")
    page.get_by_role("button", name="Log out").click()
    log_in(page, "Vic", f"/approvals/{asked.id}")
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    page.goto("/inbox?view=open")
    page.get_by_label("Title").fill("are you")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"view=open&text=are\+you"))
    page.get_by_role("link", name="Are you there?").first.click()
    expect(page.get_by_role("heading", level=1, name="Are you there?")).to_be_visible()
