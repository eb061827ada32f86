"""An app with people and HTTP doors, behind a real server, and programs that call its API."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tako import reach
from tako.bearers import TOKEN, hash_of, new_secret
from tako.clock import now_ms
from tako.commands import Grant, Ok
from tako.config import load_app
from tako.ids import new_id
from tako.model import Credential
from tests.support import AppFixture, ServerProcess, free_port, make_app, server, wait_until

WORKFLOWS = """
    from dataclasses import dataclass

    from tako import Step, workflow


    @dataclass
    class Amount:
        amount: int
        why: str = ""


    def tell(notice: object) -> None:
        print(notice)


    @workflow("ask")
    async def ask(payload: dict[str, object], step: Step) -> object:
        form = Amount if payload.pop("form", False) else None
        if payload.pop("tell", False):
            payload["notify"] = [tell]
        decision = await step.approval("sign", title="Sign?", form=form, **payload)
        return None if decision is None else [decision.outcome, decision.by, decision.channel]


    @workflow("typed")
    async def typed(payload: Amount, step: Step) -> int:
        return payload.amount


    @workflow("wait")
    async def wait(payload: str, step: Step) -> object:
        await step.run("first", str, payload)
        return await step.wait_for(payload)


    @workflow("fail", retries=0)
    async def fail(payload: object, step: Step) -> None:
        await step.run("ok", dict, {"a": 1})
        raise ValueError(payload)
"""

PEOPLE = """
    [ana]
    name = "Ana Admin"
    email = "ana@example.com"
    groups = ["finance"]
    aliases = ["boss"]

    [bob]
    name = "Bob Builder"
    groups = ["finance"]

    [cleo]
    [vic]
    [zoe]
"""

TOML = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "users"
    {web}

    [roles]
    viewer = ["vic"]
    approver = ["group:finance", "cleo"]
    operator = ["ana"]
"""


@dataclass
class Site:
    """``operator`` is ana; bob and cleo are approvers, vic a viewer, zoe has no role."""

    app: AppFixture
    server: ServerProcess

    @property
    def url(self) -> str:
        return self.app.url

    @property
    def listen(self) -> str:
        """Where the port is, whatever ``url`` says."""
        return str(self.app.web["listen"])

    def token(self, person: str = "ana", *scopes: str, ttl: float = 3600.0) -> str:
        """An API token of ``person``; without ``scopes`` it may all that they may."""
        now = now_ms()
        credential = Credential(
            id=new_id(),
            kind="token",
            person=person,
            auth="token",
            groups=(),
            scopes=scopes or ("operator",),
            name="test",
            created_at=now,
            expires_at=now + round(ttl * 1000),
        )
        secret = new_secret(TOKEN)
        asyncio.run(reach.ask(load_app(self.app.dir), Grant(hash_of(secret), credential), Ok))
        return secret

    def client(self, person: str | None = "ana", *scopes: str) -> httpx.Client:
        """A program that acts for ``person``; None: for nobody."""
        headers = {}
        if person is not None:
            headers["authorization"] = f"Bearer {self.token(person, *scopes)}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)


@contextmanager
def site(
    folder: Path, *, web: str = "", toml: str = "", listen: int | None = None
) -> Iterator[Site]:
    """A server for the length of a test or a module. ``web``: more lines of the table [web]."""
    files = {"workflows/all.py": WORKFLOWS, "people.toml": PEOPLE}
    text = TOML.replace("{port}", str(listen or free_port())).replace("{web}", web)
    app = make_app(folder, files, toml=text + toml)
    with server(app) as started:
        started.wait_http()
        yield Site(app, started)


def ask(api: httpx.Client, **question: Any) -> str:
    """Start a run that asks, and return the id of the approval once it is asked."""
    run_id = api.post("/api/enqueue", json={"workflow": "ask", "payload": question}).json()[
        "run_id"
    ]
    return asked(api, run_id)


def asked(api: httpx.Client, run_id: str) -> str:
    def there() -> str | None:
        page = api.get("/api/approvals", params={"run": run_id}).json()
        return page["approvals"][0]["id"] if page["approvals"] else None

    return str(asyncio.run(wait_until(there, what=f"an approval of run {run_id}")))


def ended(api: httpx.Client, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""

    def there() -> dict[str, Any] | None:
        run: dict[str, Any] = api.get(f"/api/runs/{run_id}").json()
        return run if run["finished_at"] else None

    found: dict[str, Any] = asyncio.run(wait_until(there, what=f"the end of run {run_id}"))
    return found


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of a response, which is as RFC 9457 has it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"tako:{code}"
    assert found["status"] == status
    assert found["title"] and found["detail"]
    assert found["instance"] == response.request.url.path
    return found


def enqueue(api: httpx.Client, workflow: str, payload: object = None, **more: Any) -> str:
    body = {"workflow": workflow, "payload": payload, **more}
    response = api.post("/api/enqueue", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["run_id"])
