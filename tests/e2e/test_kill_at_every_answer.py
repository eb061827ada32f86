"""kill -9 of worker, server and both, and a connection that breaks, while people are asked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tako import approvals, links, reach
from tako.audit import check_end, verify
from tako.commands import AuditPage, ReadAudit
from tests.e2e.proxy import Moment
from tests.e2e.test_kill_at_every_command import VICTIMS, Night, enqueued, nights
from tests.support import in_state

T = TypeVar("T")

FILES = {
    "workflows/trip.py": """
        from tako import Step, workflow
        import tell


        @workflow("trip", retries=3, backoff=0.01)
        async def trip(payload: str, step: Step) -> list:
            decision = await step.approval(
                "ok", title="Go?", to=["ana", "ben"], quorum=2, notify=[tell.tell])
            return [decision.outcome, decision.by, [a.person for a in decision.answers]]
    """,
    "tell.py": """
        from note import note

        def tell(notice):
            note(f"{notice.kind} {notice.person.id}")
    """,
}
COMMANDS = ["Ask", "Told", "MintLink", "Delegate", "Remind", "Decide", "Decide#2"]
ONCE = {"asked": 1, "delegated": 1, "reminded": 1, "answered": 2, "decided": 1}


class Trip(Night):
    """Two are asked, one of them by a link, the other delegates; both approve."""

    async def do(self, call: Callable[..., Coroutine[Any, Any, T]], *args: Any, **more: Any) -> T:
        self.scene.configure()  # other stories are played beside this one
        return await call(*args, **more)

    async def story(self) -> list[str]:
        handle = await enqueued(self.scene, "trip", "")
        result = asyncio.ensure_future(handle.result(timeout=60))
        await in_state(handle, "waiting")
        (asked,) = await self.do(approvals.list, run_id=handle.id)
        await self.told("asked ana", "asked ben")  # what is over is not told any more
        await self.do(links.mint, asked.id, "ana")
        await self.do(approvals.delegate, asked.id, "cleo", by="ben")
        await self.told("asked cleo")
        reminded = await self.do(approvals.remind, asked.id, by="dan")
        await self.told("reminded ana", "reminded cleo")
        await self.do(approvals.approve, asked.id, by="ana")
        await self.do(approvals.approve, asked.id, by="cleo")
        expected = ["approve", "cleo", ["ana", "cleo"]]
        faults = [] if await result == expected else [f"the result is {result}"]
        if reminded != ("ana", "cleo"):
            faults.append(f"reminded were {reminded}")
        return faults + await self.check_record(asked.id)

    async def told(self, *lines: str) -> None:
        for line in lines:
            await self.scene.noted(line)

    async def check_record(self, approval_id: str) -> list[str]:
        history = await self.do(approvals.history, approval_id)
        found = Counter(row.kind for row in history)
        faults = [f"{k}: {found[k]} times" for k, once in ONCE.items() if found[k] != once]
        if found["refused"]:
            faults.append("what was sent again was refused")
        self.scene.configure()
        page: AuditPage = await reach.ask(reach.app_of(), ReadAudit(limit=10_000), AuditPage)
        return faults + verify(page.rows, page.base) + check_end(page.rows[-1].seq, page.written)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_people_do_survives_a_kill_at_every_command(
    victim: str, when: str, tmp_path: Path
) -> None:
    moments = [Moment(label, when) for label in COMMANDS]
    assert await nights(tmp_path, FILES, Trip, victim, moments) == ""
