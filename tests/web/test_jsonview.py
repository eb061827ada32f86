"""JSON as people read it: whatever is in it, the page stays a page."""

import json
import re
from html import unescape
from time import monotonic
from typing import Any

import pytest

from tako.web.jsonview import LONGEST, MOST, kind_of, view


def text_of(value: Any) -> str:
    """What is read on the page."""
    return unescape(re.sub(r"<[^>]*>", "", view(json.dumps(value))))


def test_objects_and_arrays_say_what_is_in_them_and_are_folded() -> None:
    shown = view('{"order": {"items": [1, 2]}, "paid": true, "note": null, "tags": [], "more": {}}')
    assert "<summary>object with 5 fields</summary>" in shown
    assert "number, 1 character of JSON" in text_of(5)
    assert shown.count("<details") == 3 and shown.count("<details open") == 2
    for said in ("order", "true", "null", "[]", "{}", "array of 2"):
        assert said in text_of(json.loads('{"order": {"items": [1, 2]}, "paid": true, "note": null,'
                                          ' "tags": [], "more": {}}'))  # fmt: skip


def test_html_in_names_and_texts_is_shown_as_text() -> None:
    shown = view('{"<img src=x onerror=alert(1)>": "</bdi><script>alert(1)</script>"}')
    assert "<script" not in shown and "<img" not in shown
    assert "<script>alert(1)</script>" in text_of("<script>alert(1)</script>")


def test_right_to_left_text_does_not_turn_what_stands_beside_it() -> None:
    shown = view('{"שם": "\u202eevil", "b": "مرحبا"}')
    assert "<bdi>שם</bdi>" in shown and '<bdi class="text">“مرحبا”</bdi>' in shown


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    shown = view(json.dumps({"a": "x" * 50_000}), "/all.json")
    assert len(shown) < LONGEST + 1_000
    assert "40,001 characters more" in shown and 'href="/all.json"' in shown


def test_what_is_too_much_is_counted_and_left_out() -> None:
    shown = view(json.dumps(list(range(10_000))), "/all.json")
    assert shown.count("<li>") == MOST
    assert "8,001 more" in shown and "8,001 values left out here" in shown


def test_ten_thousand_levels_are_said_to_be_too_deep() -> None:
    shown = view("[" * 10_000 + "]" * 10_000, "/all.json")
    assert "too deep" in shown and len(shown) < 2 * LONGEST


def test_more_levels_than_anybody_opens_end_with_a_word() -> None:
    assert "too deep to be shown here" in view("[" * 200 + "1" + "]" * 200)


@pytest.mark.parametrize(
    "value",
    [
        [{"id": i, "name": "x" * 50} for i in range(25_000)],
        {f"field {i}" * 10: [i] * 3 for i in range(15_000)},
        ["y" * 9_999] * 200,
        "z" * 2_000_000,
        list(range(300_000)),
    ],
    ids=["rows", "fields", "texts", "one text", "numbers"],
)
def test_two_megabytes_are_a_page_of_half_a_megabyte_at_most_and_soon(value: Any) -> None:
    text = json.dumps(value)
    assert len(text) > 1_800_000
    begun = monotonic()
    shown = view(text)
    assert monotonic() - begun < 1.0
    assert len(shown) < 600_000


@pytest.mark.parametrize("text", ["", "{", '"\\ud800"', "nothing", "NaN"])
def test_what_is_no_json_is_shown_as_it_is(text: str) -> None:
    assert unescape(text) in unescape(view(text))


def test_nothing_is_said_to_be_nothing() -> None:
    assert "There is none" in view(None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": 1}, "object with 1 field"),
        ([], "array of 0"),
        ("x", "text of 1 character"),
        (1.5, "number"),
        (True, "true or false"),
        (None, "null"),
    ],
)
def test_each_value_is_called_what_it_is(value: Any, said: str) -> None:
    assert kind_of(value) == said
