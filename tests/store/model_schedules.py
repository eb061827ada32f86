"""Schedules in plain Python: rules so simple that when they come is a matter of arithmetic.

Written from docs/schedules.md; nothing of `tako.cron` or of the library under it is used.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from tako.model import Schedule, WorkflowInfo

SECOND = 1000  # ms

# Each so many seconds, from this one after 1970 on; None: the server understands no such rule.
COMES: dict[tuple[str, str], tuple[int, int] | None] = {
    ("* * * * * *", "UTC"): (1, 0),
    ("*/2 * * * * *", "UTC"): (2, 0),
    ("*/5 * * * * *", "UTC"): (5, 0),
    ("30 * * * * *", "UTC"): (60, 30),
    ("0 * * * *", "UTC"): (3_600, 0),
    ("0 * * * *", "Asia/Kolkata"): (3_600, 1_800),  # 5:30 ahead
    ("0 3 * * *", "Asia/Kolkata"): (86_400, 77_400),
    ("0 3 * * *", "Mars/Olympus"): None,
}
AHEAD = {"UTC": "Z", "Asia/Kolkata": "+05:30"}


def last_up_to(schedule: Schedule, now: int) -> int | None:
    """The last moment of a rule that is not after ``now``."""
    comes = COMES[schedule.rule, schedule.zone]
    if comes is None:
        return None
    every, phase = comes[0] * SECOND, comes[1] * SECOND
    return now - (now - phase) % every


def first_after(schedule: Schedule, now: int) -> int | None:
    comes, last = COMES[schedule.rule, schedule.zone], last_up_to(schedule, now)
    return None if comes is None or last is None else last + comes[0] * SECOND


def run_id_of(workflow: str, at: int) -> str:
    return f"{workflow}-{datetime.fromtimestamp(at / SECOND, UTC):%Y%m%dT%H%M%SZ}"


def payload_of(schedule: Schedule, at: int) -> str:
    if schedule.payload is not None:
        return schedule.payload
    ahead = AHEAD[schedule.zone]
    shift = 0 if ahead == "Z" else 19_800
    there = datetime.fromtimestamp(at / SECOND + shift, UTC)
    return f'{{"at":"{there:%Y-%m-%dT%H:%M:%S}{ahead}"}}'


class ModelSchedules:
    """What is known of each workflow's schedule."""

    def __init__(self) -> None:
        self.known: dict[str, Schedule] = {}

    def told(self, workflows: Iterable[WorkflowInfo], now: int) -> None:
        """A rule that stays as it is keeps its next moment; another one counts from now."""
        for info in workflows:
            before, given = self.known.pop(info.name, None), info.schedule
            if given is None:
                continue
            upcoming, last = first_after(given, now), None
            if before is not None:
                last = before.last_at
                if (before.rule, before.zone) == (given.rule, given.zone):
                    upcoming = before.next_at
            self.known[info.name] = replace(given, next_at=upcoming, last_at=last)

    def keep(self, workflows: Iterable[str]) -> None:
        """The others are gone from the code."""
        self.known = {name: self.known[name] for name in workflows if name in self.known}

    def due(self, now: int, limit: int) -> list[tuple[str, Schedule, int]]:
        """Each that is due, with the last moment that has come; its next one is after now."""
        late = sorted(
            (s.next_at, name) for name, s in self.known.items() if s.next_at and s.next_at <= now
        )
        found = []
        for _, name in late[:limit]:
            schedule = self.known[name]
            at = last_up_to(schedule, now)
            assert at is not None, "it has a next moment"
            upcoming = first_after(schedule, now)
            self.known[name] = replace(schedule, next_at=upcoming, last_at=at)
            found.append((name, schedule, at))
        return found
