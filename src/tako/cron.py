"""Cron rules: what they say, when they come, and which run stands for which moment.

Pure functions of a rule, a zone and a moment; the rules themselves are those of the library
cronsim, which follows Debian's cron. Times are milliseconds since the epoch.
"""

import re
from bisect import bisect_left
from datetime import UTC, datetime
from math import inf

import msgspec
from cronsim import CronSim, CronSimError

from tako.checks import LONGEST_ID
from tako.durations import moment_ms, moment_of, zone_of
from tako.ids import same_id

_LONGEST_RULE = 200  # characters
_SECOND = 1000
_SOME_TIME = 946_684_800_000  # 2000-01-01: what a rule is tried at
_TH = re.compile(r"\b([2-5][123])th\b")  # so cronsim counts: 31th
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMP_SIZE = len("20000101T000000Z")


def check(rule: str, zone: str) -> None:
    """Raises TypeError or ValueError, which shows the rule and says what is wrong with it."""
    for what, text in (("rule", rule), ("zone", zone)):
        if not isinstance(text, str):
            raise TypeError(f"a schedule's {what} must be a text, not {text!r}")
    if len(rule) > _LONGEST_RULE:
        raise ValueError(f"schedule {rule[:40]!r}... is longer than {_LONGEST_RULE} characters")
    if following(rule, zone, _SOME_TIME) is None:
        raise ValueError(f"schedule {rule!r} never comes: no day is as it says")


def following(rule: str, zone: str, after: int) -> int | None:
    """The first moment of a rule after ``after``; None: there is none within 50 years.

    Raises ValueError: it is no rule, there is no such zone, or the end of all times is near.
    """
    try:
        here = moment_of(after).astimezone(zone_of(zone, f"schedule {rule!r}"))
        for found in CronSim(rule, here):
            at = moment_ms(found, "a moment")
            if at > after:  # an hour that comes twice: cronsim may be in its first, we are not
                return at
    except CronSimError as error:
        raise ValueError(
            f"schedule {rule!r} is no cron rule ({_lower(str(error))}): write minute, hour, "
            'day-of-month, month and day-of-week, such as "0 3 * * 1-5"'
        ) from None
    except OverflowError as error:
        raise ValueError(f"schedule {rule!r}: {error}") from error
    return None


def due(rule: str, zone: str, first: int, now: int) -> tuple[int, int | None]:
    """The last moment up to ``now``, and the one that follows it; ``first`` is one that has come.

    By bisection, which looks at few of them: a server may have been away for a year. Raises
    ValueError, as `following` does.
    """
    upcoming = following(rule, zone, first)
    if upcoming is None or upcoming > now:
        return first, upcoming
    seconds = range(upcoming // _SECOND, now // _SECOND + 1)
    last = bisect_left(
        seconds, True, key=lambda s: (following(rule, zone, s * _SECOND) or inf) > now
    )
    at = following(rule, zone, (seconds[last] - 1) * _SECOND)
    assert at is not None, "`upcoming` is one"
    return at, following(rule, zone, at)


def in_words(rule: str) -> str:
    """What a rule means, such as "At 03:00 on Monday through Friday"; "" if it is not known."""
    try:
        said = CronSim(rule, moment_of(_SOME_TIME)).explain()
    except CronSimError:  # of a worker with another version of cronsim
        return ""
    return _TH.sub(lambda m: m[1] + {"1": "st", "2": "nd", "3": "rd"}[m[1][-1]], said)


def moment_json(at: int, zone: str) -> str:
    """The payload of a run whose schedule has none: what `tako.Scheduled` is read from."""
    here = moment_of(at).astimezone(zone_of(zone, "schedule"))
    return msgspec.json.encode({"at": here}).decode()


def run_id_of(workflow: str, at: int) -> str:
    """The id of the run that stands for a moment of a workflow's schedule: always the same."""
    name, room = workflow, LONGEST_ID - _STAMP_SIZE - 1
    if len(name) > room:
        digest = same_id(workflow)
        name = f"{workflow[: room - len(digest) - 1]}-{digest}"
    return f"{name}-{moment_of(at).strftime(_STAMP)}"


def moment_of_run(run_id: str, workflow: str) -> int | None:
    """The moment of its workflow's schedule that a run stands for, if it does for one."""
    try:
        found = datetime.strptime(run_id[-_STAMP_SIZE:], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    at = moment_ms(found, "a moment")
    return at if run_id == run_id_of(workflow, at) else None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
