"""Every store there is, each empty; a test that takes ``driver`` runs on all of them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tako.store import open_store
from tests.store.driver import Driver
from tests.store.office import Office


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=["sqlite"])
def driver(
    request: pytest.FixtureRequest, tmp_path: Path, runner: asyncio.Runner
) -> Iterator[Driver]:
    openers = {"sqlite": lambda: open_store(tmp_path / "runs.db")}
    driver = Driver(openers[request.param], runner)
    yield driver
    driver.store.close()


@pytest.fixture
def office(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Office]:
    office = Office(tmp_path / "runs.db", runner)
    yield office
    office.check_sound()
    office.store.close()
