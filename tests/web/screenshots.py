"""`make screenshots`: pictures of the pages as they are, for docs/pictures.

Each is of a real browser on a real server with the shop of `showcase`. Names are
`<page>-<wide|narrow>-<light|dark>.png`; what is no longer made is removed.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tako import approvals
from tests.web.chromium import chromium
from tests.web.showcase import Showcase, showcase

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COLOURS = 128  # of a palette: pages have few, and the files are a third of the size
WIDTHS = {"wide": (1200, 800), "narrow": (390, 760)}
BOTH = ("wide-light", "wide-dark", "narrow-light", "narrow-dark")

# name -> (address, looks)
SHOTS: dict[str, tuple[Callable[[Showcase], str], tuple[str, ...]]] = {
    "inbox": (lambda s: "/inbox", BOTH),
    "approval": (lambda s: f"/approvals/{s.order.id}", BOTH),
    "link": (lambda s: s.link(s.order), ("narrow-light",)),
    "runs": (lambda s: "/runs", BOTH),
    "timeline": (lambda s: f"/runs/{s.succeeded}", ("wide-light", "wide-dark")),
    "picture": (
        lambda s: f"/runs/{s.succeeded}#picture-title",
        ("narrow-light", "narrow-dark"),
    ),
    "run-failed": (lambda s: f"/runs/{s.failed}", ("wide-light",)),
    "run-long": (lambda s: f"/runs/{s.long}", ("wide-light", "wide-dark")),
    "run-waiting": (lambda s: f"/runs/{s.order.run_id}", ("wide-light",)),
    "workflows": (lambda s: "/workflows", ("wide-light", "narrow-dark")),
    "workflow": (lambda s: "/workflows/fulfill-order", ("wide-light",)),
    "waiting": (lambda s: "/waiting", ("wide-light", "narrow-dark")),
    "system": (lambda s: "/system", ("wide-light", "wide-dark")),
}


def main() -> int:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    with (
        tempfile.TemporaryDirectory(prefix="tako-pictures-") as folder,
        showcase(Path(folder), steps=40) as shop,
    ):
        _ask(shop)
        links = {name: address(shop) for name, (address, _) in SHOTS.items()}
        with chromium() as browser:
            for look in BOTH:
                _take(shop, browser, look, links)
    print(sum(file.stat().st_size for file in PICTURES.iterdir()) // 1024, "kB")
    return 0


def _ask(shop: Showcase) -> None:
    """More in the inbox: other words, other deadlines, and one that two have to answer."""
    shop.ask(title="Let the nightly report go out?", to=["ana", "ben"], timeout="3h")
    shop.ask(title="Hire Kim as a second barista", to=["group:finance"], quorum=2, requester="vic")
    half = shop.ask(title="Pay the roaster's invoice, € 12,480", to=["ana", "ben"], quorum=2)
    approvals.approve_sync(half.id, by="ben")


def _take(shop: Showcase, browser: Browser, look: str, links: dict[str, str]) -> None:
    width, _, scheme = look.partition("-")
    size = WIDTHS[width]
    context = browser.new_context(
        base_url=shop.url,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=1,
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    page = context.new_page()
    page.goto("/login")
    page.get_by_role("button", name="Ana Lima").click()
    page.wait_for_url("**/inbox")
    for name, (_, looks) in SHOTS.items():
        if look in looks:
            _picture(page, links[name], PICTURES / f"{name}-{look}.png")
    context.close()


def _picture(page: Page, address: str, path: Path) -> None:
    answer = page.goto(address)
    if answer is None or not answer.ok:
        print(f"{path.name}: {address} answers {answer and answer.status}", file=sys.stderr)
        return
    page.wait_for_timeout(150)  # fonts and what scripts do at the start
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
