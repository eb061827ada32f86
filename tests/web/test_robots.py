"""Programs that look through mails: they follow, run and send everything, and decide nothing."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tako.model import Approval
from tests.web.browser import Visitor
from tests.web.chromium import without_a_gesture
from tests.web.desk import Desk, is_open
from tests.web.pressing import CLICK, SCRIPT, press

MOST = 150  # requests of one crawl: below the limit of one address
MATTERS = {"answered", "decided", "delegated", "revoked", "expired", "withdrawn"}


def untouched(the_desk: Desk, approval: Approval) -> bool:
    return is_open(the_desk, approval) and not MATTERS & set(the_desk.kinds(approval))


class Found(HTMLParser):
    """Every address on a page, and every way in which its forms can be sent."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.sendings: list[tuple[str, str, dict[str, str]]] = []
        self._form: tuple[str, str] | None = None
        self._fields: dict[str, str] = {}
        self._buttons: list[dict[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses |= {given[name] for name in ("href", "src", "action") if name in given}
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self._form = given.get("method", "get"), given.get("action", "")
            self._fields, self._buttons = {}, []
        elif tag == "button":
            self._buttons.append({name: value} if name else {})
        elif tag == "input" and name:
            self._fields[name] = value or "1"  # it fills in what is empty
        elif tag in ("textarea", "select") and name:
            self._fields[name] = "1"

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            for button in [{}, *self._buttons]:
                self.sendings.append((*self._form, self._fields | button))
            self._form = None


def crawl(robot: Visitor, start: str) -> set[tuple[str, str]]:
    """GET, HEAD and OPTIONS of every address, and every form with each of its buttons."""
    waiting, seen = [start], set[tuple[str, str]]()

    def look(answered: str, at: str) -> None:
        found = Found(answered)
        waiting.extend(urljoin(at, address) for address in found.addresses)
        for method, action, fields in found.sendings:
            send(method, urljoin(at, action), fields)

    def send(method: str, url: str, fields: dict[str, str]) -> None:
        key = url, f"{method} {sorted(fields.items() - {('csrf', fields.get('csrf', ''))})}"
        if key in seen or len(seen) > MOST or not urlsplit(url).path.startswith("/"):
            return
        seen.add(key)
        sent = robot.http.request(method, url, data=fields, follow_redirects=True)
        assert sent.status_code < 500, sent.text
        look(sent.text, str(sent.url))

    while waiting and len(seen) < MOST:
        url = waiting.pop(0)
        if (url, "get") in seen or urlsplit(url).hostname not in (None, "127.0.0.1"):
            continue
        seen.add((url, "get"))
        for method in ("HEAD", "OPTIONS"):
            assert robot.http.request(method, url).status_code < 500
        page = robot.get(url, follow_redirects=True)
        assert page.status_code < 500, page.text
        if "html" in page.headers.get("content-type", ""):
            look(page.text, str(page.url))
    return seen


ROBOTS = {
    "one that sends no headers": {},
    "one that says it navigates": SCRIPT,
    "one that says it fetches": CLICK | {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    "one that comes from a mail program": CLICK | {"Sec-Fetch-Site": "cross-site"},
    "one that has no site": CLICK | {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize(("number", "headers"), list(enumerate(ROBOTS.values())), ids=list(ROBOTS))
def test_a_crawler_that_sends_every_form_with_every_button_decides_nothing(
    the_desk: Desk, number: int, headers: dict[str, str]
) -> None:
    asked = the_desk.ask(to=["ana"], options=["approve", "reject", "later"])
    filled = the_desk.ask(to=["ana"], form="amount")
    for approval in (asked, filled):
        path = the_desk.path(approval)
        with Visitor(the_desk.url, address=f"127.0.1.{number + 1}", **headers) as robot:
            seen = crawl(robot, the_desk.url + path)
        posts = {key for url, key in seen if key.startswith("post") and path in url}
        assert len(posts) >= 3, "the robot has tried every button"
        assert untouched(the_desk, approval), the_desk.kinds(approval)
    with Visitor(the_desk.url) as ana:
        assert press(ana, the_desk.path(asked), "approve").status_code == 303
    assert the_desk.result(asked) == ["approve", "ana", "link"]


# What a scanner with a whole browser does by itself, on a page that it has opened.
TRICKS = {
    "submit": "document.querySelector('form.answer').submit()",
    "requestSubmit": "document.querySelector('form.answer').requestSubmit()",
    "requestSubmit of a button": """
        document.querySelector('form.answer').requestSubmit(
            document.querySelector('button[value=approve]'))
    """,
    "click()": "document.querySelector('button[value=approve]').click()",
    "events of its own": """
        for (const kind of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'])
            document.querySelector('button[value=approve]').dispatchEvent(
                new MouseEvent(kind, {bubbles: true, cancelable: true, view: window}))
    """,
    "keys of its own": """
        document.querySelector('button[value=approve]').focus();
        for (const kind of ['keydown', 'keypress', 'keyup'])
            document.activeElement.dispatchEvent(
                new KeyboardEvent(kind, {key: 'Enter', bubbles: true, cancelable: true}))
    """,
    "fetch": """
        const form = document.querySelector('form.answer');
        const data = new URLSearchParams(new FormData(form));
        data.set('answer', 'approve'); data.set('word', 'approve');
        fetch(form.action, {method: 'POST', body: data}).then(r => r.text())
    """,
    "a beacon": """
        const data = new FormData(document.querySelector('form.answer'));
        data.set('answer', 'approve'); data.set('word', 'approve');
        navigator.sendBeacon(location.href, new URLSearchParams(data))
    """,
    "a hidden answer": """
        const form = document.querySelector('form.answer');
        const field = document.createElement('input');
        field.name = 'answer'; field.value = 'approve'; form.append(field); form.submit()
    """,
    "a window of its own": """
        const form = document.querySelector('form.answer'); form.target = '_blank';
        form.requestSubmit(document.querySelector('button[value=approve]'))
    """,
    "prefetch and prerender": """
        for (const rel of ['prefetch', 'prerender', 'preload']) {
            const link = document.createElement('link');
            link.rel = rel; link.href = location.href; document.head.append(link) }
    """,
    "frames": """
        const frame = document.createElement('iframe');
        frame.src = location.href; document.body.append(frame)
    """,
}


def test_a_browser_that_nobody_touches_decides_nothing(the_desk: Desk, browser: Browser) -> None:
    asked = the_desk.ask(to=["ana"])
    link = the_desk.link(asked)
    context = browser.new_context()
    for name, trick in TRICKS.items():
        page = context.new_page()  # what a trick still does does not come between the next one
        page.goto(link)
        without_a_gesture(page, f"(() => {{ {trick} }})()")
        page.wait_for_load_state("networkidle")
        send_what_there_is(page)
        assert untouched(the_desk, asked), name
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="You answered “approve”")).to_be_visible()
    assert the_desk.result(asked) == ["approve", "ana", "link"]
    context.close()


def send_what_there_is(page: Page) -> None:
    """The second page, if it has come to that: sent too, with something in its field."""
    without_a_gesture(
        page,
        """(() => {
            const word = document.querySelector('#word');
            if (word) { word.value = 'ok'; word.form.submit() }
        })()""",
    )
    page.wait_for_load_state("networkidle")


def test_what_a_page_does_while_it_loads_decides_nothing(the_desk: Desk, browser: Browser) -> None:
    asked = the_desk.ask(to=["ana"])
    context = browser.new_context()
    context.add_init_script(
        "addEventListener('load', () => document.querySelector('button[value=approve]')?.click())"
    )
    page = context.new_page()
    page.goto(the_desk.link(asked))
    expect(page.get_by_label("Type approve")).to_be_visible()
    assert untouched(the_desk, asked)
    context.close()
