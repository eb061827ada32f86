"""A form in a terminal: what each field takes, and a value to copy that the form takes."""

import json
import shlex
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from tako.cli.forms import example, field_lines
from tako.schema import find_problem


@dataclass
class Place:
    street: str
    city: Annotated[str, Meta(min_length=2)] = "Bern"


@dataclass
class Order:
    amount: Annotated[float, Meta(ge=10, le=100_000, description="In euros")]
    priority: Literal["low", "high"]
    ship_to: Place
    on: date
    at: datetime
    count: Annotated[int, Meta(ge=1)]
    gift: bool
    lines: list[str]
    more: dict[str, int]
    until: date | None = None
    tags: list[int] = field(default_factory=list)
    note: Annotated[str, Meta(max_length=2000)] = "it's"


def schema_of(kind: object) -> str:
    return msgspec.json.encode(msgspec.json.schema(kind)).decode()


def test_each_field_says_what_it_takes_and_whether_it_is_needed() -> None:
    assert [tuple(line) for line in field_lines(schema_of(Order))] == [
        ("amount", "number, 10 to 100000", "required", "In euros"),
        ("priority", "one of high, low", "required", ""),
        ("ship_to.street", "text", "required", ""),
        ("ship_to.city", "text, at least 2 characters", 'default "Bern"', ""),
        ("on", "date, as 2026-12-31", "required", ""),
        ("at", "text", "required", ""),
        ("count", "whole number, at least 1", "required", ""),
        ("gift", "true or false", "required", ""),
        ("lines", "list of texts", "required", ""),
        ("more", "JSON", "required", ""),
        ("until", "date, as 2026-12-31", "default null", ""),
        ("tags", "list of numbers", "", ""),
        ("note", "text, at most 2000 characters", 'default "it\'s"', ""),
    ]


@pytest.mark.parametrize("kind", [Order, Place, int, str, Literal["a", "b"], list[int], bool])
def test_the_value_to_copy_is_one_word_of_a_shell_and_the_form_takes_it(kind: object) -> None:
    (word,) = shlex.split(example(schema_of(kind)))
    json.loads(word)
    assert find_problem(word, schema_of(kind)) is None


def test_a_bound_that_is_not_taken_is_told_by_the_first_number_that_is() -> None:
    schema = schema_of(Annotated[int, Meta(gt=4, lt=9)])
    assert field_lines(schema) == [("(the value)", "whole number, 5 to 8", "required", "")]
    assert example(schema) == "5"
