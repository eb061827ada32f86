"""Ways in that were found by trying, each as it was tried."""

import asyncio
import unicodedata
from collections.abc import Iterator

import httpx
import pytest

from tako.commands import Decide, ListApprovals
from tako.config import load_app
from tako.errors import ProtocolError
from tako.forms import form_of, parse
from tako.model import Actor
from tako.people import Directory, fold, is_name
from tako.schema import find_problem
from tako.wire import Link
from tests.web.site import Site, problem, site
from tests.web.test_security import raw


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("broken"), web='timeout = "5s"\nhosts = ["tako.test"]') as it:
        yield it


def test_a_second_request_hidden_behind_two_lengths_is_not_answered(here: Site) -> None:
    hidden = b"GET /health HTTP/1.1\r\nHost: tako.test\r\nConnection: close\r\n\r\n"
    lengths = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    said = raw(here, b"POST /hooks/x HTTP/1.1\r\nHost: tako.test\r\n" + lengths + hidden)
    assert said.startswith(b"HTTP/1.1 400") and said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("codec", ["punycode", "unicode_escape", "utf-7", "idna", "undefined"])
def test_a_form_in_a_codec_of_the_senders_choice_is_not_decoded(here: Site, codec: str) -> None:
    kind = {"content-type": f'Multipart/Form-Data; boundary=x; charset="{codec}"'}
    part = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na-\\ud800\r\n--x--\r\n'
    said = httpx.post(f"{here.url}/login", content=part, headers=kind)
    problem(said, 415, "wrong_type")


@pytest.mark.parametrize("depth", [300, 900, 5_000])
def test_a_payload_that_is_nested_hundreds_deep_is_refused_as_such(here: Site, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = f'{{"workflow": "wait", "payload": {nested}}}'
    with here.client() as api:
        said = api.post("/api/enqueue", content=body, headers={"content-type": "application/json"})
    assert said.status_code in (400, 422) and "too deeply" in said.text


def test_json_nested_without_end_is_said_at_its_field_and_not_an_error_of_ours() -> None:
    schema = '{"type": "object", "properties": {"a": {}}, "required": ["a"]}'
    parsed = parse(form_of(schema), {"value/a": "[" * 100_000})
    assert parsed.errors == {"value/a": "This is nested too deeply."}
    assert find_problem("[" * 100_000, schema) == ("", "it is nested too deeply")


@pytest.mark.parametrize("cursor", [f"-{'9' * 19}.{'9' * 19}", "9" * 19 + ".1", "-1.-9" + "9" * 18])
def test_a_cursor_that_no_database_can_hold_is_the_first_page(here: Site, cursor: str) -> None:
    with here.client() as api:
        assert api.get("/inbox", params={"after": cursor}).status_code == 200


LOOKALIKES = ["¨ana", "\u037aana", "aß\u0301", "a\u03ab\u0301", "aẞ\u0301", "\u00b4\u00b4ana"]


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_name_that_folds_twice_is_one_person_however_often_it_was_folded(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    people = Directory()
    assert people.canonical(people.canonical(name)) == people.canonical(name)


def test_who_is_excluded_cannot_answer_under_a_name_with_something_that_nobody_sees() -> None:
    for unseen in ("\ufe0f", "\u3164", "\u034f", "\u2800", "\u115f", "\U000e0100", "\u200b"):
        assert not is_name(f"ana{unseen}"), unicodedata.name(unseen)
    assert is_name("Zoë Ångström-Łukasz 王小明")


def test_a_text_that_cannot_be_sent_takes_no_other_command_with_it(here: Site) -> None:
    """They leave in one frame; who had sent the others waited for ever."""

    async def together() -> list[object]:
        link = Link(load_app(here.app.dir).socket, patience=5)
        by = Actor("ana", "process", "python")
        bad = Decide("d", "a", "approve", by, comment="\ud800")
        try:
            sent = asyncio.gather(
                link.request(bad), link.request(ListApprovals()), return_exceptions=True
            )
            return list(await asyncio.wait_for(sent, 20))
        finally:
            link.close()

    refused, listed = asyncio.run(together())
    assert isinstance(refused, ProtocolError) and "text" in str(refused)
    assert not isinstance(listed, Exception)
