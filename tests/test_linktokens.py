"""The tokens of links: each of their characters counts."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tako.linktokens import Body, key_of, sign, verify

SECRET, OTHER = "5" * 64, "6" * 64
BODY = Body("link-1", "approval-1", "ana@shop.test", ("approve", "reject"), "d" * 64, 1_700_000_000)
TOKEN = sign(BODY, "0a1b", SECRET)
SAFE = string.ascii_letters + string.digits + "-_.="


def test_a_token_says_what_was_signed() -> None:
    assert verify(TOKEN, SECRET) == BODY
    assert key_of(TOKEN) == "0a1b"


def test_a_token_needs_no_quoting_in_a_url_and_is_short() -> None:
    assert set(TOKEN) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(TOKEN) < 350


def test_the_same_body_and_key_give_the_same_token() -> None:
    assert sign(BODY, "0a1b", SECRET) == TOKEN


@pytest.mark.parametrize("person", ["ána", "花子", 'a"b\\c', "a.b", ""])
def test_any_name_goes_in_and_comes_out(person: str) -> None:
    body = Body("l", "a", person, (), "", 0)
    assert verify(sign(body, "k", SECRET), SECRET) == body


def test_another_key_does_not_verify_it() -> None:
    assert verify(TOKEN, OTHER) is None


@pytest.mark.parametrize("at", range(len(TOKEN)))
def test_every_character_that_is_changed_is_noticed(at: int) -> None:
    for char in SAFE:
        if char != TOKEN[at]:
            assert verify(TOKEN[:at] + char + TOKEN[at + 1 :], SECRET) is None


@pytest.mark.parametrize("at", range(len(TOKEN) + 1))
def test_every_character_that_is_added_or_removed_is_noticed(at: int) -> None:
    if at < len(TOKEN):
        assert verify(TOKEN[:at] + TOKEN[at + 1 :], SECRET) is None
    for char in "A=.! \n\x00é😀":
        assert verify(TOKEN[:at] + char + TOKEN[at:], SECRET) is None


@given(st.text(max_size=60))
def test_what_is_no_token_is_no_error(text: str) -> None:
    assert verify(text, SECRET) is None
    assert key_of(text) in text


def test_a_signature_of_one_token_fits_no_other() -> None:
    other = sign(replace(BODY, link_id="link-2"), "0a1b", SECRET)
    head, signature = other.rpartition(".")[0], TOKEN.rpartition(".")[2]
    assert verify(f"{head}.{signature}", SECRET) is None


def test_what_the_key_signed_for_something_else_is_no_token() -> None:
    from tako.linktokens import _signer

    for text in (b"", b"!", base64.urlsafe_b64encode(b'{"no":"list"}'), b"eyJ"):
        assert verify(_signer(SECRET).sign(b"0a1b." + text).decode(), SECRET) is None
