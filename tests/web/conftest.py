"""One server and one browser for each module of tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.web.browser import Visitor, visiting
from tests.web.chromium import chromium
from tests.web.desk import Desk, desk
from tests.web.site import Site, site


@pytest.fixture(scope="module")
def the_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as found:
        yield found


@pytest.fixture(scope="module")
def visitors(request: pytest.FixtureRequest, the_desk: Desk) -> Iterator[dict[str, Visitor]]:
    """The module's ``PEOPLE`` at their browsers, by name; "" is nobody."""
    with visiting(the_desk.url, request.module.PEOPLE) as found:
        yield found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", params=[True, False], ids=["with scripts", "without scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
