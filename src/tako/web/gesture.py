"""Did a person press the button, or did a program send the form?

A mail scanner follows every link, runs scripts and submits forms, with the same cookies and fields
as a person. What it cannot do is touch the page. Browsers say so in the Fetch Metadata request
headers (W3C, https://www.w3.org/TR/fetch-metadata/), which no script of a page can set:
``Sec-Fetch-User: ?1`` is sent only with a navigation that a user activation caused (a click, a
tap, a key), ``Sec-Fetch-Mode: navigate`` only by a real navigation, and ``Sec-Fetch-Site:
same-origin`` only from a page of ours. Together they are the sign of a person.

Safari sends the other headers but not that one, and over plain http nobody sends any. Their people
get a second page, on which they type the word of their answer; no program fills in a text that it
is not told. What says that a program sent it (`fetch`, a frame, another site) is refused.

Who has logged in with a password or an identity provider has shown to be a person by that: a
scanner has no session. In local mode anybody may say who they are, so there it counts as nothing.

A program that drives a whole browser with real input events is not told from a person by anything
on the wire; that is not defended.
"""

import unicodedata
from collections.abc import Mapping
from enum import Enum

WORD = "word"  # the field of the second page

_NAVIGATION = {
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


class Gesture(Enum):
    PERSON = "a person pressed the button"
    UNKNOWN = "nothing says so: ask for the word"
    PROGRAM = "a script, a frame or another site sent it"


def gesture(
    headers: Mapping[str, str], answer: str, typed: str = "", *, proven: bool = False
) -> Gesture:
    """What a POST says of who sent it. ``headers`` by lower-case names.

    ``typed``: the word from the second page. ``proven``: the person has logged in by a proof.
    """
    said = {name: headers[name] for name in _NAVIGATION if name in headers}
    if any(value != _NAVIGATION[name] for name, value in said.items()):
        return Gesture.PROGRAM
    if len(said) == len(_NAVIGATION) and headers.get("sec-fetch-user") == "?1":
        return Gesture.PERSON
    if proven or is_word(typed, answer):
        return Gesture.PERSON
    return Gesture.UNKNOWN


def is_word(typed: str, answer: str) -> bool:
    """Whether somebody typed this answer; case and spaces do not matter."""
    return bool(answer.strip()) and _fold(typed) == _fold(answer)


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
