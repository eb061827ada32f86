"""People browse: how long pages take at 10 requests at a time, and what that costs the engine."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape
from statistics import quantiles
from time import perf_counter
from urllib.parse import quote

import httpx

from bench import processes
from bench.apps.work.workflows.steps import one_step
from bench.asked import PERSON, run_of
from bench.browser import Browser
from bench.figures import FIGURES, Row
from bench.history import Size, make
from bench.processes import free_port
from bench.rig import App, Bench, Server, row, rows_of, serve

_AT_ONCE = 10
_PEOPLE = 20
_THINK = 1.0  # s between a page and the next
_NUMBER = "SELECT id FROM runs WHERE workflow = 'many-steps' AND state = ? ORDER BY seq LIMIT 1"
_FILES = re.compile(r'(?:href|src)="(/static/[^"]*)"')
_STYLE = re.compile(r'href="(/static/tako\.css[^"]*)"')


@dataclass(frozen=True)
class Site:
    """A server with a long past, and its pages by the figure that they belong to."""

    port: int
    pages: dict[str, list[str]]

    @property
    def mixed(self) -> list[str]:
        """One after another, as somebody might look at them."""
        longest = max(len(paths) for paths in self.pages.values())
        return [
            paths[n % len(paths)] for n in range(longest) for paths in self.pages.values() if paths
        ]


async def measure(bench: Bench) -> list[Row]:
    """Pages first, then the engine alone and with people, in turns; memory before and after."""
    port = free_port()
    app = bench.app("work", workers=2, concurrency=500, web=f'[web]\nlisten = "127.0.0.1:{port}"\n')
    quick = Size(events=800, approvals=200, finished=10_000)
    size = quick if bench.quick else Size(80_000, 20_000, 1_000_000)
    asked = await make(app.db, size)
    site = Site(port, _pages(app, asked))
    async with serve(app) as server:
        await server.until_workers(2)
        await _settled(port)
        before = _memory(server)
        found = await _latencies(bench, site)
        found.append(await _first_load(port))
        found.append(await _beside(bench, site))
        after = _memory(server)
    bench.notes["web, memory"] = f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after"
    grown = (after - before) / 1e6
    return [*found, row("server memory (PSS) after all this browsing, beyond before", grown)]


def _pages(app: App, asked: Sequence[str]) -> dict[str, list[str]]:
    """By figure. Deep pages begin in the middle of all runs."""
    middle = rows_of(
        app, "SELECT id FROM runs WHERE seq > (SELECT max(seq) / 2 FROM runs) LIMIT 1"
    )[0][0]
    ended = [rows_of(app, _NUMBER, state)[0][0] for state in ("succeeded", "failed")]
    filters = ["", "workflow=one-step", "workflow=wait&state=waiting", "tag=customer-17"]
    filters += [f"state={s}" for s in ("pending", "waiting", "succeeded", "failed")]
    filters += [
        "text=declined",
        "text=nowhere",
        f"text={middle}",
        "last=24h",
        "tag=big&state=failed",
    ]
    return {
        "inbox": [
            "/inbox",
            "/inbox?view=open",
            "/inbox?text=Order+77",
            "/inbox?view=open&workflow=wait",
        ],
        "runs": [f"/runs?{query}" for query in [*filters, f"before={middle}"]]
        + [f"/runs?state=waiting&before={middle}"],
        "run": [f"/runs/{quote(name)}" for name in (*ended, run_of(asked[0]))],
        "others": [
            "/workflows",
            "/workflows/one-step",
            "/waiting",
            "/waiting?view=deadlines",
            "/system",
        ],
    }


def _memory(server: Server) -> int:
    """PSS of the server and of its process of the HTTP doors."""
    return sum(processes.pss(pid) for pid in (server.pid, *server.doors()))


async def _settled(port: int) -> None:
    """Once the first request is answered all that the web needs is loaded."""
    async with Browser(port) as browser:
        await browser.until_served()
        await browser.get("/health")


# --- how long pages take


async def _latencies(bench: Bench, site: Site) -> list[Row]:
    async with _crowd(site.port, _AT_ONCE) as browsers:
        style = _STYLE.search(await browsers[0].get("/inbox"))
        assert style is not None
        bare = await _p95(browsers, style[1], bench.size(300, 20))
        rows = []
        for kind, paths in site.pages.items():
            times = {path: await _p95(browsers, path, bench.size(100, 20)) for path in paths}
            slowest = max(times, key=lambda path: times[path])
            listed = ", ".join(f"{path} {ms:.0f}" for path, ms in times.items())
            bench.notes[f"p95 in ms, {kind}"] = listed
            rows.append(row(_FIGURE[kind], times[slowest], bare))
    return rows


_FIGURE = {
    "inbox": "inbox, the slowest of its views, p95",
    "runs": "run list, the slowest of its filters, p95",
    "run": "run page, p95",
    "others": "workflows, waiting, system: the slowest, p95",
}


async def _p95(browsers: Sequence[Browser], path: str, count: int) -> float:
    """Milliseconds, of ``count`` requests in all, each browser with one after another."""
    times: list[float] = []

    async def look(browser: Browser) -> None:
        for _ in range(count // len(browsers)):
            start = perf_counter()
            await browser.get(path)
            times.append((perf_counter() - start) * 1000)

    await asyncio.gather(*[look(browser) for browser in browsers])
    return quantiles(times, n=20)[18]


@asynccontextmanager
async def _crowd(port: int, count: int) -> AsyncIterator[list[Browser]]:
    """So many browsers, all in the session of one person."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Browser(port))
        await first.until_served()
        await first.log_in(PERSON)
        others = [await stack.enter_async_context(await first.another()) for _ in range(count - 1)]
        yield [first, *others]


