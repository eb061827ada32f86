"""What only comes of doing something: axe finds nothing on it, and a keyboard is enough.

The pages that have an address are in `test_every_page.py`.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import tako
from tako import approvals, links
from tako.model import Actor, Role
from tests.web import looks, tour
from tests.web.axe import violations
from tests.web.showcase import Showcase, showcase

ANA, BEN = tour.OPERATOR, tour.APPROVER
# What has the focus: its element, its name, and whether one sees that.
FOCUS = """() => {
  const node = document.activeElement, isSeen = FOCUS_IS_SEEN;
  const name = node.labels?.[0]?.innerText || node.innerText || node.title || "";
  return [node.tagName, name.trim().split("\\n")[0], isSeen(node)];
}""".replace("FOCUS_IS_SEEN", looks.FOCUS_IS_SEEN)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("axe"), runs=24, steps=40) as found:
        yield found


@pytest.fixture
def anybody(shop: Showcase, browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []

    def opened(role: Role | None = None) -> Page:
        context = browser.new_context(base_url=shop.url)
        contexts.append(context)
        page = context.new_page()
        if role is not None:
            tour.log_in(page, role)
        return page

    yield opened
    for context in contexts:
        context.close()


def nothing(found: dict[str, list[str]]) -> None:
    lines = [f"{page}: {line}" for page, lines in found.items() for line in lines]
    assert not lines, "\n".join(lines)


def test_axe_finds_nothing_on_what_a_link_opens(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page = anybody()
    asked = shop.ask(title="Hire Kim?", to=["ana", "ben"], body="A *cook*.", requester="vic")
    link = shop.link(asked)
    revoked = shop.link(asked, "ben")
    links.revoke_sync(asked.id, "ben")
    used = shop.link(asked, "ben")
    found = {}

    def look_at(name: str) -> None:
        found[name] = looks.wrong(page)

    page.goto(link)
    look_at("open")
    page.goto(revoked)
    look_at("revoked")
    page.goto("/l/nonesuch")
    look_at("tampered")
    page.goto(used)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You answered")).to_be_visible()
    look_at("answered")
    page.goto(link)
    look_at("too late")
    nothing(found)


def test_axe_finds_nothing_without_a_login_with_errors_and_with_an_empty_inbox(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page, found = anybody(), {}
    page.goto("/login")
    found["login"] = looks.wrong(page)
    page.get_by_role("button", name="Zoë Nobody").click()
    page.wait_for_url("**/inbox")
    found["an empty inbox"] = looks.wrong(page)
    page.goto("/runs")
    found["not allowed"] = looks.wrong(page)
    page = anybody(ANA)
    page.goto(f"/approvals/{shop.order.id}")
    page.get_by_label("Percent").fill("99")
    page.locator("form.answer").evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Approve").click()
    if page.locator("#word").is_visible():
        found["the word"] = looks.wrong(page)
        page.locator("#word").fill("approve")
        page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    found["errors"] = looks.wrong(page)
    nothing(found)


def test_axe_finds_nothing_before_and_after_many_are_answered(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page, found = anybody(ANA), {}
    for n in range(2):
        shop.ask(title=f"both {n}", to=["ana"])
    page.goto("/inbox?text=both")
    for look in looks.LOOKS:
        looks.put_on(page, look)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        found[f"the keys, {look}"] = violations(page)
        page.keyboard.press("Escape")
    page.keyboard.press("j")
    for look in looks.LOOKS:
        looks.put_on(page, look)
        page.keyboard.press("a")
        expect(page.get_by_role("button", name="Undo")).to_be_focused()
        found[f"an answer that is held, {look}"] = violations(page)
        page.keyboard.press("Escape")
    page.get_by_label("Select all").check()
    found["both are ticked"] = looks.wrong(page)
    page.get_by_role("button", name="Approve selected").click()
    page.get_by_role("button", name="Approve 2").click()
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="2 of 2 answers counted")).to_be_visible()
    found["what became of them"] = looks.wrong(page)
    nothing(found)


def test_axe_finds_nothing_before_and_after_many_runs_are_cancelled(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page, found = anybody(ANA), {}
    run = tako.enqueue_sync("welcome-customer", "bulk", tags=["bulk"], delay="1h")
    page.goto("/runs?tag=bulk")
    page.get_by_role("button", name="Run again …").click()
    expect(page.get_by_text("There is nothing to do.")).to_be_visible()
    found["nothing is chosen"] = looks.wrong(page)
    page.goto("/runs?tag=bulk")
    page.get_by_role("checkbox", name=run.id).check()
    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("heading", name="Cancel: 1 run?")).to_be_visible()
    found["a preview"] = looks.wrong(page)
    page.get_by_role("button", name="Cancel: 1 run").click()
    expect(page.get_by_role("heading", name="1 cancelled")).to_be_visible()
    found["done"] = looks.wrong(page)
    nothing(found)


def test_axe_finds_nothing_on_what_is_refused(shop: Showcase, anybody: Callable[..., Page]) -> None:
    page, found = anybody(ANA), {}

    def press(status: int, path: str, name: str, before: Callable[[], object]) -> None:
        page.goto(path)
        before()
        with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            page.get_by_role("button", name=name).click()
            if page.get_by_role("button", name="Send now").is_visible():
                page.get_by_role("button", name="Send now").click()
        assert answered.value.status == status, path
        page.wait_for_load_state()
        found[f"{status} {path}"] = looks.wrong(page)

    def forge() -> None:
        page.locator("[name=csrf]").evaluate_all("all => all.forEach((n) => { n.value = 'x' })")

    decided, gone = shop.ask(title="Who?", to=["ana", "ben"]), shop.ask(title="Now?", to=["ana"])
    by_ben = Actor("ben", "process", "python")
    press(403, f"/runs/{shop.failed}", "Run it again", forge)
    press(403, "/runs", "Cancel …", forge)
    press(
        409,
        f"/approvals/{decided.id}",
        "Approve",
        lambda: approvals.approve_sync(decided.id, by=by_ben),
    )
    press(410, f"/approvals/{gone.id}", "Approve", lambda: tako.cancel_sync(gone.run_id))
    press(
        422, f"/runs/{shop.waiting}", "Send the signal", lambda: page.locator("#payload").fill("{")
    )
    press(422, "/waiting?of=some", "Send", lambda: page.get_by_label("Payload").fill("{"))
    press(422, "/workflows/ask", "Start", lambda: page.locator("#start textarea").first.fill("{"))
    page.goto("/runs.csv?since=nonsense")
    found["422, of a file"] = looks.wrong(page)
    nothing(found)


# --- by keyboard


def test_the_tab_key_goes_through_an_approval_in_the_order_of_the_page(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page = anybody(BEN)
    page.goto(f"/approvals/{shop.order.id}")
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        if here[0] == "BODY":
            break
        assert here[2], f"one cannot see that {here[:2]} has the focus"
        names.append(here[1])
    wanted = ["Skip to the content", "Inbox", "Percent optional", "Comment optional"]
    wanted += ["Approve", "Reject", "Pass it on"]
    found = [name for name in names if name in wanted]
    assert [name for n, name in enumerate(found) if name not in found[:n]] == wanted, names


def test_what_changes_is_announced_politely(shop: Showcase, anybody: Callable[..., Page]) -> None:
    page = anybody(BEN)
    live = page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    kinds = live.evaluate_all("nodes => nodes.map((n) => n.getAttribute('aria-live') || n.role)")
    assert kinds
    assert "assertive" not in kinds
    assert page.locator("[data-region]").first.get_attribute("aria-live") in (None, "off", "polite")
    shop.ask(title="Is anybody there?", to=["ben"])
    expect(page.locator("#announce")).to_contain_text("waiting for your answer")
