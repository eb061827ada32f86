"""Every page for every role, narrow and wide, light and dark, with and without scripts.

Every combination: each role loads each page with and without scripts, and looks at it in all looks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

from tako.model import Role
from tests.web import looks, tour
from tests.web.axe import violations
from tests.web.showcase import Showcase, showcase


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with showcase(tmp_path_factory.mktemp("every"), runs=40) as found:
        tour.add_extremes(found)
        yield found


class Trouble(list[str]):
    """What a page does not tell its reader: errors in the console, requests that went wrong."""

    def __init__(self, page: Page, home: str) -> None:
        self._home = home
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # That the page itself is a 404 is told too; its status is looked at by itself.
        of_page = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not of_page:
            self.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self._home):
            self.append(f"elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by the way to the next page
            self.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.append(f"{response.status}: {response.url}")


def test_every_route_that_people_see_is_looked_at(shop: Showcase) -> None:
    pages = {stop.route for stop in tour.PAGES}
    assert tour.routes(shop) - tour.NOT_PAGES - pages == set()
    assert pages - tour.routes(shop) - {"/nowhere"} == set()


@pytest.mark.parametrize("role", tour.ORDER)
def test_every_page_is_right_for_everybody(shop: Showcase, browser: Browser, role: Role) -> None:
    with visit(shop, browser, role) as visitor:
        # Operators see the most of each page.
        nothing(visitor.walk(with_axe=role is tour.OPERATOR))


@pytest.mark.parametrize("role", tour.ORDER)
def test_every_page_is_right_without_scripts(shop: Showcase, browser: Browser, role: Role) -> None:
    with visit(shop, browser, role, java_script_enabled=False) as visitor:
        nothing(visitor.walk())


def test_axe_finds_nothing_on_a_page_whose_scripts_do_not_come(
    shop: Showcase, browser: Browser
) -> None:
    """It is a script, so it needs a browser that would run others; colours are the same."""
    with visit(shop, browser, tour.OPERATOR) as visitor:
        page, found = visitor.page, []
        page.route("**/*.js*", lambda route: route.fulfill(body=""))
        page.set_viewport_size({"width": 375, "height": 800})
        for path in [stop.path(shop) for stop in tour.PAGES]:
            page.goto(path)
            found += [f"{path}: {line}" for line in violations(page)]
        nothing(found)


def nothing(wrong: list[str]) -> None:
    assert not wrong, "\n".join(wrong)


class Visitor:
    """Somebody with this role, in a browser."""

    def __init__(self, shop: Showcase, page: Page, role: Role) -> None:
        tour.log_in(page, role)
        self.page = page
        self._shop, self._role = shop, role
        self._trouble = Trouble(page, shop.url)

    def walk(self, *, with_axe: bool = False) -> list[str]:
        """What is wrong with the pages."""
        return [line for stop in tour.PAGES for line in self._look_at(stop, with_axe)]

    def _look_at(self, stop: tour.Stop, with_axe: bool) -> list[str]:
        path = stop.path(self._shop)
        answer = self.page.goto(path)
        wrong = content(stop, self._role, answer.status if answer else 0, tour.seen(self.page))
        wrong += looks.wrong(self.page, with_axe=with_axe)
        if stop.route == "/approvals/{id}":
            wrong += looks.wrong_on_paper(self.page)
        wrong += self._trouble
        self._trouble.clear()
        return [f"{path}, {self._role}: {line}" for line in wrong]


@contextmanager
def visit(shop: Showcase, browser: Browser, role: Role, **options: Any) -> Iterator[Visitor]:
    with browser.new_context(base_url=shop.url, **options) as context:
        yield Visitor(shop, context.new_page(), role)


def content(stop: tour.Stop, role: Role, status: int, seen: dict[str, Any]) -> list[str]:
    """What is not as the stop says."""
    allowed = tour.may(role, stop.role)
    offered = {name for name, least in stop.offers.items() if allowed and tour.may(role, least)}
    wanted = {
        "status": stop.status if allowed else 403,
        "lang": "en",
        "place": stop.place,
        "offers": sorted(offered),
    }
    there = seen | {"status": status}
    wrong = [f"{k} {there[k]!r} instead of {wanted[k]!r}" for k in wanted if there[k] != wanted[k]]
    levels = seen["headings"]  # one first heading, and none that skips a level
    if levels.count(1) != 1 or any(b > a + 1 for a, b in pairwise(levels)):
        wrong.append(f"headings {levels}")
    heading = stop.heading if allowed else "Not allowed"
    if not seen["heading"].startswith(heading):
        wrong.append(f"it begins with {seen['heading'][:60]!r}")
    return wrong
