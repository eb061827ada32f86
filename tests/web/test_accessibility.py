"""Every page in every state, for everybody: axe finds nothing, a keyboard is enough.

The pages come from the table of routes: one that is not looked at here is a red test.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.routing import Route

from tako import approvals, links
from tako.config import load_app
from tako.web import build
from tests.web.axe import violations
from tests.web.chromium import chromium
from tests.web.showcase import Showcase, showcase

# What a route answers to people who see: each has at least one page in PAGES.
NOT_PAGES = {
    "/health",
    "/live",
    "/favicon.svg",
    "/inbox/count",
    "/hooks/{name}",
    "/runs/{id:any_id}/{part}.json",
    "/runs.csv",
    "/runs.json",
}
Path = str | Callable[[Showcase], str]

# route -> the states of its page: addresses below the app's
PAGES: dict[str, dict[str, Path]] = {
    "/": {"home": "/"},
    "/login": {"logged in": "/login"},
    "/logout": {"logged in": "/logout"},
    "/inbox": {
        "mine": "/inbox",
        "all open": "/inbox?view=open",
        "all": "/inbox?view=all",
        "nothing found": "/inbox?view=mine&q=nonesuch",
    },
    "/approvals": {"where it was": "/approvals"},
    "/approvals/{id}": {
        "open": lambda s: f"/approvals/{s.order.id}",
        "decided": lambda s: f"/approvals/{_decided(s)}",
        "unknown": "/approvals/nonesuch",
    },
    "/l/{token}": {"tampered": "/l/nonesuch"},
    "/runs": {
        "all": "/runs",
        "failed": "/runs?state=failed",
        "nothing found": "/runs?state=cancelled&workflow=fulfill-order",
        "nonsense": "/runs?since=nonsense",
    },
    "/runs/{id:any_id}": {
        "waiting for people": lambda s: f"/runs/{s.order.run_id}",
        "waiting for an event": lambda s: f"/runs/{s.waiting}",
        "failed": lambda s: f"/runs/{s.failed}",
        "cancelled": lambda s: f"/runs/{s.cancelled}",
        "succeeded": lambda s: f"/runs/{s.succeeded}",
        "300 steps": lambda s: f"/runs/{s.long}",
        "unknown": "/runs/nonesuch",
    },
    "/runs/bulk": {
        "a preview": lambda s: f"/runs/bulk?action=cancel&id={s.waiting}",
        "of nothing": "/runs/bulk",
    },
    "/runs/{id:any_id}/rerun": {"a preview": lambda s: f"/runs/{s.failed}/rerun"},
    "/runs/{id:any_id}/steps": {
        "a value": lambda s: f"/runs/{s.succeeded}/steps?name=load-order",
        "unknown": lambda s: f"/runs/{s.succeeded}/steps?name=nonesuch",
    },
    "/inbox/selected": {
        "one": lambda s: f"/inbox/selected?answer=approve&pick={s.order.id}.{s.order.digest}",
        "nothing": "/inbox/selected",
    },
    "/workflows": {"all": "/workflows"},
    "/workflows/{name:path}": {
        "with a form": "/workflows/fulfill-order",
        "without": "/workflows/ask",
        "unknown": "/workflows/nonesuch",
    },
    "/waiting": {"all": "/waiting"},
    "/system": {"all": "/system"},
    "/nowhere": {"there is none": "/nowhere"},
}
LOOKS = {
    "wide and light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "narrow and dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}
PEOPLE = {"ana": "Ana Lima", "ben": "Ben Okafor", "vic": "Vic Sandberg"}


def _decided(shop: Showcase) -> str:
    return approvals.list_sync("decided")[0].id


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("axe"), runs=40) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def open_page(shop: Showcase, browser: Browser, person: str | None, **look: Any) -> Page:
    """A page of ``person``; axe comes from outside, which the pages' policy would not allow."""
    context = browser.new_context(base_url=shop.url, bypass_csp=True, **look)
    page = context.new_page()
    if person is not None:
        page.goto("/login")
        page.get_by_role("button", name=PEOPLE[person]).click()
        page.wait_for_url("**/inbox")
    return page


