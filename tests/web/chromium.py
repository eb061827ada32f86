"""A real Chromium, driven by Playwright. Without one these tests fail and say what to install."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it is open, nothing in this thread may run an event loop of its own."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium here: install it (Debian: apt-get install chromium) or set CHROMIUM"
    expect.set_options(timeout=PATIENCE * 1000)  # ms
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def without_a_gesture(page: Page, script: str) -> None:
    """Run a script as a page would by itself: Playwright's ``evaluate`` counts as a click."""
    session = page.context.new_cdp_session(page)
    told = session.send("Runtime.evaluate", {"expression": script, "awaitPromise": True})
    assert "exceptionDetails" not in told, told
    session.detach()
