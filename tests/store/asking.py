"""People, and runs that ask them, for tests of the store."""

import asyncio
from pathlib import Path
from typing import Any

from tako.commands import Ask, ClaimedRun, Decide, GetApproval, Park, ReadAudit
from tako.config import RolesConfig
from tako.model import Actor, Approval, AuditRow, Moment, Question
from tako.people import Directory, Person
from tako.store import open_store
from tests.store.driver import Driver

PEOPLE = Directory(
    [
        Person(id="ana", email="ana@shop.test", aliases=("a.silva",), groups=("finance",)),
        Person(id="ben", groups=("finance",)),
        Person(id="cleo"),
        Person(id="dan"),
    ],
    RolesConfig(approver=("ana", "ben", "cleo"), viewer=("dan",)),
)


def driver_with_people(path: Path, runner: asyncio.Runner, people: Directory = PEOPLE) -> Driver:
    return Driver(lambda: open_store(path, people=lambda: people), runner)


def actor(person: str = "ana", channel: str = "page", **options: Any) -> Actor:
    return Actor(person, **{"auth": "password", "channel": channel, **options})


def asking(run: ClaimedRun, approval_id: str, **options: Any) -> Ask:
    """An Ask; what is not said is a question to everyone, without a deadline."""
    timeout = options.pop("timeout", None)
    deadline = None if timeout is None else Moment("after", timeout)
    name = options.pop("name", "ok")
    reuse = options.pop("reuse", True)
    question = Question(**{"title": "Ship it?", **options})
    lease = (run.id, run.lease_id)
    return Ask(*lease, name, approval_id, question, deadline, run.attempt, reuse)


def asked(driver: Driver, approval_id: str = "a1", **options: Any) -> Approval:
    """An open approval of a run that is parked on it."""
    run = driver.start(options.pop("workflow", approval_id))  # so that no other run is claimed
    ask = asking(run, approval_id, **options)
    driver.batch(ask, Park(run.id, run.lease_id, [ask.name]))
    return approval(driver, approval_id)


def approval(driver: Driver, approval_id: str = "a1") -> Approval:
    found: Approval = driver.do(GetApproval(approval_id)).approval
    return found


def deciding(driver: Driver, answer: str = "approve", by: str = "ana", **options: Any) -> Decide:
    who = options.pop("actor", None) or actor(by)
    return Decide(driver.new("decide"), options.pop("id", "a1"), answer, who, **options)


def record(driver: Driver, approval_id: str | None = None) -> list[AuditRow]:
    rows: list[AuditRow] = driver.do(ReadAudit(approval_id, limit=10_000)).rows
    return rows


def kinds(driver: Driver, approval_id: str | None = None) -> list[str]:
    return [row.kind for row in record(driver, approval_id)]
