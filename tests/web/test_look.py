"""How pages look on a phone and on paper, and what they say where somebody got lost."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, expect

import tako
from tako import approvals
from tako.connections import run_sync
from tako.model import AuditRow, Pass
from tako.people import Directory
from tako.web.pages.run import anew
from tako.web.pages.wording import history
from tako.why import tried
from tests.web import tour
from tests.web.showcase import Showcase, showcase

PHONE = {"width": 375, "height": 800}

# Of the picture that is shown: what leaves it, is too small, or lies upon another text.
TIMELINE = """() => {
  const shown = [...document.querySelectorAll("svg.timeline")].filter((n) => n.checkVisibility());
  if (shown.length !== 1) return [`${shown.length} pictures`];
  const wrong = [], box = shown[0].getBoundingClientRect();
  const texts = [...shown[0].querySelectorAll("text")].map((n) => [n, n.getBoundingClientRect()]);
  for (let node = shown[0].parentElement; node; node = node.parentElement)
    if (node.scrollWidth > node.clientWidth) wrong.push(`${node.className} scrolls sideways`);
  for (const node of shown[0].querySelectorAll("text, rect, line")) {
    const one = node.getBoundingClientRect();
    if (one.left < box.left - 1 || one.right > box.right + 1) wrong.push(node.outerHTML);
  }
  for (const [node, one] of texts) {
    if (parseFloat(getComputedStyle(node).fontSize) < 10 || one.height < 9)
      wrong.push(`${node.textContent} is too small`);
    for (const [other, two] of texts)
      if (node !== other && Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
          && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4)
        wrong.push(`${node.textContent} lies upon ${other.textContent}`);
  }
  return wrong.slice(0, 5);
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("look"), runs=22, steps=60) as found:
        yield found


@pytest.fixture
def ana(shop: Showcase, browser: Browser) -> Iterator[Callable[..., Page]]:
    """An operator; ``options`` of her browser. She needs no scripts."""
    opened: list[BrowserContext] = []

    def log_in(**options: Any) -> Page:
        context = browser.new_context(base_url=shop.url, **options)
        opened.append(context)
        page = context.new_page()
        tour.log_in(page, tour.OPERATOR)
        return page

    yield log_in
    for context in opened:
        context.close()


@pytest.mark.parametrize("width", [320, 375, 900, 1280])
def test_the_picture_of_a_run_is_read_without_scrolling_sideways(
    shop: Showcase, ana: Callable[..., Page], width: int
) -> None:
    page = ana(viewport={"width": width, "height": 800}, java_script_enabled=False)
    for run in (shop.succeeded, shop.long, shop.failed, shop.waiting):
        page.goto(f"/runs/{run}")
        assert page.evaluate(TIMELINE) == [], run


@pytest.mark.parametrize("width", [320, 375])
def test_no_place_tab_or_count_is_hidden_at_the_edge_of_a_phone(
    ana: Callable[..., Page], width: int
) -> None:
    page = ana(viewport={"width": width, "height": 800}, java_script_enabled=False)
    for path, tabs in (("/inbox", ".tabs a"), ("/waiting", ".tabs a"), ("/runs", ".counts a")):
        page.goto(path)
        assert page.locator(tabs).count() >= 3
        for place in page.locator(f"{tabs}, .bar-nav a").all():
            box = place.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= width, place.inner_text()


def test_on_a_phone_the_places_are_one_row_and_what_was_decided_comes_first(
    shop: Showcase, ana: Callable[..., Page]
) -> None:
    page = ana(viewport={"width": 360, "height": 800}, java_script_enabled=False)
    decided = approvals.list_sync("decided", workflow="fulfill-order")[0]
    page.goto(f"/approvals/{decided.id}")
    tops = "nodes => nodes.map((node) => Math.round(node.getBoundingClientRect().top))"
    assert len(set(page.locator(".bar-nav a").evaluate_all(tops))) == 1
    top = {
        name: page.locator(f".{name}").evaluate_all(tops)[0] for name in ("question", "standing")
    }
    assert top["standing"] < top["question"]


def test_who_wants_no_motion_sees_none_while_they_point_either(
    shop: Showcase, ana: Callable[..., Page]
) -> None:
    """Buttons fade below the pointer, and do not for who wants that."""
    moving = "node => getComputedStyle(node).transitionDuration"
    for motion, wanted in (("no-preference", "0.12s"), ("reduce", "0s")):
        page = ana(reduced_motion=motion)
        page.goto(f"/approvals/{shop.order.id}")
        button = page.get_by_role("button", name="Reject")
        button.hover()
        assert button.evaluate(moving) == wanted
        parts = "node => ['::before', '::after', '::backdrop', '::details-content'].map((part) =>"
        found = button.evaluate(f"{parts} getComputedStyle(node, part).transitionDuration)")
        assert set(found) == {"0s"}


