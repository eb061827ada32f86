"""People's answers: from the click to the end of the run, and how many fit into a second."""

import asyncio
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from bench.apps.work.workflows.ask import ask
from bench.asked import PERSON, ask_all, run_of
from bench.browser import Browser
from bench.figures import FIGURES, Row
from bench.processes import free_port, until
from bench.rig import Bench, row, rows_of, serve
from tako import Handle, approvals, links

_WARM = 20
_PER_ADDRESS = 100  # clicks: more would be too many tries
_OPEN = "SELECT count(*) FROM approvals WHERE state = 'open'"
_FIRST_OPEN = "SELECT id FROM approvals WHERE state = 'open' ORDER BY seq LIMIT ?"


async def clicked(bench: Bench) -> list[Row]:
    """A link's page is open; the button is pressed: the POST, and the end of the run."""
    port = free_port()
    app = bench.app("work", web=f'[web]\nlisten = "127.0.0.1:{port}"\n')
    count = bench.size(500, 20)
    ids = await ask_all(app.db, bench.size(100_000, 1_000) + count + _WARM)
    async with serve(app) as server, Browser(port) as browser:
        await server.until_workers(1)
        await browser.until_served()
        for number in range(_WARM):
            await _click(browser, ids[number])
        bare = await _bare(bench, browser)
        times = []
        for number in range(_WARM, _WARM + count):
            if number % _PER_ADDRESS == 0:
                await browser.come_from(1 + number // _PER_ADDRESS)
            times.append(await _click(browser, ids[number]))
    return [
        row("click to finished, 100,000 open, p50", median(times), bare),
        row("click to finished, 100,000 open, p99", quantiles(times, n=100)[98], bare),
    ]


async def _bare(bench: Bench, browser: Browser) -> float:
    """An HTTP request that goes to the engine and back, another trip, and two commits. In ms."""
    times = []
    for _ in range(200):
        start = perf_counter()
        await browser.get("/health")
        times.append((perf_counter() - start) * 1000)
    return median(times) + await bench.floors.round_trip() + 2000 / bench.floors.single_commits()


async def _click(browser: Browser, approval_id: str) -> float:
    """Milliseconds; the end is awaited, and the page read, before the button is pressed."""
    minted = await links.mint(approval_id, PERSON)
    assert minted.url is not None
    path = urlsplit(minted.url).path
    form = await browser.form(path)
    end = await _awaited(run_of(approval_id))
    start = perf_counter()
    await browser.press(path, {**form, "answer": "approve"})
    await end
    return (perf_counter() - start) * 1000


async def _awaited(run_id: str) -> "asyncio.Task[Any]":
    handle: Handle[Any] = Handle(run_id)
    end = asyncio.create_task(handle.result())
    await handle.status()  # its reply comes after the server has the wait for the end
    return end


async def a_second(bench: Bench) -> list[Row]:
    """Runs are enqueued, ask and park; then all are answered, to the last end."""
    app = bench.app("work", workers=2, concurrency=500)
    count = bench.size(5_000, 200)
    async with serve(app) as server:
        await server.until_workers(2)
        start = perf_counter()
        handles = await ask.enqueue_many(range(count))
        await until(lambda: rows_of(app, _OPEN)[0][0] == count, "all asked")
        asked = perf_counter()
        opened = [name for (name,) in rows_of(app, _FIRST_OPEN, str(count))]
        answering = perf_counter()
        await _answer(opened)
        for handle in handles:
            assert await handle.result() == "approve"
        done = perf_counter()
    bare = bench.floors.batched_inserts()
    return [
        FIGURES["approvals asked, run enqueued to parked"].row(count / (asked - start), bare),
        FIGURES["approvals answered, to the last run's end"].row(count / (done - answering), bare),
    ]


async def _answer(ids: list[str]) -> None:
    await asyncio.gather(*[approvals.approve(name, by=PERSON) for name in ids])


async def crowded(bench: Bench) -> list[Row]:
    """One answer at a time, refused ones too, among 100,000 open approvals and among 100."""
    alone = await _decisions(bench, 100)
    crowd = await _decisions(bench, bench.size(100_000, 1_000))
    return [row("an answer's way to its reply, 100,000 open, p50", crowd, alone)]


async def _decisions(bench: Bench, open_: int) -> float:
    app, count = bench.app("work"), bench.size(1_000, 50)
    ids = await ask_all(app.db, open_ + count)
    async with serve(app) as server:
        await server.until_workers(1)
        times = []
        for approval_id in ids[:count]:
            start = perf_counter()
            await approvals.approve(approval_id, by=PERSON)
            times.append((perf_counter() - start) * 1000)
    return median(times)
