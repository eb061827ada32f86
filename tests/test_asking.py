"""What `step.approval` takes, and what it says of what it does not take."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import msgspec
import pydantic
import pytest

from tako import ConfigError, Notice, Workdays
from tako.asking import Asked, asked
from tako.config import AppConfig, ChannelConfig
from tako.errors import CodecError
from tako.model import Channel, Escalation, Moment, Question

NOW = 1_800_000_000_000
APP = AppConfig(
    name="app",
    dir=Path(),
    data_dir=Path(),
    notify={
        "mail": ChannelConfig("mailto://mail.example.com?to={email}"),
        "room": ChannelConfig("slack://a/b/c"),
    },
)


@dataclass
class Data:
    cents: int


class Table(msgspec.Struct):
    cents: int


class Model(pydantic.BaseModel):
    cents: int


class Typed(TypedDict):
    cents: int


class Pair(NamedTuple):
    cents: int


def told(notice: Notice) -> None:
    """A function that can be found again."""


class Holder:
    @staticmethod
    def told(notice: Notice) -> None: ...


def ask(**options: Any) -> Asked:
    title, form = options.pop("title", "Pay?"), options.pop("form", None)
    on_timeout = options.pop("on_timeout", "reject")
    return asked("ok", title, form, on_timeout, now=NOW, app=lambda: APP, **options)


def test_what_is_not_said_is_the_usual() -> None:
    assert ask() == Asked(Question("Pay?"), None, True)


def test_everything_that_is_said_is_sent() -> None:
    question, deadline, reuse = ask(
        title="Pay 5 EUR?",
        body="*now*",
        options=["approve", "reject", "ask-legal_2"],
        to=["ana", "group:finance"],
        exclude=("bo",),
        requester="cy",
        quorum=2,
        veto=True,
        timeout="2h",
        on_timeout="raise",
        remind=[60, timedelta(minutes=-30), datetime(2030, 1, 1, tzinfo=UTC)],
        escalate={timedelta(hours=1): ["group:leads"]},
        notify=["mail", "room", "json://example.com/{person}", told, Holder.told],
        reuse=False,
    )
    assert question == Question(
        title="Pay 5 EUR?",
        body="*now*",
        options=("approve", "reject", "ask-legal_2"),
        to=("ana", "group:finance"),
        exclude=("bo",),
        requester="cy",
        quorum=2,
        veto=True,
        on_timeout="raise",
        remind=(
            Moment("after", 60_000),
            Moment("before", 1_800_000),
            Moment("at", 1_893_456_000_000),
        ),
        escalate=(Escalation(Moment("after", 3_600_000), ("group:leads",)),),
        notify=(
            Channel("name", "mail", True),
            Channel("name", "room", False),
            Channel("url", "json://example.com/{person}", True),
            Channel("function", f"{__name__}:told", True),
            Channel("function", f"{__name__}:Holder.told", True),
        ),
    )
    assert (deadline, reuse) == (Moment("after", 7_200_000), False)


def test_a_deadline_is_a_duration_a_moment_or_a_number_of_working_days() -> None:
    days = Workdays(2, zone="UTC")
    assert ask(timeout=days).deadline == Moment("at", days.after(NOW))
    assert ask(timeout=datetime(2030, 1, 1, tzinfo=UTC)).deadline == Moment("at", 1_893_456_000_000)
    assert ask(timeout=1.5).deadline == Moment("after", 1500)
    assert ask(escalate={days: ["bo"]}).question.escalate[0].when == Moment("at", days.after(NOW))


@pytest.mark.parametrize("form", [Data, Table, Model, Typed])
def test_a_form_is_made_of_what_has_named_fields(form: Any) -> None:
    schema = msgspec.json.decode(ask(form=form).question.schema or "")
    assert "cents" in msgspec.json.encode(schema).decode()


@pytest.mark.parametrize("form", [int, dict, list[Data], Pair, dict[str, int], Data | Model])
def test_nothing_else_is_a_form(form: Any) -> None:
    with pytest.raises(CodecError, match="form of approval 'ok'"):
        ask(form=form)


def test_without_a_reject_among_the_options_silence_must_mean_something_else() -> None:
    options = ["yes", "no"]
    assert ask(options=options).deadline is None
    assert ask(options=options, timeout=5, on_timeout="none").question.on_timeout == "none"
    with pytest.raises(ValueError, match='is "reject", which is none of its options'):
        ask(options=options, timeout=5)


def closure() -> Callable[[Notice], None]:
    def inner(notice: Notice) -> None: ...

    return inner


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "title of approval 'ok' must have 1 to 200 characters, not 0"),
    ({"title": "x" * 201}, "title of approval 'ok' must have 1 to 200 characters, not 201"),
    ({"title": "a\nb"}, "title of approval 'ok' must have no control characters"),
    ({"title": 5}, "title of approval 'ok' must be a text, not int 5"),
    ({"body": None}, "body of approval 'ok' must be a text, not NoneType None"),
    ({"body": "ä" * 40_000}, "body of approval 'ok' is 80,000 bytes, over the limit of 65,536"),
    ({"body": "\ud800"}, "body of approval 'ok' has lone surrogates"),
    ({"options": []}, "options of approval 'ok' are empty"),
    ({"options": "approve"}, r"options of approval 'ok' must be a list: write \['approve'\]"),
    ({"options": ["Approve"]}, "'Approve' cannot be one: up to 50 of a-z"),
    ({"options": [7]}, "7 cannot be one"),
    ({"options": ["yes", "no", "yes"]}, "one is there twice: yes, no, yes"),
    ({"options": [f"o{n}" for n in range(11)]}, "options of approval 'ok': at most 10, not 11"),
    ({"to": "ana"}, r"to of approval 'ok' must be a list: write \['ana'\] for one"),
    ({"to": 5}, "to of approval 'ok' must be a list, not int 5"),
    ({"to": [""]}, "a name in to of approval 'ok' must have 1 to 200 characters"),
    ({"exclude": [None]}, "a name in exclude of approval 'ok' must be a text"),
    ({"requester": ["ana"]}, "a name in requester of approval 'ok' must be a text"),
    ({"quorum": 0}, "quorum of approval 'ok' must be between 1 and 100, not 0"),
    ({"quorum": 101}, "quorum of approval 'ok' must be between 1 and 100"),
    ({"quorum": True}, "quorum of approval 'ok' must be a whole number"),
    ({"veto": 1}, "veto of approval 'ok' must be True or False, not 1"),
    ({"veto": True, "options": ["yes"]}, "veto of approval 'ok' needs an option \"reject\""),
    ({"on_timeout": "ignore"}, "on_timeout of approval 'ok' is 'ignore'; it can be \"reject\""),
    (
        {"on_timeout": "approve", "options": ["reject"]},
        'is "approve", which is none of its options',
    ),
    ({"timeout": "soon"}, "timeout of approval 'ok' is 'soon', which is no duration"),
    ({"timeout": timedelta(-1)}, "timeout of approval 'ok' must not be negative"),
    ({"timeout": datetime(2030, 1, 1)}, "timeout of approval 'ok' has no timezone"),  # noqa: DTZ001
    ({"remind": "2h"}, "remind of approval 'ok' must be a list"),
    ({"remind": [timedelta(-1)]}, "counts back from a deadline: give it a timeout too"),
    ({"remind": ["2h"], "timeout": "1h"}, "would be not before the deadline"),
    ({"remind": [timedelta(-1)], "timeout": "1h"}, "would be before it is asked"),
    ({"remind": [60] * 21}, "remind of approval 'ok': at most 20, not 21"),
    ({"escalate": ["ana"]}, "escalate of approval 'ok' must be a dict"),
    ({"escalate": {"1h": "ana"}}, r"escalate of approval 'ok' must be a list: write \['ana'\]"),
    ({"escalate": {"1h": []}}, "escalate of approval 'ok': nobody is named for '1h'"),
    ({"escalate": {"2h": ["ana"]}, "timeout": "1h"}, "escalate of approval 'ok' would be not bef"),
    ({"notify": "mail"}, "notify of approval 'ok' must be a list"),
    ({"notify": told}, "notify of approval 'ok' must be a list"),
    ({"notify": ["fax"]}, r"no table \[notify.fax\] \(it has mail, room\)"),
    ({"notify": [lambda notice: None]}, "<lambda> of .* cannot be found again"),
    ({"notify": [closure()]}, "closure.<locals>.inner of .* cannot be found again"),
    ({"notify": [functools.partial(told)]}, "is neither the name of a table, a URL nor a function"),
    ({"notify": [print]}, "is neither the name of a table, a URL nor a function"),
    ({"reuse": None}, "reuse of approval 'ok' must be True or False"),
    ({"tittle": "x"}, "unexpected keyword argument 'tittle'"),
]


def named(options: dict[str, Any]) -> str:
    """The same in every process: without addresses in memory."""
    return re.sub(r" at 0x\w+", "", str(options))[:60]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[named(o) for o, _ in REFUSED])
def test_what_cannot_be_asked_is_said_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError, ConfigError), match=message):
        ask(**options)
