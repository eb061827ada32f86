"""What a browser sends for a click, over one connection, without a browser's own costs."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from bench.processes import until
from tako.clock import monotonic

_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
_COOKIE = re.compile(r"^set-cookie: ([^=]+)=([^;]+)", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(r"^content-length: (\d+)", re.MULTILINE | re.IGNORECASE)
_LIVE = re.compile(r'data-live="([^"]+)" data-version="(\d+)"')
_FRAGMENT = {"HX-Request": "true", "Tako-Live": "0"}
_BY_HAND = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}


class Browser:
    """``cookies``: those of another one, whose session it is in too."""

    def __init__(self, port: int, cookies: dict[str, str] | None = None) -> None:
        self._port = port
        self._cookies = dict(cookies or {})
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    async def until_served(self) -> None:
        await until(self._accepts, f"a web server on port {self._port}")
        await self.come_from(1)

    async def come_from(self, number: int) -> None:
        """Be somebody at another address: how often one may open links is limited."""
        if self._writer is not None:
            self._writer.close()
        address = (f"127.0.1.{number}", 0)
        opened = await asyncio.open_connection("127.0.0.1", self._port, local_addr=address)
        self._reader, self._writer = opened

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    async def get(self, path: str) -> str:
        return await self._ask("GET", path, {}, "")

    async def log_in(self, person: str) -> None:
        await self.press("/login", {**await self.form("/login"), "name": person})

    async def another(self) -> "Browser":
        """One more of the same person."""
        browser = Browser(self._port, self._cookies)
        await browser.come_from(1)
        return browser

    async def look(self, path: str, seconds: float) -> int:
        """Open the page and keep it open for so long, up to date; how often it was fetched."""
        await self.come_from(1)  # the server lets go of connections that were quiet for a while
        page, until_ = await self.get(path), monotonic() + seconds
        fetched = 1
        async with self._listening(page) as news:
            while await _heard(news, until_ - monotonic()):
                await self._ask("GET", path, _FRAGMENT, "")
                fetched += 1
        return fetched

    @asynccontextmanager
    async def _listening(self, page: str) -> AsyncIterator[asyncio.StreamReader]:
        """The live stream of a page."""
        live = _LIVE.search(page)
        assert live is not None, "the page has no stream"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = self._head("GET", f"{unescape(live[1])}&after={live[2]}", {})
        writer.write(head.encode())
        try:
            yield reader
        finally:
            writer.close()

    async def form(self, path: str) -> dict[str, str]:
        """The hidden fields of the page."""
        page = await self.get(path)
        return dict(_FIELD.findall(page))

    async def press(self, path: str, fields: dict[str, str]) -> str:
        """Send the form, as after a click on its button."""
        origin = {"Origin": f"http://127.0.0.1:{self._port}"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", path, _BY_HAND | origin | kind, urlencode(fields))

    def _head(self, method: str, path: str, headers: dict[str, str]) -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"Host": f"127.0.0.1:{self._port}", **headers}
        if cookies:
            sent["Cookie"] = cookies
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        return "\r\n".join(lines) + "\r\n\r\n"

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: str) -> str:
        head = self._head(method, path, {"Content-Length": str(len(body)), **headers})
        assert self._writer is not None, "until_served was awaited"
        self._writer.write((head + body).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = _LENGTH.search(head)
        assert length is not None, head
        text = (await self._reader.readexactly(int(length[1]))).decode()
        assert head.startswith(("HTTP/1.1 2", "HTTP/1.1 303")), head + text
        self._cookies |= dict(_COOKIE.findall(head))
        return text


async def _heard(news: asyncio.StreamReader, within: float) -> bool:
    """Whether the page is told in time that it is out of date."""
    try:
        async with asyncio.timeout(max(0.0, within)):
            while b'"page":true' not in await news.readuntil(b"\n\n"):
                pass
    except TimeoutError:
        return False
    return True
