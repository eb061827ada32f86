"""A thousand answers to one approval at the same moment: one counts, the others are told so."""

import asyncio
from collections import Counter
from collections.abc import Iterator

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
        statuses = Counter(reply.status_code for reply in replies)
        assert statuses == {200: 1, 409: 999}
        (winner,) = (reply.json() for reply in replies if reply.status_code == 200)
        for reply in replies:
            said = reply.json()
            if reply.status_code == 409:
                assert (said["type"], said["by"]) == ("tako:already_decided", winner["decided_by"])
        rows = api.get(f"/api/approvals/{approval_id}/history").json()["rows"]
        kinds = Counter(row["kind"] for row in rows)
        assert (kinds["answered"], kinds["decided"]) == (1, 1)
        run = ended(api, winner["run_id"])
        assert run["result"] == ["approve", winner["decided_by"], "api"]


async def _all_at_once(here: Site, path: str, many: int) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=here.url, limits=limits, timeout=60) as client:
        posts = (
            client.post(path, json={"answer": "approve"}, headers={"x-forwarded-user": f"p{n}"})
            for n in range(many)
        )
        return await asyncio.gather(*posts)
