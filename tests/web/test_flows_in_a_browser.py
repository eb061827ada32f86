"""What people do, with and without scripts, for every role: done by who may, refused to others.

The flows stand in `flows.py`; every cell of flows x scripts x roles is a test.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tako import approvals
from tests.web import flows, tour
from tests.web.flows import FLOWS, At, Flow
from tests.web.showcase import Showcase, showcase

ROLES = [*tour.ORDER, None]  # None: a person without a role
_TOLD = re.compile("[Nn]ot allowed|[Nn]ot for you|not asked of|for somebody else")
# Sends a form that the page does not have, with the token of one that it has.
_SEND = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  fields.csrf = document.querySelector("[name=csrf]").value;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    [field.type, field.name, field.value] = ["hidden", name, value];
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("flows"), runs=22, steps=3) as found:
        yield found


@pytest.fixture(scope="module", params=ROLES, ids=lambda role: role or "no role")
def at(
    shop: Showcase, browser: Browser, request: pytest.FixtureRequest, *, scripts: bool
) -> Iterator[At]:
    """Somebody at a browser, whose console has told of nothing in the end."""
    with browser.new_context(base_url=shop.url, java_script_enabled=scripts) as context:
        page = context.new_page()
        trouble: list[str] = []
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        found = At(shop, page, request.param)
        log_in(page, found)
        yield found
        # What is refused is told on the page; or it is a session that is over, on purpose.
        told = ("Failed to load resource", "Response Status Error Code 401")
        assert [line for line in trouble if not line.startswith(told)] == []


def log_in(page: Page, at: At) -> None:
    page.goto("/login")
    page.get_by_role("button", name=at.name).click()
    page.wait_for_url("**/inbox")


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_flow_is_for_who_may(at: At, flow: Flow) -> None:
    if at.role and tour.may(at.role, flow.role):
        flow.play(at)
    else:
        refused(at, flow.shut(at.shop))


def refused(at: At, shut: flows.Shut) -> None:
    """There is no button; and who sends the form all the same changes nothing, and is told so."""
    before, page = shut.state(), at.page
    page.goto(shut.page)
    expect(page.get_by_role("button", name=shut.button, exact=True)).to_have_count(0)
    with page.expect_navigation() as sent:
        page.evaluate(_SEND, [shut.path, shut.form])
    told = page.locator("main").inner_text()
    assert sent.value.status == shut.status, told
    assert _TOLD.search(told), told
    assert shut.state() == before


def test_what_is_shown_is_exported_by_who_may_see_it(at: At) -> None:
    if at.role:
        return flows.an_export(at)
    for path in ("/runs", "/runs.csv", "/runs.json"):
        answer = at.page.goto(path)
        assert answer is not None
        assert answer.status == 403
        expect(at.page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_who_was_logged_out_meanwhile_logs_in_and_goes_on_where_they_were(
    at: At, *, scripts: bool
) -> None:
    """With scripts an open page asks for it by itself: that is in `test_live_in_a_browser.py`."""
    page = at.page
    if not at.role:
        return session_ends(at, "/inbox", "Inbox")
    session_ends(at, "/runs?state=failed", "Runs")
    if tour.may(at.role, tour.APPROVER) and not scripts:
        approval = at.ask()
        page.goto(f"/approvals/{approval.id}")
        page.get_by_label("Comment").fill("Gladly.")
        page.context.clear_cookies(name="tako_session")
        at.press("Approve")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert approvals.get_sync(approval.id).answers == ()
        page.get_by_role("button", name=tour.PEOPLE[at.role]).click()
        expect(page).to_have_url(re.compile(f"/approvals/{approval.id}"))
        at.press("Approve")
        flows.counted(at, approval, "approve", "page")


def session_ends(at: At, path: str, heading: str) -> None:
    """As if the time of the session were over: the browser forgets its cookie."""
    page = at.page
    page.goto("/login")  # which does not listen for news, so does not go anywhere by itself
    page.context.clear_cookies(name="tako_session")
    page.goto(path)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_role("button", name=at.name).click()
    expect(page).to_have_url(f"{at.shop.url}{path}")
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()


def test_who_logs_out_sees_nothing_any_more(at: At) -> None:
    page = at.page
    page.goto("/inbox")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, at)
