"""An app with runs of all kinds, for the pages that show runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tako
from tako.connections import run_sync
from tests.support import AppFixture, free_port, in_state, make_app, server
from tests.web.browser import Visitor

WORKFLOWS = """
    import asyncio

    from tako import Step, workflow


    @workflow("count")
    async def count(payload: dict[str, int], step: Step) -> int:
        steps = payload["steps"]
        for first in range(0, steps, 10):  # of 10 at a time a few are one commit
            some = range(first, min(first + 10, steps))
            await asyncio.gather(*(step.run(f"fetch-{n}", str, n) for n in some))
        return steps


    @workflow("wait")
    async def wait(payload: str, step: Step) -> object:
        await step.run("first", str, payload)
        return await step.wait_for(payload)


    @workflow("big")
    async def big(payload: list[str], step: Step) -> None:
        await step.run("size", len, payload)


    @workflow("fail", retries=0)
    async def fail(payload: str, step: Step) -> None:
        await step.run("ok <b>", str, payload)
        await step.run("broken", int, payload)


    def tell(notice: object) -> None:
        print(notice)


    @workflow("tell")
    async def tells(payload: str, step: Step) -> str:
        asked = await step.approval("sign", title=payload, to=["ana"], notify=[tell])
        return asked.outcome


    @workflow("ask")
    async def ask(payload: str, step: Step) -> str:
        return (await step.approval("sign", title=payload)).outcome
"""

TOML = """
    [web]
    listen = "127.0.0.1:{port}"

    [defaults]
    max_value = 4000000

    [roles]
    viewer = ["vic"]
    operator = ["ana"]
"""


@dataclass
class Ledger:
    app: AppFixture

    @property
    def url(self) -> str:
        return self.app.url

    def start(self, workflow: str, payload: object, state: str = "", **options: Any) -> str:
        """A run, once it is in ``state``; its id."""
        handle = tako.enqueue_sync(workflow, payload, **options)
        if state:
            run_sync(in_state(handle, state, 120))  # 10,000 steps on a busy machine
        return handle.id

    @contextmanager
    def visitor(self, name: str = "ana") -> Iterator[Visitor]:
        with Visitor(self.url) as visitor:
            visitor.log_in(name)
            yield visitor


@contextmanager
def ledger(folder: Path) -> Iterator[Ledger]:
    toml = TOML.replace("{port}", str(free_port()))
    app = make_app(folder, {"workflows/all.py": WORKFLOWS}, toml=toml)
    with server(app) as started:
        started.wait_http()
        tako.configure(app=app.dir, patience=20)
        yield Ledger(app)
