"""Pages hear of a change within a second, however many are open; a dropped stream catches up."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from tako.web import events, mounted
from tests.support import wait_until
from tests.web.site import Site, site

PEOPLE = ("ana", "bob", "cleo", "vic")


class Stream:
    """An open page, as a browser keeps it: its events, and the id of the last."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.last = ""

    async def event(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            elif name == "data":
                data = json.loads(value)
            elif not line and data:
                return data
        raise AssertionError("the stream ended")

    async def ended(self) -> None:
        async for _ in self._lines:
            pass


@asynccontextmanager
async def listening(client: httpx.AsyncClient, page: str, **headers: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", "/live", params={"page": page}, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Stream(response)


@asynccontextmanager
async def client(here: Site, person: str = "ana") -> AsyncIterator[httpx.AsyncClient]:
    token = await asyncio.to_thread(here.token, person)
    headers = {"authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=here.url, headers=headers, timeout=20, limits=limits
    ) as opened:
        yield opened


async def start(api: httpx.AsyncClient, workflow: str = "wait", payload: Any = "go") -> str:
    sent = await api.post("/api/enqueue", json={"workflow": workflow, "payload": payload})
    run_id: str = sent.json()["run_id"]
    return run_id


def test_a_page_hears_of_its_own_subject_and_of_no_other(here: Site) -> None:
    async def play() -> None:
        async with client(here) as api:
            run_id = await start(api)
            await wait_until(lambda: _state(api, run_id, "waiting"))
            async with listening(api, f"run:{run_id}") as one, listening(api, "runs") as all_:
                assert (await one.event())["page"] and (await all_.event())["page"]
                await start(api, payload="never")
                assert (await all_.event())["page"]
                told = asyncio.ensure_future(one.event())
                await asyncio.wait([told], timeout=1.2)
                assert not told.done()
                await api.post("/api/signal", json={"event": "go", "payload": 1})
                assert (await told)["page"]

    asyncio.run(play())


async def _state(api: httpx.AsyncClient, run_id: str, state: str) -> bool:
    return bool((await api.get(f"/api/runs/{run_id}")).json()["state"] == state)


def test_how_many_wait_is_told_to_each_person_for_themselves(here: Site) -> None:
    async def play() -> None:
        async with (
            client(here) as ana,
            client(here, "cleo") as cleo,
            listening(ana, "runs") as hers,
            listening(cleo, "inbox") as others,
        ):
            before = (await hers.event())["inbox"], (await others.event())["inbox"]
            await start(ana, "ask", {"to": ["cleo"]})
            while (count := (await others.event())["inbox"]) == before[1]:
                pass
            assert count == before[1] + 1
            while (seen := (await hers.event())["inbox"]) is None:
                pass
            assert seen == before[0]

    asyncio.run(play())


def test_a_hundred_open_pages_hear_of_a_change_within_a_second(here: Site) -> None:
    async def play() -> None:
        async with AsyncExitStack() as stack:
            people = [await stack.enter_async_context(client(here, p)) for p in PEOPLE]
            streams = [
                await stack.enter_async_context(listening(people[i % 4], "runs"))
                for i in range(100)
            ]
            await asyncio.gather(*(stream.event() for stream in streams))
            async with listening(people[0], "runs") as watch:
                await watch.event()
                await asyncio.sleep(1)  # each may tell something at once again
                begun = monotonic()
                await start(people[0], payload="never")

                async def told(stream: Stream) -> None:
                    assert (await stream.event())["page"]
                    api = people[streams.index(stream) % 4]
                    region = await api.get("/runs", headers=LIVE | {"Tako-Live": stream.last})
                    assert region.status_code in (200, 404)

                await asyncio.gather(*(told(stream) for stream in streams))
                assert monotonic() - begun < 1.0

    asyncio.run(play())


LIVE = {"HX-Request": "true", "Accept": "text/html"}


def test_a_region_that_is_the_same_for_all_is_made_once_for_all_who_look(here: Site) -> None:
    """By the doors' processor time: a hundred who look at one run cost about what a few do."""
    doors = here.server.doors()

    async def cost(api: httpx.AsyncClient, path: str, times: int, **headers: str) -> float:
        before = doors.cpu_times()
        for _ in range(times):
            page = await api.get(path, headers=LIVE | headers)
            assert page.status_code == 200 and "<html" not in page.text
        after = doors.cpu_times()
        return float(after.user + after.system - before.user - before.system)

    async def play() -> None:
        async with client(here) as api:
            items = [{"n": i, "text": "x" * 20} for i in range(600)]
            run_id = await start(api, "ask", {"body": json.dumps(items)})
            await wait_until(lambda: _state(api, run_id, "waiting"))
            path = f"/runs/{run_id}"
            async with listening(api, f"run:{run_id}") as stream:
                await stream.event()
                fresh = await cost(api, path, 60)
                shared = await cost(api, path, 60, **{"Tako-Live": stream.last})
                assert shared < fresh

    asyncio.run(play())


def test_a_stream_that_was_dropped_comes_back_and_hears_what_it_has_missed(here: Site) -> None:
    async def play() -> None:
        async with client(here) as api, listening(api, "system") as keeper:
            await keeper.event()
            run_id = await start(api, payload="missed")
            await wait_until(lambda: _state(api, run_id, "waiting"))
            async with listening(api, f"run:{run_id}") as stream:
                await stream.event()
                last = stream.last
            await keeper.event()
            await api.post("/api/signal", json={"event": "missed", "payload": 1})
            await wait_until(lambda: _state(api, run_id, "succeeded"))
            async with listening(api, f"run:{run_id}", **{"Last-Event-ID": last}) as stream:
                assert (await asyncio.wait_for(stream.event(), 2))["page"]

    asyncio.run(play())


def test_a_stream_outlives_the_time_that_a_request_may_take(tmp_path: Path) -> None:
    async def play(started: Site) -> None:
        async with client(started) as api, listening(api, "runs") as stream:
            await stream.event()
            await asyncio.sleep(1.2)
            await start(api)
            assert (await stream.event())["page"]

    with site(tmp_path, web='timeout = "1s"') as started:
        asyncio.run(play(started))


def test_a_stream_without_news_gives_signs_of_life(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)

    async def ana(_: Request) -> str:
        return "ana"

    async def play() -> None:
        living = asyncio.Event()

        async def send(message: Message) -> None:
            # With data, if there is nothing in it: or a browser tells its page nothing.
            if message.get("body") == b"event: alive\ndata:\n\n":
                living.set()

        async def receive() -> Message:
            await living.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "path": "/live", "query_string": b"page=system"}
        host = {"headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1)}
        await asyncio.wait_for(mounted(here.app.dir, who=ana)(scope | host, receive, send), 20)

    asyncio.run(play())


def test_a_server_that_stops_ends_the_streams_first(tmp_path: Path) -> None:
    async def play(started: Site) -> None:
        async with client(started) as api, listening(api, "inbox") as stream:
            await stream.event()
            started.server.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(stream.ended(), 4)

    with site(tmp_path) as started:
        asyncio.run(play(started))
        assert started.server.process.wait(15) == 0


@pytest.mark.parametrize(
    ("person", "page", "status"),
    [
        (None, "runs", 401),
        ("zoe", "runs", 403),
        ("zoe", "run:x", 403),
        ("ana", "", 400),
        ("ana", "run:", 400),
        ("ana", "secrets", 400),
        ("ana", "run:" + "x" * 201, 400),
    ],
)
def test_only_viewers_hear_and_only_of_what_there_is(
    here: Site, person: str | None, page: str, status: int
) -> None:
    with here.client(person) as api:
        assert api.get("/live", params={"page": page}).status_code == status


def test_who_opens_too_many_is_told_to_wait(here: Site) -> None:
    async def play() -> None:
        async with AsyncExitStack() as stack:
            api = await stack.enter_async_context(client(here, "bob"))
            streams = []
            for _ in range(100):
                streams.append(await stack.enter_async_context(listening(api, "system")))
                await streams[-1].event()
            refused = await api.get("/live", params={"page": "system"})
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0

    asyncio.run(play())
