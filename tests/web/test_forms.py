"""A form says what its type says, and what is filled in comes back as it was meant."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from html.parser import HTMLParser
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from tako.forms import Field, errors_at, form_of, leaves, parse, texts
from tako.schema import find_problem, json_schema
from tako.web.pages.rendering import template


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Place:
    street: str
    number: int | None = None


class Payment(Struct):
    amount: Annotated[float, Meta(ge=0, le=1e9, description="In euros")]
    count: int
    urgent: bool
    reason: str
    note: Annotated[str, Meta(max_length=5000)] = "none"


@dataclass
class Delivery:
    to: Place
    on: date
    not_before: datetime
    colour: Colour
    size: Literal["small", "large"]
    parts: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    level: Literal[1, 2, 3] = 2


class Maybe(Struct, rename="camel"):
    real_name: str | None
    how_many: int | None = None
    agrees: bool | None = None
    colour: Colour | None = None
    until: date | None = None
    backup: Place | None = None


class Tree(Struct):
    name: str
    children: "list[Tree]" = []


@dataclass
class Loose:
    anything: Any
    by_name: dict[str, int]
    pair: tuple[int, str]
    either: int | str


# What a person can type: no lone carriage returns, no control characters, no empty line of a list.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=30)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE = st.integers(-(2**53), 2**53)
REAL = st.floats(allow_nan=False, allow_infinity=False)
MOMENT = st.integers(-(10**13), 10**14).map(lambda ms: EPOCH + timedelta(milliseconds=ms))
DAY = st.dates(date(1000, 1, 1))
PLACE = st.builds(Place, street=TEXT, number=st.none() | WHOLE)

VALUES = st.one_of(
    st.builds(
        Payment, amount=st.floats(0, 1e9), count=WHOLE, urgent=st.booleans(), reason=TEXT, note=TEXT
    ),
    st.builds(
        Delivery,
        to=PLACE,
        on=DAY,
        not_before=MOMENT,
        colour=st.sampled_from(Colour),
        size=st.sampled_from(["small", "large"]),
        parts=st.lists(LINE, max_size=4),
        weights=st.lists(REAL, max_size=4),
        level=st.sampled_from([1, 2, 3]),
    ),
    st.builds(
        Maybe,
        real_name=st.none() | LINE,
        how_many=st.none() | WHOLE,
        agrees=st.none() | st.booleans(),
        colour=st.none() | st.sampled_from(Colour),
        until=st.none() | DAY,
        backup=st.none() | PLACE,
    ),
    st.builds(
        Loose,
        anything=st.recursive(
            st.none() | st.booleans() | WHOLE | LINE,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINE, inner, max_size=3),
            max_leaves=5,
        ),
        by_name=st.dictionaries(LINE, WHOLE, max_size=3),
        pair=st.tuples(WHOLE, TEXT),
        either=WHOLE | LINE,
    ),
    st.builds(Tree, name=TEXT, children=st.lists(st.builds(Tree, name=TEXT), max_size=2)),
)


class Browser(HTMLParser):
    """What a browser without scripts would send for a page, by the rules of the HTML standard."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.required: set[str] = set()
        self._select = self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "required" in given:
            self.required.add(given["name"])
        if tag == "select":
            self._select = given["name"]
        elif tag == "textarea":
            self._textarea = given["name"]
            self.data[self._textarea] = ""
        elif tag == "option" and (
            "selected" in given or self._select not in self.data  # the first, if none is selected
        ):
            self.data[self._select] = given["value"]
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.data[given["name"]] = given.get("value", "").replace("\n", "").replace("\r", "")

    def handle_data(self, data: str) -> None:
        if self._textarea:
            first = not self.data[self._textarea]
            text = data[1:] if first and data.startswith("\n") else data
            self.data[self._textarea] += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            typed = self.data[self._textarea]
            self.data[self._textarea] = typed.replace("\n", "\r\n")  # as forms are encoded
            self._textarea = ""


def form_for(type_: Any) -> Field:
    schema = json_schema(type_)
    assert schema is not None
    return form_of(schema)


def html(form: Field, data: dict[str, str], errors: dict[str, str] | None = None) -> str:
    fields: Any = template("fields.html").module
    return str(fields.field(form, data, errors or {}, ""))