async def _first_load(port: int) -> Row:
    """What goes over the wire for somebody who has nothing of it yet."""
    async with _crowd(port, 1) as (browser,):
        page = await browser.get("/inbox")
    sent = len(page.encode())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for file in sorted(set(_FILES.findall(page))):
            async with client.stream("GET", unescape(file)) as answer:
                sent += sum([len(part) async for part in answer.aiter_raw()])
    return row("first load of the inbox: page, style, scripts, icon", sent / 1e3)


# --- what the engine does meanwhile


async def _beside(bench: Bench, site: Site) -> Row:
    """Runs in a second with people who browse, against without: in turns, so that noise cancels."""
    count, turns = bench.size(10_000, 500), range(bench.size(6, 2))
    await _drained(count)
    pairs, looked, seconds = [], 0, 0.0
    async with _crowd(site.port, _PEOPLE) as browsers:
        for turn in turns:
            alone = await _drained(count) if turn % 2 else 0.0
            start, over = perf_counter(), asyncio.Event()
            people = [
                asyncio.create_task(_browse(browser, site.mixed, n, over))
                for n, browser in enumerate(browsers)
            ]
            with_people = await _drained(count)
            over.set()
            looked += sum(await asyncio.gather(*people))
            seconds += perf_counter() - start
            pairs.append((with_people, alone or await _drained(count)))
    each = f"{with_people:,.0f} against {alone or pairs[-1][1]:,.0f} runs/s in the last turn"
    bench.notes["browsing"] = f"{looked / seconds:.0f} pages and fragments a second; {each}"
    return FIGURES["runs/s while 20 people browse, against without"].of_pairs(pairs)


async def _browse(browser: Browser, paths: Sequence[str], number: int, over: asyncio.Event) -> int:
    """Page after page, each looked at for a while; how many were fetched."""
    await asyncio.sleep(_THINK * number / _PEOPLE)  # they do not click in time
    fetched = 0
    while not over.is_set():
        fetched += await browser.look(paths[number % len(paths)], _THINK)
        number += 1
    return fetched


async def _drained(count: int) -> float:
    start = perf_counter()
    handles = await one_step.enqueue_many(range(count))
    for handle in handles[-1_000:]:
        await handle.result()
    return count / (perf_counter() - start)
