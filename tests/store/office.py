"""An office of people, and a store in which runs ask them: for tests of approvals."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tako.audit import START, check_end, verify
from tako.commands import (
    ClaimedRun,
    Command,
    CountApprovals,
    Delegate,
    Error,
    ListApprovals,
    ListRuns,
    Park,
    ReadAudit,
)
from tako.config import RolesConfig
from tako.model import Approval, Channel, Moment
from tako.people import Directory, Person
from tako.store import open_store
from tests.store.asking import actor, approval, asking, deciding, record
from tests.store.driver import Driver

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAIL = Channel("name", "mail", True)  # each person with a link of their own
SLACK = Channel("url", "slack://x/y/z", False)  # one message for all who read it

FORM = json.dumps(
    {
        "type": "object",
        "properties": {"cents": {"type": "integer"}, "why": {"type": "string"}},
        "required": ["cents"],
        "additionalProperties": False,
    }
)

STAFF = (
    Person(id="ana", email="ana@shop.test", aliases=("a.silva",), groups=("finance",)),
    Person(id="ben", email="ben@shop.test", groups=("finance",)),
    Person(id="cleo"),
    Person(id="dan", groups=("leads",)),
    Person(id="eve", groups=("leads", "finance")),
)
ROLES = RolesConfig(approver=("ana", "ben", "cleo", "group:leads"), viewer=("*",))


class Office(Driver):
    """A driver whose people can change while it is open."""

    def __init__(self, path: Path, runner: asyncio.Runner) -> None:
        self.people = Directory(STAFF, ROLES)
        super().__init__(lambda: open_store(path, people=lambda: self.people), runner)

    def claim(self, limit: int = 1, worker: str = "a", **options: Any) -> list[ClaimedRun]:
        """Leases hold for long: time passes while people think."""
        return super().claim(limit, worker, **{"lease": 100 * DAY, **options})

    # --- asking

    def ask(self, approval_id: str = "a1", *, parked: bool = True, **options: Any) -> ClaimedRun:
        """A new run that asks; without ``parked`` it stays with its worker, and may ask again."""
        start = {key: options.pop(key) for key in ("workflow", "group") if key in options}
        run = self.start(**start)
        question = asking(run, approval_id, **options)
        batch: list[Command] = [
            question,
            *([Park(run.id, run.lease_id, [question.name])] if parked else []),
        ]
        for reply in self.batch(*batch):
            assert not isinstance(reply, Error), reply
        return run

    def again(self, run: ClaimedRun, approval_id: str = "again", **options: Any) -> Any:
        """The reply when the run, which its worker holds, asks as its code does now."""
        return self.do(asking(run, approval_id, **options))

    # --- answering

    def decide(self, by: str = "ana", answer: str = "approve", **options: Any) -> Approval:
        """The approval once an answer counts."""
        options.setdefault("actor", actor(by, options.pop("channel", "page")))
        decided: Approval = self.do(deciding(self, answer, **options)).approval
        return decided

    def no(self, by: str = "ana", answer: str = "approve", **options: Any) -> str:
        """The code with which an answer is refused."""
        return self.refused(deciding(self, answer, by, **options))

    def no_detail(self, by: str = "ana", answer: str = "approve", **options: Any) -> dict[str, Any]:
        (reply,) = self.batch(deciding(self, answer, by, **options))
        assert isinstance(reply, Error), reply
        detail: dict[str, Any] = json.loads(reply.detail or "{}")
        return {"code": reply.code, **detail}

    def delegate(self, by: str, to: str, approval_id: str = "a1") -> Approval:
        found: Approval = self.do(Delegate(approval_id, to, actor(by))).approval
        return found

    def no_delegate(self, by: str, to: str, approval_id: str = "a1") -> str:
        return self.refused(Delegate(approval_id, to, actor(by)))

    # --- what is there

    def approval(self, approval_id: str = "a1") -> Approval:
        return approval(self, approval_id)

    def outcome(self, approval_id: str = "a1") -> tuple[str, str | None, str | None]:
        """State, outcome and who decided."""
        found = self.approval(approval_id)
        return str(found.state), found.outcome, found.decided_by

    def decision(self, run: ClaimedRun, name: str = "ok") -> Any:
        """The saved decision that the handler gets."""
        outcome, value = self.step(run, name)
        assert outcome == "ok"
        return json.loads(value or "")

    def inbox(self, person: str, *groups: str) -> list[str]:
        """The ids of what waits for this person's answer; they are as many as are counted."""
        listed = self.do(ListApprovals(person=person, groups=groups))
        assert self.do(CountApprovals(person, groups)).count == len(listed.approvals)
        return [approval.id for approval in listed.approvals]

    def kinds(self, approval_id: str = "a1") -> list[str]:
        """What the record tells of an approval."""
        return [row.kind for row in record(self, approval_id)]

    def details(self, kind: str, approval_id: str = "a1") -> list[Any]:
        rows = record(self, approval_id)
        return [json.loads(row.detail or "null") for row in rows if row.kind == kind]

    def notices(self, workflow: str = "tako.notify") -> list[tuple[str, str | None, str]]:
        """Kind, person and channel of each message that is to be sent, in their order."""
        runs = self.do(ListRuns(workflow=workflow, limit=1000)).runs
        told = [json.loads(run.payload) for run in reversed(runs)]
        return [(told["kind"], told["person"], told["channel"][1]) for told in told]

    def told(self, kind: str) -> list[str | None]:
        """Who gets a message of this kind."""
        return [person for told, person, _ in self.notices() if told == kind]

    def check_sound(self) -> None:
        """What holds after whatever happened: an unbroken record, and no approval left alone."""
        page = self.do(ReadAudit(limit=100_000))
        assert verify(page.rows, (0, START)) == []
        assert check_end(page.rows[-1].seq if page.rows else 0, page.written) == []
        every: list[Approval] = self.do(ListApprovals(state=None, limit=10_000)).approvals
        still_open = {(found.run_id, found.name) for found in every if found.state == "open"}
        for run_id in {found.run_id for found in every}:
            waiting = {(run_id, w.name) for w in self.waiters(run_id) if w.kind == "approval"}
            assert waiting == {key for key in still_open if key[0] == run_id}


def after(ms: int) -> Moment:
    return Moment("after", ms)


def before(ms: int) -> Moment:
    return Moment("before", ms)
