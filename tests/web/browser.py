"""A visitor with a cookie jar, who reads pages and presses buttons, without a browser."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from html import unescape
from typing import Any, Self

import httpx

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_NAME = re.compile(r"<strong[^>]*>([^<]*)</strong>(?:, with the role <em>(\w+)</em>)?")


class Visitor:
    """Comes from ``address``, which has to be one of this machine: 127.0.0.1, 127.0.0.2, ..."""

    def __init__(self, url: str, address: str = "127.0.0.1", **headers: str) -> None:
        self.http = httpx.Client(
            base_url=url,
            headers={"Accept": "text/html"} | headers,
            transport=httpx.HTTPTransport(
                verify=False, local_address=address
            ),  # no certificates to read
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def submit(self, path: str, *, page: str | None = None, **fields: str) -> httpx.Response:
        """Open the page (that of ``path`` itself), and send its form with these fields."""
        token = csrf_of(self.get(page or path).text)
        return self.http.post(path, data={"csrf": token, **fields})

    def log_in(self, name: str, password: str = "", **fields: str) -> httpx.Response:
        return self.submit("/login", name=name, password=password, **fields)

    @property
    def role(self) -> str | None:
        return self.who()[1]

    @property
    def name(self) -> str | None:
        """Who the pages say that this visitor is; None: nobody."""
        return self.who()[0]

    @property
    def session(self) -> str | None:
        return self.http.cookies.get("tako_session")

    def who(self) -> tuple[str | None, str | None]:
        """Name and role."""
        page = self.get("/login")
        assert page.status_code in (200, 302, 401, 403), page.text
        found = _NAME.search(page.text) if "You are logged in" in page.text else None
        return (unescape(found[1]), found[2]) if found else (None, None)


def csrf_of(page: str) -> str:
    found = _CSRF.search(page)
    assert found is not None, page
    return found[1]


def once_of(page: str) -> str:
    """What makes a second click on a form of the page the same as the first."""
    found = re.search(r'name="once" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def said(response: httpx.Response) -> str:
    """The notice on a page, or its text, as people read it."""
    found = re.search(r'role="alert"><p>(.*?)</p>', response.text)
    text = found[1] if found else response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


@contextmanager
def visiting(url: str, names: Iterable[str]) -> Iterator[dict[str, Visitor]]:
    """People at their browsers, logged in; "" is somebody who is not."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(Visitor(url)) for name in names}
        for name in filter(None, found):
            found[name].log_in(name)
        yield found
