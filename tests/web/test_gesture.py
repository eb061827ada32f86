"""A table of who may have sent a form: what browsers say, and what they do not."""

import pytest

from tako.web.gesture import Gesture, gesture, is_word

CLICK = {
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-user": "?1",
}
PERSON, UNKNOWN, PROGRAM = Gesture.PERSON, Gesture.UNKNOWN, Gesture.PROGRAM


def without(*names: str, **changed: str) -> dict[str, str]:
    kept = {name: value for name, value in CLICK.items() if name not in names}
    return kept | {name.replace("_", "-"): value for name, value in changed.items()}


SAFARI = without("sec-fetch-user")

CASES = [
    ("a click in a browser", CLICK, "", False, PERSON),
    ("a script's form.submit()", SAFARI, "", False, UNKNOWN),
    ("a click in Safari", SAFARI, "", False, UNKNOWN),
    ("a click in Safari, with the word", SAFARI, "Approve ", False, PERSON),
    ("a click in Safari, logged in", SAFARI, "", True, PERSON),
    ("no such headers: plain http, an old browser, a program", {}, "", False, UNKNOWN),
    ("the same, with the word", {}, "approve", False, PERSON),
    ("the same, with another word", {}, "reject", False, UNKNOWN),
    ("the same, with no word", {}, "  ", False, UNKNOWN),
    ("the same, logged in by password", {}, "", True, PERSON),
    ("only the header of the click: no browser sends it alone", {"sec-fetch-user": "?1"}, "",
     False, UNKNOWN),
    ("a click that is none", without(sec_fetch_user="?0"), "", False, UNKNOWN),
    ("fetch() of a page of ours", without(sec_fetch_mode="cors"), "", False, PROGRAM),
    ("fetch() that types the word", without(sec_fetch_mode="cors"), "approve", False, PROGRAM),
    ("fetch() of who is logged in", without(sec_fetch_dest="empty"), "", True, PROGRAM),
    ("a click in a frame", without(sec_fetch_dest="iframe"), "", False, PROGRAM),
    ("a click on another site", without(sec_fetch_site="cross-site"), "", False, PROGRAM),
    ("a click on a sister site", without(sec_fetch_site="same-site"), "", True, PROGRAM),
    ("a POST from nowhere", without(sec_fetch_site="none"), "", False, PROGRAM),
    ("part of the headers", without("sec-fetch-dest"), "", False, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "typed", "proven", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_who_sent_it(headers: dict[str, str], typed: str, proven: bool, expected: Gesture) -> None:
    assert gesture(headers, "approve", typed, proven=proven) is expected


@pytest.mark.parametrize("typed", ["ship it", " Ship  It ", "SHIP IT", "ｓｈｉｐ it"])
def test_case_width_and_spaces_of_the_word_do_not_matter(typed: str) -> None:
    assert is_word(typed, "Ship it")


@pytest.mark.parametrize("typed", ["", "shipit", "ship", "ship it now"])
def test_another_word_is_another_word(typed: str) -> None:
    assert not is_word(typed, "ship it")


def test_an_answer_of_blanks_is_never_typed() -> None:
    assert not is_word("", " ")
