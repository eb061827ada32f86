"""What a browser sends when a person presses a button, and what it does not when nobody did."""

import re
from collections.abc import Mapping
from html import unescape

import httpx

from tests.web.browser import Visitor

CLICK = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}
SCRIPT = {name: value for name, value in CLICK.items() if name != "Sec-Fetch-User"}

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
_MAIN = re.compile(r"<main.*?</main>", re.DOTALL)
_FORM = re.compile(r'<form class="card answer.*?</form>', re.DOTALL)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form that answers, or of the only one there is."""
    form = _FORM.search(page) or _MAIN.search(page)
    assert form is not None, page
    return {name: unescape(value) for name, value in _HIDDEN.findall(form[0])}


def text_of(page: str) -> str:
    """What a person reads on it."""
    main = _MAIN.search(page)
    assert main is not None, page
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main[0])).split())


def press(
    visitor: Visitor,
    path: str,
    answer: str,
    page: str | None = None,
    fields: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] = CLICK,
    **more: str,
) -> httpx.Response:
    """Open the page and press the button of this answer. ``page``: one that was opened before."""
    shown = visitor.get(path).text if page is None else page
    target = re.search(r'<form class="card answer[^>]* action="([^"]*)"', shown)
    data = hidden(shown) | {"answer": answer} | dict(fields or {}) | more
    return visitor.http.post(target[1] if target else path, data=data, headers=dict(headers))