@pytest.fixture
def anybody(shop: Showcase, browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []

    def opened(person: str | None = None, **look: Any) -> Page:
        page = open_page(shop, browser, person, **(look or LOOKS["wide and light"]))
        contexts.append(page.context)
        return page

    yield opened
    for context in contexts:
        context.close()


def routes(shop: Showcase) -> set[str]:
    """The paths that answer a GET, but those of programs and files."""
    found = [r for r in build(load_app(shop.app.dir)).routes if isinstance(r, Route)]
    paths = {route.path for route in found if "GET" in (route.methods or ())}
    return {path for path in paths if not path.startswith("/api/")}


def test_every_route_that_people_see_is_looked_at(shop: Showcase) -> None:
    assert routes(shop) - NOT_PAGES - PAGES.keys() == set()
    assert PAGES.keys() - routes(shop) - {"/nowhere"} == set()


@pytest.mark.parametrize(
    ("person", "look"),
    [
        ("ana", "wide and light"),
        ("ana", "narrow and dark"),
        ("ben", "narrow and dark"),
        ("vic", "wide and light"),
    ],
)
def test_axe_finds_nothing_on_any_page(
    shop: Showcase, anybody: Callable[..., Page], person: str, look: str
) -> None:
    page = anybody(person, **LOOKS[look])
    found = {}
    for route, states in PAGES.items():
        for state, path in states.items():
            address = path if isinstance(path, str) else path(shop)
            page.goto(address)
            found[f"{route}, {state}"] = violations(page) + structure(page)
    nothing(found)


def nothing(found: dict[str, list[str]]) -> None:
    wrong = [f"{page}: {line}" for page, lines in found.items() for line in lines]
    assert not wrong, "\n".join(wrong)


def structure(page: Page) -> list[str]:
    """What axe leaves to others: a language, a title, headings that skip no level."""
    levels: list[int] = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')]"
        ".filter((h) => h.checkVisibility()).map((h) => +h.tagName[1])"
    )
    skipped = [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1]
    wrong = [f"headings {levels}"] if levels.count(1) != 1 or skipped else []
    if page.evaluate("document.documentElement.lang") != "en":
        wrong.append("no language")
    wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    return [*wrong, *([f"{wide} px too wide"] if wide > 0 else [])]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_what_a_link_opens(
    shop: Showcase, anybody: Callable[..., Page], look: str
) -> None:
    page = anybody(**LOOKS[look])
    asked = shop.ask(title="Hire Kim?", to=["ana", "ben"], body="A *cook*.", requester="vic")
    link = shop.link(asked)
    revoked = shop.link(asked, "ben")
    links.revoke_sync(asked.id, "ben")
    used = shop.link(asked, "ben")
    found = {}

    def look_at(name: str) -> None:
        found[name] = violations(page) + structure(page)

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


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_without_a_login_with_errors_and_with_an_empty_inbox(
    shop: Showcase, anybody: Callable[..., Page], look: str
) -> None:
    page, found = anybody(**LOOKS[look]), {}
    page.goto("/login")
    found["login"] = violations(page) + structure(page)
    page.get_by_role("button", name="Zoë Nobody").click()
    page.wait_for_url("**/inbox")
    found["an empty inbox"] = violations(page) + structure(page)
    page.goto("/runs")
    found["not allowed"] = violations(page) + structure(page)
    page = anybody("ana", **LOOKS[look])
    page.goto(f"/approvals/{shop.order.id}")
    page.get_by_label("Percent").fill("99")
    page.locator("form.answer").evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Approve").click()
    if page.locator("#word").is_visible():
        found["the word"] = violations(page) + structure(page)
        page.locator("#word").fill("approve")
        page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    found["errors"] = violations(page) + structure(page)
    nothing(found)


# --- by keyboard


def test_the_tab_key_goes_through_an_approval_in_the_order_of_the_page(
    shop: Showcase, anybody: Callable[..., Page]
) -> None:
    page = anybody("ben")
    page.goto(f"/approvals/{shop.order.id}")
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("""() => {
          const node = document.activeElement, style = getComputedStyle(node);
          const name = node.labels?.[0]?.innerText || node.innerText || node.title || "";
          const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
          return [node.tagName, name.trim().split("\\n")[0], seen || style.boxShadow !== "none"];
        }""")
        if here[0] == "BODY":
            break
        assert here[2], f"one cannot see that {here[:2]} has the focus"
        names.append(here[1])
    wanted = ["Skip to the content", "Inbox", "Percent optional", "Comment optional"]
    wanted += ["Approve", "Reject", "Pass it on"]
    found = [name for name in names if name in wanted]
    assert [name for n, name in enumerate(found) if name not in found[:n]] == wanted, names


def test_what_changes_is_announced_politely(shop: Showcase, anybody: Callable[..., Page]) -> None:
    page = anybody("ben")
    live = page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    kinds = live.evaluate_all("nodes => nodes.map((n) => n.getAttribute('aria-live') || n.role)")
    assert kinds
    assert "assertive" not in kinds
    assert page.locator("[data-region]").first.get_attribute("aria-live") in (None, "off", "polite")
    shop.ask(title="Is anybody there?", to=["ben"])
    expect(page.locator("#announce")).to_contain_text("waiting for your answer")


def test_who_wants_no_motion_sees_none(shop: Showcase, anybody: Callable[..., Page]) -> None:
    page = anybody("ana", reduced_motion="reduce")
    for path in ("/inbox", f"/approvals/{shop.order.id}", f"/runs/{shop.order.run_id}"):
        page.goto(path)
        moving = page.evaluate("""() => [...document.querySelectorAll("*")].filter((node) => {
          const style = getComputedStyle(node);
          return [...style.transitionDuration.split(","), ...style.animationDuration.split(",")]
            .some((time) => parseFloat(time) > 0.01);
        }).map((node) => node.outerHTML.slice(0, 100))""")
        assert moving == [], path
