"""How pages look on a phone and on paper, and what they say where somebody got lost."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

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
