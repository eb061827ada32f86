"""Every page for every role, narrow and wide, light and dark, with and without scripts.

All pairs and not all combinations, which would take three minutes: with scripts each role loads
each page, and looks at it narrow and dark, wide and light; without them it is the other way round.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

from tako.model import Role
from tests.web import tour
from tests.web.axe import violations
from tests.web.showcase import Showcase, showcase


@dataclass(frozen=True)
class Look:
    width: int
    scheme: Literal["light", "dark"]

    @property
    def background(self) -> tuple[float, float]:
        return (0, 0.2) if self.scheme == "dark" else (0.9, 1)


NARROW_DARK, WIDE_LIGHT = Look(375, "dark"), Look(1280, "light")
NARROW_LIGHT, WIDE_DARK = Look(375, "light"), Look(1280, "dark")


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
        for stop in tour.PAGES:
            visitor.look_at(stop, (NARROW_DARK, WIDE_LIGHT), axe=role is tour.OPERATOR)
        nothing(visitor.wrong)


def test_every_page_is_right_without_scripts(shop: Showcase, browser: Browser) -> None:
    """The server sends the same page: one role looks at each, and each role at a third."""
    with ExitStack() as stack:
        visitors = [
            stack.enter_context(visit(shop, browser, role, java_script_enabled=False))
            for role in tour.ORDER
        ]
        for stop, visitor in zip(tour.PAGES, cycle(visitors), strict=False):
            visitor.look_at(stop, (NARROW_LIGHT, WIDE_DARK))
        nothing([line for visitor in visitors for line in visitor.wrong])


def nothing(wrong: list[str]) -> None:
    assert not wrong, "\n".join(wrong)


class Visitor:
    """Somebody with this role, in a browser, and what is ``wrong`` with what they saw."""

    def __init__(self, shop: Showcase, page: Page, role: Role) -> None:
        tour.log_in(page, role)
        self.wrong: list[str] = []
        self._shop, self._page, self._role = shop, page, role
        self._trouble = Trouble(page, shop.url)

    def look_at(self, stop: tour.Stop, looks: Iterable[Look], *, axe: bool = False) -> None:
        """``axe``: let it look too. Operators see the most of each page."""
        path = stop.path(self._shop)
        answer = self._page.goto(path)
        wrong = content(stop, self._role, answer.status if answer else 0, tour.seen(self._page))
        for look in looks:
            self._page.set_viewport_size({"width": look.width, "height": 800})
            self._page.emulate_media(color_scheme=look.scheme)
            low, high = look.background
            found = tour.wrong_layout(self._page)
            found += [] if low <= tour.brightness(self._page) <= high else ["other colours"]
            found += violations(self._page) if axe else []
            wrong += [f"{look.width} {look.scheme}: {line}" for line in found]
        self.wrong += [f"{path}, {self._role}: {line}" for line in wrong + self._trouble]
        self._trouble.clear()


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
