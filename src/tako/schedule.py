"""What people write to have runs started by the clock, and what such a run is given."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any

from tako import codec, cron
from tako.errors import CodecError
from tako.model import Schedule

_ITS_MOMENT: Any = type("ItsMoment", (), {"__repr__": lambda _: "its moment"})()


@dataclass(frozen=True)
class Scheduled:
    """The payload of a run that a schedule without a payload of its own has started.

    ``at`` is the moment that the run stands for, with the offset of the schedule's zone. The run
    may start later: no worker was free, or the server was away.
    """

    at: datetime


@dataclass(frozen=True)
class Cron:
    """When a workflow runs by itself: ``@workflow("nightly", schedule=Cron("0 3 * * 1-5"))``.

    Args:
        rule: minute, hour, day of month, month, day of week, as in cron; with six fields the first
            is the second.
        zone: the IANA time zone of the rule, such as "Europe/Zurich".
        payload: what each run is given; without one it is `Scheduled`.

    Raises:
        TypeError: the rule or the zone is no text.
        ValueError: it is no cron rule, one that never comes, or there is no such zone.
    """

    rule: str
    _: KW_ONLY
    zone: str = "UTC"
    payload: Any = _ITS_MOMENT

    def __post_init__(self) -> None:
        cron.check(self.rule, self.zone)


def to_cron(schedule: Cron | str) -> Cron:
    """What a ``schedule=`` option means. Raises TypeError, and what `Cron` raises."""
    if isinstance(schedule, Cron):
        return schedule
    if isinstance(schedule, str):
        return Cron(schedule)
    raise TypeError(
        f'schedule must be a cron rule such as "0 3 * * *", or a tako.Cron, not {schedule!r}'
    )


def to_schedule(given: Cron, workflow: str, payload_type: Any) -> Schedule:
    """What a worker tells the server. Raises CodecError: the handler does not take the payload."""
    what = f"the payload of the schedule of workflow {workflow!r}"
    if given.payload is not _ITS_MOMENT:
        payload = codec.encode(given.payload, what=what)
        codec.decode(payload, payload_type, what=what)
        return Schedule(given.rule, given.zone, payload)
    try:
        codec.decode(cron.moment_json(0, given.zone), payload_type, what=what)
    except CodecError as error:
        raise CodecError(
            f"{error}; without a payload= in its Cron a run is given a tako.Scheduled"
        ) from error
    return Schedule(given.rule, given.zone)