@given(VALUES)
def test_what_a_form_shows_comes_back_as_the_same_value(value: Any) -> None:
    form = form_for(type(value))
    sent = Browser(html(form, texts(form, msgspec.to_builtins(value)))).data
    parsed = parse(form, sent)
    assert parsed.errors == {}
    assert msgspec.convert(parsed.value, type(value)) == value
    assert find_problem(json.dumps(parsed.value), json_schema(type(value)) or "") is None


def test_an_untouched_form_sends_the_defaults() -> None:
    form = form_for(Payment)
    sent = Browser(html(form, texts(form))).data
    assert sent["value/note"] == "none"
    assert parse(form, sent).value == {"urgent": False, "reason": "", "note": "none"}


def test_fields_are_in_the_order_of_the_type() -> None:
    names = [leaf.label for leaf in leaves(form_for(Payment))]
    assert names == ["Amount", "Count", "Urgent", "Reason", "Note"]


@pytest.mark.parametrize(
    ("type_", "kinds"),
    [
        (Payment, ["number", "integer", "check", "text", "long"]),
        (
            Delivery,
            ["text", "integer", "date", "moment", "choice", "choice", "lines", "lines", "choice"],
        ),
        (Maybe, ["text", "integer", "check", "choice", "date", "json"]),
        (Loose, ["json", "json", "json", "json"]),
        (Tree, ["text", "json"]),
        (bool, ["check"]),
        (int, ["integer"]),
        (Colour, ["choice"]),
        (list[int], ["lines"]),
        (dict[str, str], ["json"]),
    ],
)
def test_each_type_has_the_field_that_a_person_expects(type_: Any, kinds: list[str]) -> None:
    assert [leaf.kind for leaf in leaves(form_for(type_))] == kinds


def test_a_pydantic_model_gives_its_titles_descriptions_and_bounds() -> None:
    from pydantic import BaseModel
    from pydantic import Field as Described

    class Model(BaseModel):
        limit: int = Described(3, title="Upper limit", description="Per day", ge=1, le=9)
        place: Place | None = None

    limit, place = leaves(form_for(Model))
    assert (limit.label, limit.hint, limit.default) == ("Upper limit", "Per day", 3)
    assert limit.limits == (("min", "1"), ("max", "9"))
    assert (place.kind, place.nullable) == ("json", True)


def test_what_is_no_number_goes_to_the_server_as_it_was_typed() -> None:
    form = form_for(Payment)
    parsed = parse(form, {"value/amount": "a lot", "value/count": "1e400", "value/reason": "x"})
    assert parsed.value["amount"] == "a lot"
    assert parsed.value["count"] == "1e400"


def test_what_is_no_json_is_said_at_its_field() -> None:
    form = form_for(Loose)
    parsed = parse(form, {"value/anything": "{", "value/either": "3"})
    assert list(parsed.errors) == ["value/anything"]
    assert set(parsed.missing) == {"value/by_name", "value/pair"}


def test_a_blank_text_that_may_be_null_is_null_and_one_that_may_not_is_empty() -> None:
    assert parse(form_for(Maybe), {"value/realName": ""}).value["realName"] is None
    assert parse(form_for(Payment), {"value/reason": ""}).value["reason"] == ""


def test_a_refusal_lands_at_its_field_or_at_those_left_blank() -> None:
    form = form_for(Delivery)
    assert errors_at(form, "to.street", "no", ()) == {"value/to/street": "no"}
    assert errors_at(form, "weights[2]", "no", ()) == {"value/weights": "no"}
    assert errors_at(form, "", "no", ("value/on",)) == {"value/on": "This is needed."}
    assert errors_at(form, "", "no", ()) == {"": "no"}


def test_a_wrong_field_is_marked_and_described_for_those_who_do_not_see_it() -> None:
    form = form_for(Payment)
    page = html(form, texts(form), {"value/amount": "too much <b>"})
    assert 'aria-invalid="true"' in page
    assert 'aria-describedby="value-amount-hint value-amount-error"' in page
    assert "too much &lt;b&gt;" in page


def test_what_has_to_be_filled_in_is_asked_for_by_the_browser() -> None:
    form = form_for(Payment)
    required = Browser(html(form, {})).required
    assert required == {"value/amount", "value/count", "value/reason"}
