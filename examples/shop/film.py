"""What `make screenshots` makes of the shop: the story as a short film, an animated GIF.

An order, the mail, the click, the parcel: each frame is a page of the running shop in Chromium.
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.Image import Image as Picture
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from demo_auto import CHROMIUM, Story
from dev import Dev, free_ports

SIZE = (900, 560)
CAPTION = 44  # px below the page
LOOK, MOVE = 2200, 60  # ms of a page, and of a step of the pointer
STEPS = 7
COLOURS = 96
POINTER = [(0, 0), (0, 19), (5, 15), (8, 22), (11, 21), (8, 14), (14, 14)]


class Film:
    """The frames so far, and how long each is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._frames: list[Picture] = []
        self._times: list[int] = []
        self._at: tuple[float, float] = (SIZE[0] * 3 // 4, SIZE[1] - 40)
        self._words = ""

    def look(self, words: str, ms: int = LOOK) -> None:
        """Show the page as it is now."""
        self._words = words
        self._add(self._shot(), ms)

    def click(self, button: Locator) -> None:
        """Move the pointer to the button, and press it."""
        button.scroll_into_view_if_needed()
        shot, box = self._shot(), button.bounding_box()
        assert box is not None
        begin, end = self._at, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for step in range(1, STEPS + 1):
            part = 1 - (1 - step / STEPS) ** 2  # slower at the end, as a hand is
            along = [b + (e - b) * part for b, e in zip(begin, end, strict=True)]
            self._at = along[0], along[1]
            self._add(shot, MOVE)
        self._times[-1] = 500
        with self.page.expect_navigation():
            button.click()

    def save(self, path: Path) -> None:
        first, *others = self._frames
        first.save(
            path, save_all=True, append_images=others, duration=self._times, loop=0, optimize=True
        )

    def _shot(self) -> Picture:
        return Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")

    def _add(self, shot: Picture, ms: int) -> None:
        frame = Image.new("RGB", (SIZE[0], SIZE[1] + CAPTION), "#1d2433")
        frame.paste(shot)
        draw = ImageDraw.Draw(frame)
        draw.text((18, SIZE[1] + 11), self._words, "white", ImageFont.load_default(18))
        tip = [(self._at[0] + x, self._at[1] + y) for x, y in POINTER]
        draw.polygon(tip, "black", "white")
        self._frames.append(frame.quantize(COLOURS, dither=Image.Dither.NONE))
        self._times.append(ms)


def play(story: Story, film: Film) -> None:
    page = story.page
    page.goto("/")
    page.locator("[name=sku]").select_option("grand")
    film.look("1  An order of 148,000 euros")
    film.click(page.get_by_role("button", name="Place order"))
    order = page.url.rpartition("/")[2].partition("?")[0]
    story.reaches(order, "awaiting approval")
    story.is_parked(order)
    page.goto(f"/orders/{order}")
    film.look("2  It is paid, and waits: no process, no connection")
    link = story.link(order, "ana")
    page.goto("/mail")
    page.get_by_text("to ana@").first.evaluate("line => line.parentElement.scrollIntoView()")
    film.look("3  Ana gets a mail with a link of her own")
    page.goto(link)
    film.look("4  She reads what is asked", 1200)
    film.click(page.get_by_role("button", name="Approve"))
    film.look("5  One click, and it is on record", 1600)
    story.shipped_once(order)
    page.goto(f"{story.dev.tako}/login?next=/runs/fulfill-{order}")
    page.get_by_role("button", name="Ana").click()
    page.wait_for_url("**/runs/**")
    page.locator("#picture-title").evaluate("title => title.scrollIntoView()")
    film.look("6  Shipped: it went on where it was, and charged once", 3400)


def main() -> int:
    path = Path(sys.argv[1])
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory(prefix="tako-film-") as name, sync_playwright() as playwright:
        folder = Path(name)
        browser: Browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        env = {"TAKO_DATA_DIR": str(folder / "tako"), "SHOP_DATA": str(folder / "shop")}
        with (folder / "tako-dev.log").open("a") as log:
            dev = Dev(env | free_ports(), log)
            try:
                dev.start()
                story = Story(folder, browser, dev, None)
                story.page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
                film = Film(story.page)
                play(story, film)
                dev.stop()
            finally:
                dev.sweep()
                browser.close()
    film.save(path)
    print(f"{path.name}: {path.stat().st_size // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
