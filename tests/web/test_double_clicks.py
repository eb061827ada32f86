"""What a second click hits when the first one has brought another page, or a bar, under it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

import tako
from tako.ids import new_id
from tests.support import until
from tests.web.desk import Desk, is_open
from tests.web.test_inbox_in_a_browser import bar, log_in

_HIT = """node => {
  const box = node.getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return node.contains(hit);
}"""


@pytest.fixture
def page(the_desk: Desk, browser: Browser, *, scripts: bool) -> Iterator[Page]:
    with browser.new_context(base_url=the_desk.url, java_script_enabled=scripts) as context:
        yield context.new_page()


@pytest.fixture
def time(page: Page) -> CDPSession:
    """The time of what is animated stands still, as if no moment had passed."""
    session = page.context.new_cdp_session(page)
    session.send("Animation.enable")
    session.send("Animation.setPlaybackRate", {"playbackRate": 0})
    return session


def only_later(button: Locator, time: CDPSession) -> None:
    """A click on the button hits it, but not at once."""
    expect(button).to_be_visible()
    assert not button.evaluate(_HIT)
    time.send("Animation.setPlaybackRate", {"playbackRate": 1})
    button.click()


def test_a_double_click_in_the_inbox_answers_one_question(
    the_desk: Desk, page: Page, time: CDPSession, *, scripts: bool
) -> None:
    tag = new_id()
    one, two = [the_desk.ask(title=f"{tag} {n}", to=["ana"]) for n in range(2)]
    log_in(page, f"/inbox?text={tag}")
    page.locator(f"#entry-{one.id}").get_by_role("button", name="Approve").click()
    if scripts:
        only_later(bar(page).get_by_role("button", name="Send now"), time)
    else:
        page.wait_for_url("**done=*")
        assert is_open(the_desk, two)
        only_later(page.locator(f"#entry-{two.id}").get_by_role("button", name="Approve"), time)
    expect(page.get_by_text(f"You answered “approve”: {tag} {0 if scripts else 1}")).to_be_visible()
    assert is_open(the_desk, two) is scripts


@pytest.mark.parametrize("scripts", [True])  # without them nothing is held
def test_a_double_click_that_undoes_answers_nothing_that_was_below(
    the_desk: Desk, page: Page, time: CDPSession
) -> None:
    tag = new_id()
    one, two = [the_desk.ask(title=f"{tag} {n}", to=["ana"]) for n in range(2)]
    log_in(page, f"/inbox?text={tag}")
    page.locator(f"#entry-{one.id}").get_by_role("button", name="Approve").click()
    undo = bar(page).get_by_role("button", name="Undo")
    time.send("Animation.setPlaybackRate", {"playbackRate": 1})
    undo.click(trial=True)
    time.send("Animation.setPlaybackRate", {"playbackRate": 0})
    undo.click()
    only_later(page.locator(f"#entry-{two.id}").get_by_role("button", name="Approve"), time)
    expect(bar(page)).to_contain_text(f"{tag} 1")
    assert is_open(the_desk, one)


def test_a_double_click_does_not_confirm(
    the_desk: Desk, page: Page, time: CDPSession, *, scripts: bool
) -> None:
    tag = new_id()
    one = the_desk.ask(title=tag, to=["ana"])
    log_in(page, f"/inbox?text={tag}")
    page.get_by_role("checkbox", name=tag).check()
    page.get_by_role("button", name="Approve selected").click()
    only_later(page.get_by_role("button", name="Approve 1", exact=True), time)
    if scripts:
        bar(page).get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="1 of 1 answer counted")).to_be_visible()
    assert not is_open(the_desk, one)


def test_a_double_click_does_not_run_again_what_it_has_cancelled(
    the_desk: Desk, page: Page, time: CDPSession, *, scripts: bool
) -> None:
    run_id = the_desk.ask(to=["ana"]).run_id
    log_in(page, f"/runs/{run_id}")
    if scripts:  # somebody else does, and the page is brought up to date
        expect(page.get_by_role("button", name="Cancel the run")).to_be_visible()
        tako.cancel_sync(run_id)
    else:
        only_later(page.get_by_role("button", name="Cancel the run"), time)
        time.send("Animation.setPlaybackRate", {"playbackRate": 0})
    only_later(page.get_by_role("button", name="Run it again"), time)
    until(lambda: tako.get_sync(run_id).state == "waiting", "it asks again")


def test_a_double_click_reminds_once(
    the_desk: Desk, page: Page, time: CDPSession, *, scripts: bool
) -> None:
    asked = the_desk.ask(to=["ana"], tell=True)
    log_in(page, f"/approvals/{asked.id}")
    with page.expect_navigation():
        only_later(page.get_by_role("button", name="Send a reminder"), time)
    time.send("Animation.setPlaybackRate", {"playbackRate": 0})
    page.reload()
    assert not page.get_by_role("button", name="Send a reminder").evaluate(_HIT)
    assert the_desk.kinds(asked).count("reminded") == 1
