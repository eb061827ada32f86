"""Pages and API read the file themselves: a stopped engine, or none, hides nothing."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tako.commands import Get, RunList, RunReply
from tako.commands import ListRuns as List
from tako.config import load_app
from tako.errors import RunNotFound, StorageError
from tako.people import People
from tako.web import build
from tako.web.engine import Engine
from tests.web.site import Site, ask, site

PAGES = ("/inbox", "/inbox?view=all", "/runs/{run}", "/runs/{run}/payload.json")
API = (
    "/api/me",
    "/api/runs",
    "/api/runs/{run}",
    "/api/runs/{run}/steps",
    "/api/waits",
    "/api/approvals",
    "/api/approvals/{approval}",
    "/api/approvals/{approval}/history",
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as started:
        yield started


@asynccontextmanager
async def own_doors(here: Site, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """The same application in this process, which shares only the file with the server."""
    transport = httpx.ASGITransport(build(load_app(here.app.dir)))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url=here.url, headers=headers) as client:
        yield client


def seen(here: Site) -> tuple[str, str, str]:
    """A token, a run and an approval."""
    with here.client() as api:
        approval = ask(api)
        run = api.get(f"/api/approvals/{approval}").json()["run_id"]
    return here.token(), run, approval


async def read_all(here: Site, token: str, run: str, approval: str) -> None:
    async with own_doors(here, token) as client, asyncio.timeout(4):
        for path in (*PAGES, *API):
            found = await client.get(path.format(run=run, approval=approval))
            assert found.status_code == 200, (path, found.text)
            assert "does not answer" not in found.text.partition("<main")[2]


async def read_workflows(here: Site, token: str) -> None:
    """Why workers do not start only the engine knows: it is asked, but not for long."""
    async with own_doors(here, token) as client:
        for path in ("/workflows", "/workflows/typed"):
            page = await client.get(path)
            assert page.status_code == 200, page.text
            assert "no run goes on until it does" in page.text


def test_all_that_only_reads_is_answered_while_the_engine_is_stopped(here: Site) -> None:
    token, run, approval = seen(here)
    os.kill(here.server.pid, signal.SIGSTOP)  # it takes connections, and answers nobody
    try:
        asyncio.run(read_all(here, token, run, approval))
        asyncio.run(read_workflows(here, token))
    finally:
        os.kill(here.server.pid, signal.SIGCONT)


def test_all_that_only_reads_is_answered_after_the_engine_has_died(here: Site) -> None:
    token, run, approval = seen(here)
    here.server.kill()
    asyncio.run(read_all(here, token, run, approval))


def test_what_was_answered_is_there_for_the_next_read(here: Site) -> None:
    with here.client() as api:
        for number in range(100):
            body = {"workflow": "typed", "payload": {"amount": number}}
            run = api.post("/api/enqueue", json=body).json()["run_id"]
            assert api.get(f"/api/runs/{run}").json()["payload"] == {"amount": number}


def test_a_file_that_was_replaced_is_opened_anew(here: Site, tmp_path: Path) -> None:
    _, run, _ = seen(here)
    assert here.server.terminate() == 0
    config = load_app(here.app.dir)
    engine = Engine(config, People(config))

    async def play() -> None:
        assert (await engine.read(Get(run), RunReply)).run.id == run
        copy = tmp_path / "copy.db"
        shutil.copy(config.db, copy)
        copy.replace(config.db)
        assert (await engine.read(Get(run), RunReply)).run.id == run
        with pytest.raises(RunNotFound):
            await engine.read(Get("nothing"), RunReply)
        engine.close()

    asyncio.run(play())


def test_without_a_file_the_engine_is_asked(here: Site) -> None:
    """As long as it holds what was there: a file that cannot be read here is no end of reading."""
    _, run, _ = seen(here)
    config = load_app(here.app.dir)
    engine = Engine(config, People(config))
    config.db.rename(config.db.with_suffix(".away"))

    async def play() -> None:
        try:
            found = await engine.read(List(), RunList)
        except StorageError:
            return  # the engine itself may refuse: but it was asked
        assert run in {r.id for r in found.runs}

    asyncio.run(play())


def test_a_forked_process_does_not_use_its_parents_file(here: Site) -> None:
    _, run, _ = seen(here)
    config = load_app(here.app.dir)
    engine = Engine(config, People(config))
    asyncio.run(engine.read(Get(run), RunReply))
    pid = os.fork()
    if pid == 0:  # pragma: no cover
        found = asyncio.run(engine.read(Get(run), RunReply)).run.id == run
        os._exit(0 if found else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert asyncio.run(engine.read(Get(run), RunReply)).run.id == run
