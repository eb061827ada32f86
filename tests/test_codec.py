"""What goes through JSON and back, what is refused, and what the refusal says."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Optional, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tako.codec import UNTYPED, decode, encode, round_trip
from tako.errors import CodecError, TooLarge


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mode(StrEnum):
    ON = "on"


class Point(NamedTuple):
    x: int
    y: float


class Address(TypedDict):
    street: str
    moved_in: date


class Line(msgspec.Struct):
    sku: str
    price: Decimal
    tags: frozenset[str] = frozenset()


class Card(BaseModel):
    number: str
    expires: date
    limit: Decimal | None = None


class Reading(BaseModel):
    at: datetime
    clock: time
    took: timedelta
    level: Level
    id: UUID


@dataclass
class Order:
    id: UUID
    placed: datetime
    lines: list[Line]
    colour: Colour
    card: Card
    cards: dict[str, Card | None] = field(default_factory=dict)
    next: "Order | None" = None


AWARE = st.builds(timezone, st.integers(-23 * 60, 23 * 60).map(lambda m: timedelta(minutes=m)))
DATES = st.dates()
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
TEXTS = st.text()
CARDS = st.builds(Card, number=TEXTS, expires=DATES, limit=st.none() | st.decimals(0, 99, places=2))
READINGS = st.builds(
    Reading,
    at=st.datetimes(timezones=st.none() | AWARE),
    clock=st.times(),
    took=st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    level=st.sampled_from(Level),
    id=st.uuids(),
)
LINES = st.builds(Line, sku=TEXTS, price=DECIMALS, tags=st.frozensets(TEXTS, max_size=3))
MOMENTS = st.datetimes(timezones=st.none() | AWARE)
ORDERS = st.builds(
    Order,
    id=st.uuids(),
    placed=MOMENTS,
    lines=st.lists(LINES, max_size=3),
    colour=st.sampled_from(Colour),
    card=CARDS,
    cards=st.dictionaries(TEXTS, st.none() | CARDS, max_size=2),
    next=st.none(),
)

HASHABLE: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: TEXTS,
    bytes: st.binary(max_size=20),
    datetime: MOMENTS,
    date: DATES,
    time: st.times(timezones=st.none() | AWARE),
    timedelta: st.timedeltas(),
    Decimal: DECIMALS,
    UUID: st.uuids(),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
    Mode: st.sampled_from(Mode),
    Point: st.builds(Point, st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
}
LEAVES = HASHABLE | {
    type(None): st.none(),
    Address: st.fixed_dictionaries({"street": TEXTS, "moved_in": DATES}),
    Line: LINES,
    Card: CARDS,
    Reading: READINGS,
    Order: ORDERS,
}
KEYS = (str, int, date, UUID, Colour, Level)
Case = tuple[Any, Any]  # a type and a value of it


@st.composite
def cases(draw: st.DrawFn, depth: int = 3) -> Case:
    """A type that the codec supports, nested at random, with a value of it."""
    type_, values = draw(typed(depth))
    return type_, draw(values)


@st.composite
def typed(draw: st.DrawFn, depth: int) -> Case:
    """A type, and a strategy for values of it."""
    shape = draw(st.sampled_from(["leaf", "list", "tuple", "pair", "set", "dict", "optional"]))
    if depth == 0 or shape == "leaf":
        leaf: Case = draw(st.sampled_from([*LEAVES.items()]))
        return leaf
    if shape == "set":
        part, values = draw(st.sampled_from([*HASHABLE.items()]))
        return frozenset.__class_getitem__(part), st.frozensets(values, max_size=3)
    part, values = draw(typed(depth - 1))
    if shape == "list":
        return list.__class_getitem__(part), st.lists(values, max_size=3)
    if shape == "tuple":
        return tuple.__class_getitem__((part, ...)), st.lists(values, max_size=3).map(tuple)
    if shape == "pair":
        other, others = draw(typed(depth - 1))
        return tuple.__class_getitem__((part, other)), st.tuples(values, others)
    if shape == "dict":
        key = draw(st.sampled_from(KEYS))
        keys = HASHABLE[key]
        return dict.__class_getitem__((key, part)), st.dictionaries(keys, values, max_size=3)
    return Optional.__getitem__(part), st.none() | values


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.floats(allow_nan=False, width=64),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
).filter(lambda value: not _infinite(value))


def _infinite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_infinite, value.values() if isinstance(value, dict) else value))
    return value in (float("inf"), float("-inf"))


# --- what comes back


@given(cases())
def test_a_value_of_any_supported_type_comes_back_equal_as_that_type(case: Case) -> None:
    type_, value = case
    text, seen = round_trip(value, type_)
    assert seen == value
    assert decode(text, type_) == round_trip(seen, type_)[1] == value


@given(JSON)
def test_a_json_value_without_a_type_comes_back_equal(value: Any) -> None:
    text, seen = round_trip(value)
    assert seen == value
    assert decode(text) == value


@pytest.mark.parametrize("value", [None, True, 7, 10**400, 1.5, "ä", -(1 << 64)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_scalar_comes_back_as_itself(value: object, declared: bool) -> None:
    text, seen = round_trip(value, type(value) if declared else UNTYPED)
    assert seen == value
    assert type(seen) is type(value)
    assert decode(text) == value


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ((1, 2), [1, 2]),
        (Point(1, 2.0), [1, 2.0]),
        ({date(2026, 1, 2): b"hi"}, {"2026-01-02": "aGk="}),
        (timedelta(days=1, seconds=2), "P1DT2S"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Level.HIGH, 2),
        ({1: "one"}, {"1": "one"}),
        (Card(number="1", expires=date(2030, 1, 1)), {"number": "1", "expires": "2030-01-01"}),
    ],
)
def test_without_a_type_the_first_pass_sees_the_plain_json_value(value: object, seen: Any) -> None:
    text, got = round_trip(value)
    if isinstance(seen, dict) and "number" in seen:
        seen |= {"limit": None}
    assert got == seen
    assert decode(text) == seen


def test_a_subclass_of_str_comes_back_as_str() -> None:
    _, seen = round_trip(Mode.ON)
    assert type(seen) is str


@pytest.mark.parametrize("no_type", [UNTYPED, Any, object])
def test_any_and_object_are_no_type(no_type: Any) -> None:
    assert decode('{"a":[1]}', no_type) == {"a": [1]}


def test_an_integer_becomes_a_float_where_a_float_is_declared() -> None:
    _, seen = round_trip(3, float)
    assert type(seen) is float


@given(CARDS, ORDERS)
def test_models_come_back_from_inside_of_lists_dicts_and_dataclasses(
    card: Card, order: Order
) -> None:
    order.next = order.__class__(**{**order.__dict__, "card": card})
    value = {"all": [(order, card)]}
    assert round_trip(value, dict[str, list[tuple[Order, Card]]])[1] == value


class Cash(BaseModel):
    amount: int


@pytest.mark.parametrize(
    ("value", "type_"), [(Cash(amount=3), Card | Cash), ([Cash(amount=3)], list[Card | Cash])]
)
def test_a_union_of_models_comes_back(value: object, type_: Any) -> None:
    assert round_trip(value, type_)[1] == value


def test_a_model_with_aliases_and_computed_fields_comes_back() -> None:
    class Person(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        name: str = Field(alias="fullName")
        born: date

        @computed_field
        def age(self) -> int:
            return 2026 - self.born.year

    person = Person(fullName="Ana", born=date(2000, 1, 1))
    text, seen = round_trip(person, Person)
    assert text == '{"fullName":"Ana","born":"2000-01-01"}'
    assert seen == person
    assert decode('{"name":"Ana","born":"2000-01-01"}', Person) == person


def test_the_validators_of_a_pydantic_dataclass_are_asked() -> None:
    @pydantic_dataclass
    class Amount:
        cents: int = Field(gt=0)

    assert decode('{"cents":3}', Amount) == Amount(3)
    with pytest.raises(CodecError, match="greater than 0"):
        decode('{"cents":0}', Amount)


def test_an_annotation_that_cannot_be_hashed_works() -> None:
    type_ = Annotated[int, {"not": "hashable"}]
    assert round_trip(3, type_) == ("3", 3)


# --- what is refused


def cycle() -> list[Any]:
    ring: list[Any] = []
    ring.append({"ring": ring})
    return ring


def pending() -> Iterator[int]:
    yield 1


REFUSED: list[tuple[object, str]] = [
    (float("nan"), "nan has no JSON form"),
    ({"a": [1.0, float("inf")]}, r"inf, at `\$.a\[1\]`"),
    ([None, 1 << 70, -float("inf")], r"-inf, at `\$\[2\]`"),
    ({"p": Point(1, float("nan"))}, r"at `\$.p\[1\]`"),
    (
        Line("a", Decimal(1), {object()}),  # type: ignore[arg-type]
        r"type object .*, at `\$.tags\[0\]`",
    ),
    ({"file": Path("x")}, r"pathlib.*Path .*, at `\$.file`"),
    ({"a": {(1, 2): 3}}, r"a dict with keys .*, at `\$.a`"),
    ({"a": pending()}, "make it a list"),
    ({"a": range(3)}, "make it a list"),
    (asyncio.sleep, "type function .*use its name"),
    (ValueError("x"), r"use str\(error\)"),
    ([1 + 2j], "type complex"),
    (10**5000, "hex"),
    ("\ud800", "lone surrogates"),
    ({"\ud800": 1}, "lone surrogates.*key"),
    (cycle(), "contains itself"),
    (Card.model_construct(number=object(), expires=date.min), r"object .*, at `\$.number`"),
    (Card.model_construct(number=3, expires=date.min), "pydantic does not write"),
    (msgspec.UNSET, "UnsetType"),
]


@pytest.mark.parametrize(("value", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_json_cannot_carry_is_refused_with_its_name_and_place(
    value: object, says: str
) -> None:
    for refuse in (encode, round_trip):
        with pytest.raises(CodecError, match=says) as caught:
            refuse(value, what="result of step 'charge'")
        assert str(caught.value).startswith("result of step 'charge' cannot be saved: ")


def test_a_forgotten_await_is_named() -> None:
    async def charge() -> int:
        return 1

    coroutine = charge()
    with pytest.raises(CodecError, match="was an `await` forgotten"):
        encode({"a": coroutine})
    coroutine.close()


@given(cases(), st.sampled_from([float("nan"), float("inf"), float("-inf")]))
def test_a_number_that_is_not_finite_is_found_beside_any_value(case: Case, number: float) -> None:
    with pytest.raises(CodecError, match=r"`\$\.bad\[1\]`"):
        encode({"good": case[1], "bad": [None, number]})


@given(st.binary())
def test_bytes_that_look_like_a_nan_are_no_nan(noise: bytes) -> None:
    value = {"a": None, "b": b"\xcb\x7f\xf8" + noise, "c": Card.model_construct(number="\x7f")}
    assert decode(encode([value["a"], value["b"]]), tuple[None, bytes])[1] == value["b"]


def test_a_model_that_holds_a_nan_is_refused() -> None:
    class Heat(BaseModel):
        degrees: float

    with pytest.raises(CodecError, match=r"nan, at `\$\[0\].degrees`"):
        encode([Heat(degrees=float("nan"))])


def test_a_text_over_the_limit_is_refused_with_both_sizes_and_advice() -> None:
    assert encode("ä" * 49, limit=100) == '"' + "ä" * 49 + '"'
    with pytest.raises(TooLarge, match=r"payload is 102 bytes of JSON, over the limit of 100: .*"):
        encode("ä" * 50, limit=100, what="payload")
    with pytest.raises(TooLarge):
        round_trip("ä" * 50, str, limit=100)


@pytest.mark.parametrize(
    ("value", "type_", "says"),
    [
        (None, int, r"does not fit int: Expected `int`, got `null`"),
        ({"street": "a", "moved_in": "?"}, Address, r"RFC3339.* - at `\$.moved_in`"),
        ([1, "2"], list[int], r"`\$\[1\]`"),
        ({"number": "1"}, Card, r"does not fit Card: Field required, at `\$.expires`"),
        ([{"number": "1"}], list[Card], r"Field required, at `\$.expires` - at `\$\[0\]`"),
        ({"number": 1, "expires": 1.5}, Card, r"and 1 more"),
        ([1], list[complex], "nothing can be read back as complex"),
        (1, int | complex, "nothing can be read back"),
        ("nobody", Colour, "Invalid enum value 'nobody'"),
    ],
)
def test_what_does_not_come_back_as_its_type_is_refused(
    value: object, type_: Any, says: str
) -> None:
    with pytest.raises(CodecError, match=says) as caught:
        round_trip(value, type_, what="result of step 'load'")
    assert str(caught.value).startswith("result of step 'load' does not fit ")


@pytest.mark.parametrize("text", ["", "[", "nul", "1e999", "{'a':1}", "\ud800", "[" * 100_000])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(CodecError, match="payload does not fit JSON"):
        decode(text, what="payload")


def test_an_error_in_a_users_own_check_is_a_codec_error() -> None:
    @dataclass
    class Odd:
        n: int

        def __post_init__(self) -> None:
            raise KeyError(self.n)

    with pytest.raises(CodecError, match=r"does not fit .*Odd: 3") as caught:
        decode('{"n":3}', Odd)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_aware_moment_stays_the_same_moment() -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    assert round_trip(moment, datetime) == ('"2026-03-29T01:30:00.123456Z"', moment)


def test_the_codec_imports_neither_pydantic_nor_jsonschema() -> None:
    code = (
        "import sys, tako.codec as c\n"
        "assert c.round_trip({'a': 1}, dict[str, int]) == ('{\"a\":1}', {'a': 1})\n"
        "sys.exit(bool({'pydantic', 'jsonschema_rs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
