"""The schema of a declared type accepts what the codec writes, and its refusals name the field."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from pydantic import BaseModel, Field

from tako.codec import UNTYPED, encode, json_schema, validate_schema
from tako.errors import CodecError
from tests.test_codec import Case, cases


class Decision(BaseModel):
    approved: bool
    by: str = Field(alias="decidedBy", min_length=1)
    at: datetime | None = None
    earlier: "Decision | None" = None


@dataclass
class Review:
    decisions: list[Decision]
    last: Decision | None = None
    took: timedelta | None = None


class Form(TypedDict):
    id: UUID
    day: date
    at: time
    wait: timedelta
    price: Decimal
    proof: NotRequired[bytes | None]
    seen: NotRequired[list[tuple[datetime | None, dict[str, datetime]]]]
    next: NotRequired["Form | None"]


class Paid(BaseModel):
    cents: int


REVIEW = json_schema(Review) or ""


@given(cases())
def test_what_the_codec_writes_of_a_type_satisfies_its_schema(case: Case) -> None:
    type_, value = case
    schema = json_schema(type_)
    assert schema is not None
    assert validate_schema(encode(value), schema) is None


@pytest.mark.parametrize("type_", [Review, Decision, Form, Decision | Paid, list[int], int | None])
def test_a_schema_is_valid_2020_12_and_always_the_same_text(type_: Any) -> None:
    schema = json_schema(type_)
    assert schema is not None
    assert schema == json_schema(type_)
    jsonschema_rs.meta.validate(json.loads(schema))


def test_a_schema_is_the_same_text_in_every_process() -> None:
    code = (
        "from tests.test_schema import *\n"
        "print([json_schema(t) for t in (Review, Decision, Form, Decision | Paid)])"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_the_fields_of_a_schema_are_in_the_order_of_the_type() -> None:
    schema = json.loads(json_schema(Review) or "")
    assert list(schema["$defs"]["Review"]["properties"]) == ["decisions", "last", "took"]


@pytest.mark.parametrize("type_", [UNTYPED, Any, object])
def test_what_has_no_type_has_no_schema(type_: Any) -> None:
    assert json_schema(type_) is None


@pytest.mark.parametrize("type_", [complex, list[complex], int | complex])
def test_a_type_that_json_cannot_carry_is_refused(type_: Any) -> None:
    with pytest.raises(CodecError, match="has no JSON Schema"):
        json_schema(type_)


YES = '{"approved":true,"decidedBy":"ana"}'
NO = '{"approved":"yes","decidedBy":"ana"}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'{{"decisions":[{YES}],"last":null}}', None),
        ("{}", 'the value does not fit: "decisions" is a required property'),
        ("[]", 'the value does not fit: [] is not of type "object"'),
        (
            f'{{"decisions":[{YES},{NO}]}}',
            'field `decisions[1].approved` does not fit: "yes" is not of type "boolean"',
        ),
        (
            '{"decisions":[],"last":{"approved":true,"decidedBy":""}}',
            'field `last.decidedBy` does not fit: "" is shorter than 1 character',
        ),
        (
            '{"decisions":[],"last":{"approved":true,"decidedBy":"ana","earlier":{"approved":0}}}',
            "field `last.earlier.approved` does not fit: 0 is not of type",
        ),
        (
            '{"decisions":[{"approved":true,"decidedBy":"a","at":"soon"}]}',
            'field `decisions[0].at` does not fit: "soon" is not a "date-time"',
        ),
        ("{", "this is not JSON: "),
        ("\ud800", "this is not JSON: "),
    ],
)
def test_a_refusal_is_one_sentence_that_names_the_field(text: str, says: str | None) -> None:
    said = validate_schema(text, REVIEW)
    assert said == says or (said is not None and says is not None and said.startswith(says))


GOOD = {
    "id": str(UUID(int=7)),
    "day": "2026-02-28",
    "at": "12:30:00",
    "wait": "-P1DT0.5S",
    "price": "1.50",
}


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"proof": "?"}, "proof"),
        ({"seen": [["soon", {}]]}, "seen[0][0]"),
        ({"seen": [[None, {"a": "soon"}]]}, "seen[0][1].a"),
        ({"next": GOOD | {"at": "noon"}}, "next.at"),
    ],
)
def test_a_text_that_would_not_be_read_back_is_refused_at_any_depth(part: Any, field: str) -> None:
    said = validate_schema(json.dumps(GOOD | part), json_schema(Form) or "")
    assert said is not None
    assert said.startswith(f"field `{field}` does not fit: ")


@pytest.mark.parametrize("field", GOOD)
def test_a_text_that_is_no_such_thing_is_refused(field: str) -> None:
    schema = json_schema(Form) or ""
    assert validate_schema(json.dumps(GOOD), schema) is None
    said = validate_schema(json.dumps(GOOD | {field: "nonsense"}), schema)
    assert said is not None
    assert said.startswith(f"field `{field}` does not fit: ")


def test_a_long_value_is_cut_in_the_middle_of_the_sentence() -> None:
    said = validate_schema(json.dumps({"decisions": "x" * 10_000}), REVIEW)
    assert said is not None
    assert len(said) < 400
    assert said.endswith('is not of type "array"')


@pytest.mark.parametrize("schema", ["{", '{"type":"thing"}', '{"$ref":"http://example.org/s"}'])
def test_what_is_no_schema_of_its_own_is_refused_and_nothing_is_fetched(schema: str) -> None:
    with pytest.raises(CodecError, match="no JSON Schema that can be used"):
        validate_schema("1", schema)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)))
def test_the_empty_schema_takes_everything(value: Any) -> None:
    assert validate_schema(encode(value), "{}") is None


@pytest.mark.parametrize("type_", [list[object], dict[str, object], list[object] | None])
def test_object_inside_a_type_takes_any_plain_value(type_: Any) -> None:
    schema = json_schema(type_) or ""
    value = {"a": [1, None]} if type_ == dict[str, object] else ["a", {"b": 1.5}, None]
    assert validate_schema(json.dumps(value), schema) is None
    assert validate_schema('"neither"', schema) is not None


@pytest.mark.parametrize(
    ("bound", "says"),
    [(Meta(gt=0), "0 is not more than 0"), (Meta(lt=0), "0 is not less than 0")],
)
def test_a_bound_that_is_not_taken_itself_is_told_as_people_say_it(bound: Meta, says: str) -> None:
    assert (validate_schema("0", json_schema(Annotated[int, bound]) or "") or "").endswith(says)
