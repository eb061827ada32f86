"""What people write to have a workflow run by itself, and what is refused when it is loaded."""

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import pytest

from tako import Cron, Scheduled, workflow
from tako.errors import CodecError, TooLarge
from tako.model import Schedule
from tests.worker.test_discovery import discovered


@dataclass
class Report:
    region: str


def scheduled(annotation: Any, schedule: Any) -> Schedule | None:
    """What a workflow with a handler of this payload says of its schedule."""

    async def handler(payload: Any, step: Any) -> None: ...

    handler.__annotations__["payload"] = annotation
    found: Any = workflow("nightly", schedule=schedule)(handler)
    told: Schedule | None = found.info().schedule
    return told


def test_a_text_is_a_rule_in_utc() -> None:
    assert scheduled(Scheduled, "0 3 * * *") == Schedule("0 3 * * *", "UTC", None)


def test_no_schedule_is_none() -> None:
    assert scheduled(int, None) is None


def test_a_payload_goes_through_the_type_of_the_handler() -> None:
    given = Cron("0 3 * * 1-5", zone="Europe/Zurich", payload=Report("west"))
    told = Schedule("0 3 * * 1-5", "Europe/Zurich", '{"region":"west"}')
    assert scheduled(Report, given) == told
    assert scheduled(None, Cron("0 3 * * *", payload=None)) == Schedule("0 3 * * *", "UTC", "null")


@pytest.mark.parametrize("annotation", [Any, dict[str, Any], Scheduled, Scheduled | None])
def test_without_a_payload_whatever_takes_a_moment_does(annotation: Any) -> None:
    assert scheduled(annotation, "0 3 * * *") == Schedule("0 3 * * *")


@pytest.mark.parametrize(
    ("annotation", "schedule", "says"),
    [
        (Report, Cron("0 3 * * *", payload={"region": 3}), r"schedule of workflow 'nightly'.*str"),
        (Report, Cron("0 3 * * *", payload=object()), "cannot be saved"),
        (int, Cron("0 3 * * *", payload="x" * 2_000_000), "over the limit"),
        (int, "0 3 * * *", r"'nightly' does not fit int.*given a tako\.Scheduled"),
        (None, "0 3 * * *", r"given a tako\.Scheduled"),
        (Report, "0 3 * * *", r"region.*given a tako\.Scheduled"),
    ],
)
def test_a_payload_that_the_handler_does_not_take_is_refused_by_name(
    annotation: Any, schedule: Any, says: str
) -> None:
    with pytest.raises((CodecError, TooLarge), match=says):
        scheduled(annotation, schedule)


@pytest.mark.parametrize("schedule", [3, True, ["0 3 * * *"], b"0 3 * * *", Schedule("0 3 * * *")])
def test_what_is_no_schedule_is_refused(schedule: Any) -> None:
    with pytest.raises(TypeError, match="must be a cron rule"):
        scheduled(Scheduled, schedule)


def test_a_bad_rule_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"schedule '0 25 \* \* \*' is no cron rule \(bad hour\)"):
        Cron("0 25 * * *")
    with pytest.raises(ValueError, match="'Europe/Atlantis' is no time zone"):
        Cron("0 3 * * *", zone="Europe/Atlantis")
    with pytest.raises(ValueError, match="never comes"):
        workflow("nightly", schedule="0 0 */31 2 1#5")(lambda payload, step: None)


def test_a_cron_cannot_be_changed_and_shows_what_it_is() -> None:
    rule: Any = Cron("0 3 * * *", zone="Europe/Berlin")
    with pytest.raises(FrozenInstanceError):
        rule.zone = "UTC"
    assert repr(rule) == "Cron(rule='0 3 * * *', zone='Europe/Berlin', payload=its moment)"
    assert rule == Cron("0 3 * * *", zone="Europe/Berlin")


def test_a_module_whose_schedule_is_wrong_does_not_load_and_the_others_do(tmp_path: Path) -> None:
    text = """
        from tako import Cron, workflow

        @workflow("{name}", schedule={schedule})
        async def handler(payload: int, step) -> None: ...
    """
    files = {
        "workflows/good.py": text.format(name="good", schedule="Cron('0 3 * * *', payload=3)"),
        "workflows/rule.py": text.format(name="rule", schedule="'0 3 * *'"),
        "workflows/takes.py": text.format(name="takes", schedule="'0 3 * * *'"),
    }
    found = discovered(tmp_path, files)
    broken = {module: why.splitlines()[0] for module, why in found["broken"].items()}
    assert found["names"] == ["good"]
    assert broken["workflows.rule"].startswith(
        "workflows/rule.py:3: ValueError: schedule '0 3 * *' is no cron rule (wrong number"
    )
    assert broken["workflows.takes"].startswith(
        "workflows/takes.py:3: CodecError: the payload of the schedule of workflow 'takes'"
    )
