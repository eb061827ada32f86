"""The decorator: what it takes, what it refuses, what it makes."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tako import Step, workflow
from tako.codec import UNTYPED
from tako.retry import Backoff


@dataclass
class Order:
    id: str


@workflow("ship-order", retries=4, backoff=2.0, timeout=timedelta(days=1), group="slow")
async def ship(payload: Order, step: Step) -> int:
    """Ship it."""
    return 1


def test_a_workflow_knows_its_options_types_and_place() -> None:
    info = ship.info()
    assert (ship.name, ship.retries, ship.group) == ("ship-order", 4, "slow")
    assert ship.backoff == Backoff(2.0, 1.0, 2.0, 0.0)
    assert (ship.payload_type, ship.result_type) == (Order, int)
    assert ship.source.endswith("test_workflow.py:20")
    assert ship.__doc__ == "Ship it."
    assert (info.timeout, info.group) == (86_400_000, "slow")
    assert info.schema is not None
    assert '"id"' in info.schema


def test_a_workflow_without_annotations_is_untyped() -> None:
    @workflow("untyped")
    async def untyped(payload, step):  # type: ignore[no-untyped-def]  # the matter of this test
        return 1

    assert (untyped.payload_type, untyped.result_type) == (UNTYPED, UNTYPED)
    assert untyped.info().schema is None


def test_calling_a_workflow_calls_its_handler() -> None:
    step: Any = None
    assert asyncio.run(ship(Order("x"), step)) == 1


async def one(payload: int) -> None: ...


async def two(payload: int, step: Step) -> None: ...


@pytest.mark.parametrize(
    ("options", "handler", "says"),
    [
        ({"name": ""}, two, "1 to 200 printable characters"),
        ({"name": "a\nb"}, two, "1 to 200 printable characters"),
        ({"retries": -1}, two, "retries must be 0 or more"),
        ({"retries": True}, two, "retries must be 0 or more"),
        ({"concurrency": 0}, two, "concurrency must be 1 or more"),
        ({"group": ""}, two, "group must be a name"),
        ({"timeout": "soon"}, two, "timeout of workflow 'x'"),
        ({}, one, "must take two arguments"),
        ({}, 7, "is no function"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused_at_once(
    options: dict[str, Any], handler: Any, says: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        workflow(**{"name": "x"} | options)(handler)


def test_a_decorator_without_a_name_says_what_to_write() -> None:
    bare: Any = workflow
    with pytest.raises(TypeError, match=r'write @workflow\("its-name"\)'):
        bare(two)