# --- an approval on paper, and its record


def test_a_printed_approval_says_which_it_is_where_and_of_when(
    shop: Showcase, ana: Callable[..., Page]
) -> None:
    page = ana(java_script_enabled=False)
    page.goto(f"/approvals/{shop.order.id}")
    sheet = page.locator(".on-paper")
    expect(sheet).to_be_hidden()
    page.emulate_media(media="print")
    expect(sheet).to_contain_text(shop.order.id)
    expect(sheet).to_contain_text(f"{shop.url}/approvals/{shop.order.id}")
    expect(sheet.locator("time")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_hidden()


def rows(*lines: tuple[int, str, str, str]) -> list[AuditRow]:
    """Rows of a record: when, what, who, and details."""
    return [
        AuditRow(n, at, kind, "a", "r", person, "password", "page", None, None, detail or None, "")
        for n, (at, kind, person, detail) in enumerate(lines)
    ]


def test_equal_views_and_refused_tries_are_one_line_until_something_happens() -> None:
    no = '{"answer": "approve", "problem": "not asked"}'
    record = rows(
        (1, "asked", "", '{"of": ["ana"]}'),
        (2, "shown", "ana", ""),
        (3, "refused", "cy", no),
        (4, "shown", "ana", ""),
        (5, "refused", "cy", no),
        (6, "answered", "ana", '{"answer": "approve"}'),
        (7, "shown", "ana", ""),
    )
    found = history(Directory(), record)
    assert [(line.text.split()[1], line.at, line.times) for line in found] == [
        ("of", 1, ()),
        ("saw", 4, (2, 4)),
        ("tried", 5, (3, 5)),
        ("answered", 6, ()),
        ("saw", 7, ()),
    ]


async def many(coroutines: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*coroutines, return_exceptions=True)


def test_a_record_of_many_tries_is_short_and_all_of_them_are_there(
    shop: Showcase, ana: Callable[..., Page]
) -> None:
    asked = shop.ask(title="Tried often?", to=["ana", "ben"])
    tried = run_sync(many([approvals.approve(asked.id, by="vic") for _ in range(510)]))
    assert {type(error) for error in tried} == {tako.NotAllowed}
    approvals.approve_sync(asked.id, by="ben")
    page = ana(java_script_enabled=False)
    page.goto(f"/approvals/{asked.id}")
    line = page.locator(".record > li", has_text="tried to answer")
    expect(line).to_have_count(1)
    expect(line).to_have_class("wrong")  # a try that was refused is no rejection
    expect(line.locator("summary")).to_contain_text("510 times, the last")
    expect(line.locator("ol")).to_be_hidden()
    line.locator("summary").click()
    expect(line.locator("ol > li")).to_have_count(100)
    expect(line).to_contain_text(f"tako audit export --approval {asked.id}")
    expect(page.locator(".record > li", has_text="Ben Okafor answered")).to_be_visible()


def test_a_rejection_has_a_sign_of_its_own_wherever_it_is_told(
    shop: Showcase, ana: Callable[..., Page]
) -> None:
    """And an approval another: no colour alone tells one from the other."""
    signs = """nodes => nodes.map((n) => getComputedStyle(n, "::before").content.split(" ")[0])"""
    for say, sign, tone, word in (
        (approvals.approve_sync, "✓", "good", "decided"),
        (approvals.reject_sync, "✕", "bad", "rejected"),
    ):
        asked = shop.ask(title="Yes or no?", to=["ana", "ben"], requester="vic")
        say(asked.id, by="ana")
        page = ana(java_script_enabled=False)
        page.goto(f"/approvals/{asked.id}")
        lines = page.locator(".record > li", has_text="answered “")
        assert lines.evaluate_all(signs) == [f'"{sign}"']
        expect(lines).to_have_class(tone)
        page.goto(f"/inbox?done={asked.id}")
        expect(page.locator(f".notice.{tone}")).to_contain_text(f"{sign} You answered")
        page.goto(f"/runs/{asked.run_id}")
        asked_of = page.get_by_role("region", name="Asked of people")
        expect(asked_of.locator(".state")).to_have_text(f"{sign}{word}")


# --- attempts


def test_which_attempt_it_is_in_cannot_be_misread(shop: Showcase) -> None:
    run = tako.get_sync(shop.failed)
    assert tried(run) == "1"
    assert tried(replace(run, attempt=2, retries=2)) == "2 of at most 3"
    assert anew([Pass(1, "w", 2), Pass(2, "w", 3), Pass(3, "w", 1)])
    assert not anew([Pass(1, "w", 1), Pass(2, "w", 2)])
