"""A thousand answers to one approval at the same moment: one counts, the others are told so."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import free_port, make_app, server
from tests.web.site import WORKFLOWS, Site, ask, ended

TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "proxy"

    [web.proxy]
    trusted = ["127.0.0.1"]

    [roles]
    approver = ["*"]
    operator = ["ana"]
"""


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    toml = TOML.replace("{port}", str(free_port()))
    app = make_app(tmp_path_factory.mktemp("crowd"), {"workflows/all.py": WORKFLOWS}, toml=toml)
    with server(app) as started:
        started.wait_http()
        yield Site(app, started)


def test_of_a_thousand_answers_one_wins_and_999_are_told_who(here: Site) -> None:
    with httpx.Client(base_url=here.url, headers={"x-forwarded-user": "ana"}) as api:
        approval_id = ask(api, exclude=["ana"])
        replies = asyncio.run(_all_at_once(here, f"/api/approvals/{approval_id}/answer", 1000))
        assert Counter(status for status, _ in replies) == {200: 1, 409: 999}
        (winner,) = (said for status, said in replies if status == 200)
        first = {(s["type"], s["by"]) for status, s in replies if status == 409}
        assert first == {("tako:already_decided", winner["decided_by"])}
        rows = api.get(f"/api/approvals/{approval_id}/history").json()["rows"]
        kinds = Counter(row["kind"] for row in rows)
        assert (kinds["answered"], kinds["decided"]) == (1, 1)
        run = ended(api, winner["run_id"])
        assert run["result"] == ["approve", winner["decided_by"], "api"]


async def _all_at_once(here: Site, path: str, many: int) -> list[tuple[int, Any]]:
    """Status and JSON of each reply; bare sockets, for a client of this size is slow."""
    url = httpx.URL(here.url)
    peers = [await asyncio.open_connection(url.host, url.port) for _ in range(many)]
    body = b'{"answer": "approve"}'
    for number, (_, writer) in enumerate(peers):
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"X-Forwarded-User: p{number}\r\n\r\n".encode()
            + body
        )
    return await asyncio.gather(*(_reply(reader, writer) for reader, writer in peers))


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, Any]:
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)
